"""What README and docs/nights.md promise of Prefect, on a server: schedules, bare names, what a run shows, attempts, and `hsrl up`."""

import errno
import json
import os
import re
import signal
import socket
import sqlite3
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from prefect import flow
from prefect.settings import PREFECT_API_URL, temporary_settings

from flows.nights import night as nights
from flows.nights import writer_slot
from flows.runtime.run import Run
from flows.service.processes import descendants, is_running
from flows.service.server import found_by
from pipeline.errors import SourceError
from pipeline.warehouse.adhoc import run_sql

ROOT = Path(__file__).parents[2]
PREFECT = Path(sys.executable).with_name("prefect")
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """Of commands that talk to a server of its own: a whole one, as the test harness's schedules nothing."""
    port = free_port()
    small_feed = {
        "HSRL_SOURCE__DAYS": "1",
        "HSRL_SOURCE__USERS": "200",
        "HSRL_SIDS__VOCABULARY": "8",
        "HSRL_SIMULATOR__N_EPOCHS": "2",
    }
    home = tmp_path_factory.mktemp("prefect")
    of_prefect = {
        "PREFECT_HOME": str(home),
        "PREFECT_API_URL": f"http://127.0.0.1:{port}/api",
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    }
    environment = {**os.environ, **small_feed, **of_prefect}
    command = [str(PREFECT), "server", "start", "--no-ui", "--port", str(port)]
    with (home / "server.log").open("w") as log:
        server = subprocess.Popen(command, env=environment, stdout=log, stderr=log, cwd=ROOT)
    try:
        wait_until(lambda: is_healthy(of_prefect["PREFECT_API_URL"]), 120)
        yield environment
    finally:
        server.terminate()
        server.wait(30)


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def is_healthy(url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{url}/health", timeout=5) as answer:  # noqa: S310 our own server
            return bool(answer.status == 200)
    except OSError:
        return False


def wait_until(is_so: Callable[[], bool], seconds: int) -> None:
    for _ in range(seconds):
        if is_so():
            return
        time.sleep(1)
    raise AssertionError(f"not so after {seconds} seconds")


def prefect(environment: dict[str, str], *words: str) -> str:
    """A command of stock Prefect, from the project's folder, as a person types it."""
    told = subprocess.run(
        [str(PREFECT), *words], cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=300
    )
    assert told.returncode == 0, told.stdout + told.stderr
    return told.stdout


def names_of(environment: dict[str, str]) -> dict[str, str]:
    """Deployment → id."""
    return {found["name"]: found["id"] for found in found_by(environment["PREFECT_API_URL"], "deployments", {})}


def runs_of(environment: dict[str, str], deployment: str) -> list[dict[str, Any]]:
    """Asked of the server itself: to start a command takes seconds."""
    wanted = {"deployments": {"id": {"any_": [names_of(environment)[deployment]]}}, "limit": 100}
    return found_by(environment["PREFECT_API_URL"], "flow_runs", wanted)


@pytest.fixture(scope="module")
def refreshed_by_worker(environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """The warehouse that a flow run begun by its bare name has made, and that run as the server has it."""
    prefect(environment, "work-pool", "create", "local", "--type", "process")
    prefect(environment, "gcl", "create", "hsrl-writer", "--limit", "1")
    prefect(environment, "--no-prompt", "deploy", "--all")
    root = tmp_path_factory.mktemp("scheduled") / "warehouse"
    prefect(environment, "deployment", "run", "daily-refresh", "--param", f"warehouse={root}")
    prefect(environment, "worker", "start", "--pool", "local", "--run-once")
    [ended] = [run for run in runs_of(environment, "daily-refresh") if run["state_type"] == "COMPLETED"]
    return root, ended


def test_deployed_nights_are_scheduled_and_one_runs_by_its_bare_name(
    environment: dict[str, str], refreshed_by_worker: tuple[Path, dict[str, Any]]
) -> None:
    def scheduled() -> set[str]:
        runs = [(name, run) for name in names_of(environment) for run in runs_of(environment, name)]
        return {name for name, run in runs if "auto-scheduled" in run["tags"]}

    wait_until(lambda: scheduled() == {"daily-refresh", "gc", "verify"}, 60)
    listed = json.loads(prefect(environment, "flow-run", "ls", "--limit", "100", "-o", "json"))
    assert len({run["deployment_id"] for run in listed if run["state_type"] == "SCHEDULED"}) >= 3
    assert run_sql(refreshed_by_worker[0], "select count(*) as n from releases").item() == 1


def test_a_retrain_follows_the_refresh_that_succeeded(
    environment: dict[str, str], refreshed_by_worker: tuple[Path, dict[str, Any]]
) -> None:
    """By an event and not by a clock."""
    wait_until(lambda: len(runs_of(environment, "nightly-retrain")) == 1, 60)
    [following] = runs_of(environment, "nightly-retrain")
    assert "auto-scheduled" not in following["tags"] and following["created"] > refreshed_by_worker[1]["start_time"]


def test_prefect_shows_what_happened(environment: dict[str, str], refreshed_by_worker: tuple[Path, dict[str, Any]]) -> None:
    """Name, tags, lines, task runs, and the page at the end."""
    api, run = environment["PREFECT_API_URL"], refreshed_by_worker[1]
    assert re.fullmatch(r"\d{4}-\d\d-\d\d release 1", run["name"])
    assert {"hsrl", "refresh", "published", "release:1"} <= set(run["tags"])
    of_run = {"flow_runs": {"id": {"any_": [run["id"]]}}}
    tasks = {task["name"] for task in found_by(api, "task_runs", of_run)}
    assert {"daily-refresh as a whole", "records of 2026-01-01, bucket 0", "semantic ids", "audits and publish"} <= tasks

    def lines() -> list[str]:
        asked = {"logs": {"flow_run_id": {"any_": [run["id"]]}}, "limit": 200}
        return [line["message"] for line in found_by(api, "logs", asked)]

    wait_until(lambda: any(line.startswith("audits and publish: done in ") for line in lines()), 30)
    assert any(re.fullmatch(r"2026-01-01: [\d,]+ events, [\d,]+ records, 0 rows rejected", line) for line in lines())
    made = {artifact["key"]: artifact for artifact in found_by(api, "artifacts", of_run) if artifact["key"]}
    assert made["daily-refresh"]["type"] == "markdown" and "| n_rows |" in made["daily-refresh"]["data"]
    assert made["daily-refresh-progress"]["data"] == 100.0
    assert made["daily-refresh-progress"]["description"] == "daily-refresh: audits and publish"


def test_a_slot_whose_holder_died_with_the_server_stops_no_night(
    environment: dict[str, str],
    refreshed_by_worker: tuple[Path, dict[str, Any]],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Found by sixty nights: a server that was begun again had forgotten the lease, and every night after waited for ever."""
    prefect(environment, "gcl", "update", "hsrl-writer", "--active-slots", "1")
    monkeypatch.setattr(writer_slot, "PATIENCE_SECONDS", 1.0)
    with temporary_settings({PREFECT_API_URL: environment["PREFECT_API_URL"]}), writer_slot.writer_slot():
        assert "no slot of hsrl-writer was free in 1 seconds; going on" in capsys.readouterr().out
    prefect(environment, "gcl", "update", "hsrl-writer", "--active-slots", "0")
    with temporary_settings({PREFECT_API_URL: environment["PREFECT_API_URL"]}), writer_slot.writer_slot():
        assert capsys.readouterr().out == ""


def test_a_night_is_tried_again_after_a_fault_of_the_disk_and_not_after_bad_input(
    environment: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(nights, "DELAYS", (0.0, 0.0))
    monkeypatch.setenv("PREFECT_API_URL", environment["PREFECT_API_URL"])
    for name in ("HSRL_ALERTS__WEBHOOK", "HSRL_ALERTS__COMMAND"):
        monkeypatch.delenv(name, raising=False)
    attempts: list[str] = []

    @flow(name="faulty")
    def faulty(errors: list[Any]) -> dict[str, Any]:
        def attempt(run: Run) -> dict[str, Any]:
            attempts.append(run.run_id)
            if errors == ["sleep"]:
                time.sleep(60)
            if len(attempts) <= len(errors):
                raise errors[len(attempts) - 1]
            with run.stage("verify"):
                return {"status": "intact", "run_id": run.run_id, "release_id": None}

        return nights.night("verify", tmp_path / "none.toml", tmp_path, attempt)

    with temporary_settings({PREFECT_API_URL: environment["PREFECT_API_URL"]}):
        assert faulty([OSError(errno.EIO, "Input/output error")])["run_id"] == attempts[1]
        assert len(attempts) == 2 and attempts[0] != attempts[1], "a run of its own for each attempt"
        attempts.clear()
        with pytest.raises(SourceError, match=r"cut\.csv"):
            faulty([SourceError("cut.csv: truncated or damaged")])
        assert len(attempts) == 1
        attempts.clear()
        with pytest.raises(OSError, match="Input/output"):
            faulty([OSError(errno.EIO, "Input/output error")] * 9)
        assert len(attempts) == 3
        attempts.clear()
        with pytest.raises(TimeoutError):
            faulty.with_options(timeout_seconds=3)(["sleep"])
        assert len(attempts) == 1, "a night that is out of time has had its time"


def kill_a_night_at_work(environment: dict[str, str], up: int, log: Path) -> None:
    """Begin a refresh and kill its processes, as a machine without memory would; the server and the worker stay."""
    before = descendants(up)
    prefect(environment, "deployment", "run", "daily-refresh")
    wait_until(lambda: "splits: done in" in log.read_text(), 120)
    for pid in descendants(up) - before:
        os.kill(pid, signal.SIGKILL)


def test_up_starts_everything_the_doctor_agrees_and_a_signal_stops_it_all(environment: dict[str, str], tmp_path: Path) -> None:
    port, hsrl = free_port(), str(PREFECT.with_name("hsrl"))
    api = f"http://127.0.0.1:{port}/api"
    notice = tmp_path / "notice.json"
    of_up = {
        **environment,
        "PREFECT_HOME": str(tmp_path / "home"),
        "PREFECT_API_URL": api,
        "HSRL_ALERTS__COMMAND": json.dumps(["/bin/sh", "-c", f"cat > {notice}.draft && mv {notice}.draft {notice}"]),
        "HSRL_SIMULATOR__N_EPOCHS": "1000",  # a night that is still at work when it is killed
    }
    given = ("--config", str(ROOT / "flows/configs/generated.toml"), "--warehouse", str(tmp_path / "warehouse"))
    log = tmp_path / "up.log"
    with log.open("w") as printed:
        up = subprocess.Popen([hsrl, "up", *given, "--port", str(port)], env=of_up, stdout=printed, stderr=printed, cwd=tmp_path)
    try:
        wait_until(lambda: "nights are scheduled" in log.read_text() or up.poll() is not None, 180)
        wait_until(lambda: len(names_of(of_up)) == 4 and bool(runs_of(of_up, "gc")) and "started!" in log.read_text(), 60)
        deployed = found_by(api, "deployments", {})
        assert {found["parameters"]["warehouse"] for found in deployed} == {str(tmp_path / "warehouse")}
        seen = subprocess.run([hsrl, "doctor", *given, "--json"], env=of_up, capture_output=True, text=True, check=False)
        checks = {check["name"]: check["status"] for check in json.loads(seen.stdout)["checks"]}
        assert {checks[name] for name in ("Prefect server", "deployments", "scheduled runs", "worker")} == {"OK"}
        assert (checks["catalogue"], seen.returncode) == ("FAIL", 1), "there is no warehouse yet"
        kill_a_night_at_work(of_up, up.pid, log)
        wait_until(notice.exists, 60)
        sent = json.loads(notice.read_text())
        assert (sent["flow"], sent["event"]) == ("daily-refresh", "failed") and "crashed" in sent["message"]
        another = [hsrl, "up", *given[:2], "--warehouse", str(tmp_path / "another"), "--port", str(port)]
        refused = subprocess.run(another, env=of_up, capture_output=True, text=True, check=False)
        assert refused.returncode == 2 and f"runs the nights of {tmp_path / 'warehouse'}" in refused.stderr
        prefect(of_up, "deployment", "run", "daily-refresh")
        wait_until(lambda: log.read_text().count("splits: done in") == 2, 120)
        children = descendants(up.pid)
        assert len(children) >= 3, "the server, the worker, and a night at work"
    finally:
        up.send_signal(signal.SIGINT)
        code = up.wait(120)
    assert (code, log.read_text().splitlines()[-1]) == (0, "stopped"), log.read_text()
    assert [child for child in children if is_running(child)] == [] and not is_healthy(api)
    assert re.search(r"stopped 20[\d-]+ at work", log.read_text())
    with sqlite3.connect(tmp_path / "home" / "prefect.db") as database:
        states = database.execute("select state_type from flow_run where state_type not in ('SCHEDULED')").fetchall()
    assert states == [("CRASHED",), ("CRASHED",)], "neither the killed night nor the stopped one seems to run"
