"""What the doctor finds: of versions, of the clock, of a warehouse, of a server's answers."""

import json
import os
import shutil
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from prefect.settings import PREFECT_API_URL, temporary_settings

from flows.service import warehouse_checks
from flows.service.checks import ROOT, clock, extras, requirements, satisfies, versions
from flows.service.prefect_checks import nights, prefect, worker
from flows.service.server import api_url, warehouses_of
from flows.service.warehouse_checks import disk, garbage, runs, warehouse
from pipeline.warehouse.lock import locked
from tests.flows.cli.test_extras import without
from tests.flows.conftest import Printed, World

NOW = datetime(2026, 1, 10, 8, tzinfo=UTC)


def test_bounds_are_read_without_comments_hashes_and_options() -> None:
    lines = ["# a comment", "prefect==3.8.8", "sqlalchemy>=2.0,<2.1  # why", "polars==2.1.0 \\", "    --hash=sha256:00", "-e ."]
    assert requirements(lines) == {"prefect": "==3.8.8", "sqlalchemy": ">=2.0,<2.1", "polars": "==2.1.0"}


@pytest.mark.parametrize(
    ("have", "bounds", "fits"),
    [
        ("2.13.0+cpu", "==2.13.0", True),
        ("2.13.1", "==2.13.0", False),
        ("2.0.51", ">=2.0,<2.1", True),
        ("2.1.0", ">=2.0,<2.1", False),
        ("2.1", "==2.1.0", True),
        ("1.0", "~=1.0", False),
    ],
)
def test_a_version_is_compared_by_its_numbers(have: str, bounds: str, fits: bool) -> None:
    assert satisfies(have, bounds) is fits


def test_a_broken_pin_fails_and_a_drifted_lock_warns(tmp_path: Path) -> None:
    (tmp_path / "constraints.txt").write_text("numpy<1.0\nnot-installed==1\n")
    (tmp_path / "requirements.lock").write_text("numpy==0.1 \\\n")
    pins, lock = versions(tmp_path)
    assert (pins.status, lock.status) == ("FAIL", "WARN") and pins.finding.startswith("1 of 1: numpy ") and pins.mend
    assert [check.status for check in versions(tmp_path / "elsewhere")] == ["OK", "OK"]


def test_the_pins_of_this_environment_hold() -> None:
    pins = versions()[0]
    assert pins.status == "OK", pins


def test_a_missing_extra_warns() -> None:
    train, flows = extras({"no_such_module": "train", "json": "flows"})
    assert (train.status, flows.status) == ("WARN", "OK") and "pip install -e '.[train]'" in train.mend


@pytest.mark.parametrize(
    ("newest", "status"),
    [
        (None, "OK"),
        (NOW - timedelta(hours=5), "OK"),
        (NOW + timedelta(minutes=1), "OK"),
        (NOW + timedelta(hours=1), "FAIL"),
        (NOW - timedelta(days=3), "WARN"),
    ],
)
def test_a_clock_that_lies_before_the_newest_release_fails(newest: datetime | None, status: str) -> None:
    assert clock(newest, NOW).status == status


def test_a_warehouse_that_opens_has_five_findings(retrained: World, tmp_path: Path) -> None:
    world = retrained.copy(tmp_path)
    found = {check.name: check for check in warehouse(world.root)}
    assert list(found) == ["catalogue", "clock", "runs", "disk", "orphans"]
    assert found["catalogue"].finding == "opens; release 2" and found["runs"].status == "OK" and found["orphans"].status == "OK"


def test_no_warehouse_and_a_damaged_one_fail(retrained: World, tmp_path: Path) -> None:
    catalogue, room = warehouse(tmp_path / "none")
    assert (catalogue.status, room.name) == ("FAIL", "disk") and "no warehouse" in catalogue.finding
    world = retrained.copy(tmp_path)
    for copy in (world.root / "readers.sqlite", world.root / "catalog.sqlite", *(world.root / "readers").iterdir()):
        copy.write_bytes(b"x")
    assert warehouse(world.root)[0].status == "FAIL"


def test_a_warehouse_that_cannot_be_written_fails(refreshed: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As root may write everywhere but on what is mounted for reading, the system's answer is given here."""
    root = refreshed.copy(tmp_path).root
    may = os.access
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path) != root / "data" and may(path, mode))
    catalogue, _disk = warehouse(root)
    assert catalogue.status == "FAIL" and f"{root / 'data'} cannot be written" in catalogue.finding


def test_the_last_run_of_a_flow_counts_and_earlier_ones_do_not() -> None:
    newest_first = [
        {"run_id": "20260103T031500-daily-refresh-aa11", "status": "killed", "message": None},
        {"run_id": "20260102T040000-nightly-retrain-bb22", "status": "completed", "message": None},
        {"run_id": "20260102T031500-daily-refresh-cc33", "status": "completed", "message": None},
        {"run_id": "20260101T040000-nightly-retrain-dd44", "status": "failed", "message": "no room"},
    ]
    check = runs(newest_first)
    assert (check.status, check.finding) == ("WARN", "20260103T031500-daily-refresh-aa11 killed")
    assert runs(newest_first[1:3]).status == "OK" and runs([]).finding == "none yet"
    assert runs(newest_first[3:]).finding == "20260101T040000-nightly-retrain-dd44 failed: no room"


@pytest.mark.parametrize(("free", "status"), [(100 * 2**20, "FAIL"), (2**30, "WARN"), (100 * 2**30, "OK")])
def test_little_room_warns_and_next_to_none_fails(
    free: int, status: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(warehouse_checks.shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(2**40, 2**40 - free, free))
    assert disk(tmp_path / "not" / "yet").status == status


def test_an_orphan_is_found_and_a_writer_is_not_waited_for(refreshed: World, tmp_path: Path) -> None:
    world = refreshed.copy(tmp_path)
    orphan = world.root / "data" / "main" / "events" / "r000099" / "x-b0000.parquet"
    orphan.parent.mkdir(parents=True)
    orphan.write_bytes(b"x")
    assert (garbage(world.root).status, garbage(world.root).mend) == ("WARN", "hsrl gc") and orphan.exists()
    with locked(world.root / "writer.lock", "another", 0):
        assert garbage(world.root).finding == "not looked at: a run is writing now"


def deployed(**more: Any) -> list[dict[str, Any]]:
    return [{"name": name, "id": name, "paused": False} | more for name in ("daily-refresh", "nightly-retrain", "gc", "verify")]


DUE = [{"deployment_id": name, "name": name, "state_name": "Scheduled"} for name in ("daily-refresh", "gc", "verify")]
FOLLOWS = [{"enabled": True, "actions": [{"type": "run-deployment", "deployment_id": "nightly-retrain"}]}]


def test_scheduled_nights_and_one_that_follows_are_well() -> None:
    assert [check.status for check in nights(deployed(), DUE, FOLLOWS)] == ["OK", "OK"]


def test_a_scheduler_that_makes_no_run_fails() -> None:
    """What SQLAlchemy 2.1 does to Prefect: deployments are there, and no run ever is."""
    check = nights(deployed(), [], FOLLOWS)[1]
    assert (
        check.status == "FAIL"
        and check.finding == "none ahead of daily-refresh, gc, verify, and no trigger"
        and "sqlalchemy" in check.mend
    )


def test_a_trigger_that_was_turned_off_fails() -> None:
    check = nights(deployed(), DUE, [FOLLOWS[0] | {"enabled": False}])[1]
    assert check.finding == "none ahead of nightly-retrain, and no trigger"


def test_missing_paused_and_late_nights_are_named() -> None:
    assert nights(deployed()[:3], DUE, FOLLOWS)[0].finding == "missing: verify"
    assert nights(deployed(paused=True), [], [])[0].mend == "prefect deployment resume daily-refresh/daily-refresh"
    late = nights(deployed(), [DUE[0] | {"state_name": "Late"}, *DUE[1:]], FOLLOWS)
    assert (late[2].name, late[2].status) == ("late runs", "WARN")


@pytest.mark.parametrize(
    ("pool", "workers", "status", "finding"),
    [
        ({}, [{"name": "a", "status": "OFFLINE"}, {"name": "b", "status": "ONLINE"}], "OK", "1 in pool local: b"),
        ({}, [{"name": "a", "status": "OFFLINE"}], "WARN", "none is at work in pool local, so its runs wait"),
        ({}, [], "WARN", "none is at work in pool local, so its runs wait"),
        ({"is_paused": True}, [{"name": "b", "status": "ONLINE"}], "WARN", "work pool local is paused: its runs wait"),
    ],
)
def test_a_pool_that_nobody_serves_warns(pool: dict[str, Any], workers: list[dict[str, Any]], status: str, finding: str) -> None:
    check = worker({"name": "local"} | pool, workers)
    assert (check.status, check.finding) == (status, finding) and bool(check.mend) == (status == "WARN")


def test_the_warehouses_of_a_servers_nights() -> None:
    """Those that `prefect deploy` sets are relative to the project; deployments of other flows have none."""
    other = {"name": "another flow", "parameters": {"warehouse": "/elsewhere"}}
    assert warehouses_of([*deployed(parameters={"warehouse": "warehouse"}), other]) == [str(ROOT / "warehouse")]
    assert warehouses_of([*deployed(parameters={"warehouse": "/a/../b"}), *deployed(parameters={})]) == ["/b"]


def test_the_profile_of_prefect_says_where_the_server_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PREFECT_API_URL", raising=False)
    with temporary_settings({PREFECT_API_URL: "http://127.0.0.1:4300/api"}):
        assert api_url() == "http://127.0.0.1:4300/api"
        monkeypatch.setenv("PREFECT_API_URL", "http://127.0.0.1:4301/api/")
        assert api_url() == "http://127.0.0.1:4301/api"


def test_no_server_warns_as_cron_needs_none() -> None:
    [check] = prefect("http://127.0.0.1:1/api", Path())
    assert check.status == "WARN" and "hsrl up" in check.mend


def test_the_command_prints_what_to_do_and_fails_with_one(
    hsrl: Callable[..., Printed], retrained: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PREFECT_API_URL", "http://127.0.0.1:1/api")
    monkeypatch.setenv("COLUMNS", "300")
    well = hsrl("doctor", "--config", retrained.config, "--warehouse", retrained.copy(tmp_path).root)
    assert well.code == 0 and "WARN alerts" in well.out and "→ set HSRL_ALERTS__WEBHOOK" in well.out
    ill = hsrl("doctor", "--config", retrained.config, "--warehouse", tmp_path / "none", "--json")
    report = json.loads(ill.out)
    assert (ill.code, report["status"]) == (1, "FAIL")
    assert {"name", "status", "finding", "mend"} == set(report["checks"][0])
    unnamed = hsrl("doctor", "--config", tmp_path / "none.toml", "--warehouse", tmp_path / "none", "--json")
    assert next(check for check in json.loads(unnamed.out)["checks"] if check["name"] == "configuration")["status"] == "FAIL"


def test_the_core_alone_can_be_examined(refreshed: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PREFECT_API_URL", "http://127.0.0.1:1/api")
    world = refreshed.copy(tmp_path)
    (tmp_path / "w").symlink_to(world.root)
    ran = without({"torch", "prefect", "faiss", "sklearn", "jaxtyping", "fastapi", "sqlalchemy"}, tmp_path, "doctor", "--json")
    assert ran.returncode == 0, ran.stderr + ran.stdout
    checks = {check["name"]: check["status"] for check in json.loads(ran.stdout)["checks"]}
    assert checks["catalogue"] == "OK" and checks["configuration"] == "WARN"
