"""The restore drill: every loss is named, mended by what hsrl says, and the warehouse that was drilled is as before."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from flows.maintenance import drill as module
from flows.maintenance.linked_copy import linked_copy
from flows.maintenance.verify import verify
from pipeline.warehouse.adhoc import run_sql
from tests.support import small_feed as feed

pytestmark = pytest.mark.slow
SIDS = "SELECT item_id, sid FROM sids ORDER BY item_id"


@pytest.fixture(scope="module")
def two_nights(two_days: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("drill")
    shutil.copytree(two_days, home, dirs_exist_ok=True)
    feed.night(home / "w", 3)
    return home


@pytest.fixture
def root(two_nights: Path, tmp_path: Path) -> Path:
    shutil.copytree(two_nights, tmp_path, dirs_exist_ok=True)
    return tmp_path / "w"


def content_of(root: Path) -> dict[str, bytes]:
    """All files but the locks, what engines spill, and what SQLite puts beside a catalogue that any verify reads; its log is empty."""
    log = root / "catalog.sqlite-wal"
    assert not log.exists() or log.stat().st_size == 0
    return {
        str(path.relative_to(root)): path.read_bytes()
        for path in sorted(root.rglob("*"))
        if path.is_file() and path.suffix not in {".lock", ".sqlite-shm", ".sqlite-wal"} and ".spill" not in path.parts
    }


def test_every_scenario_is_restored_and_the_warehouse_is_not_touched(root: Path, hsrl: Callable[..., Any]) -> None:
    staged = root / "staging" / "records" / "0123456789abcdef"
    staged.mkdir(parents=True)
    (staged / "part.bin").write_bytes(b"staged")
    before = content_of(root)
    ran = hsrl("verify", "--drill", "--json", "--warehouse", root)
    assert ran.code == 0, (ran.out, ran.err)
    report = json.loads(ran.out)
    outcomes = {outcome["scenario"]: outcome for outcome in report["scenarios"]}
    assert report["status"] == "restored" and len(outcomes) == len(module._SCENARIOS)
    assert {name for name, outcome in outcomes.items() if outcome["is_restored"] is not True} == set()
    assert all(outcome["lost"] and outcome["restored_by"] and outcome["seconds"] > 0 for outcome in outcomes.values())
    assert "restore it: cd " in outcomes["catalogue lost"]["says"]
    assert "commits after it" in outcomes["catalogue of an earlier commit, data of today"]["lost"]
    assert outcomes["readers' copies lost"]["restored_by"] == "hsrl gc"
    assert outcomes["data lost"]["says"].endswith("docs/recovery.md (Damaged files)")
    assert "embedding_model" in outcomes["artifacts lost"]["lost"]
    assert not any(".drill-" in text for outcome in outcomes.values() for text in map(str, outcome.values()))
    assert content_of(root) == before
    assert not list(root.parent.glob(".*drill*"))


def test_a_loss_that_is_not_restored_ends_with_exit_code_1(
    root: Path, hsrl: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Here the command that hsrl tells is another than the one that works."""
    monkeypatch.setattr(module, "_SCENARIOS", module._SCENARIOS[:1])
    monkeypatch.setattr(module, "restoring", lambda root: "cp elsewhere catalog.sqlite")
    ran = hsrl("verify", "--drill", "--json", "--warehouse", root)
    assert ran.code == 1
    [outcome] = json.loads(ran.out)["scenarios"]
    assert outcome["is_restored"] is False and "does not say how to restore it" in outcome["restored_by"]


def test_a_damaged_warehouse_is_not_drilled(root: Path, hsrl: Callable[..., Any]) -> None:
    file = next((root / "data").rglob("*.parquet"))
    file.unlink()
    ran = hsrl("verify", "--drill", "--warehouse", root)
    assert ran.code == 2 and ran.err.count("\n") == 1 and f"{file}: missing" in ran.err
    assert not list(root.parent.glob(".*drill*"))


def test_the_catalogue_of_a_copy_is_never_that_of_the_warehouse(root: Path, tmp_path: Path) -> None:
    """A hard link of a file that is written in place would be written in both."""
    linked_copy(root, tmp_path / "copy")
    inodes = {path.stat().st_ino for path in root.rglob("*") if path.is_file() and path.suffix == ".sqlite"}
    assert all(path.stat().st_ino not in inodes for path in (tmp_path / "copy").rglob("*.sqlite"))
    for folder in ("data", "artifacts"):
        shared = [path for path in (tmp_path / "copy" / folder).rglob("*") if path.is_file()]
        assert shared and all(path.stat().st_nlink > 1 for path in shared)


def test_after_yesterdays_catalogue_and_copies_a_refresh_does_the_night_again(two_days: Path, tmp_path: Path) -> None:
    """The files of the lost release are still there, and no snapshot names them."""
    root, parts = tmp_path / "w", ("readers", "readers.sqlite", "readers.json", "catalog.sqlite")
    shutil.copytree(two_days, tmp_path, dirs_exist_ok=True)
    linked_copy(root, tmp_path / "backup")
    assert feed.night(root, 3)["release_id"] == 2
    after = {sql: run_sql(root, sql) for sql in (SIDS, "SELECT user_id, item_id, feedback FROM events ORDER BY ALL")}
    for name in (*parts, "catalog.sqlite-wal", "catalog.sqlite-shm"):
        path = root / name
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
    for name in parts:
        (tmp_path / "backup" / name).rename(root / name)
    assert run_sql(root, "SELECT max(release_id) FROM releases").item() == 1
    assert any("that no snapshot names" in reason for reason in verify(root)["not_looked_at"])
    assert feed.night(root, 3)["release_id"] == 2
    assert verify(root)["status"] == "intact"
    assert all(run_sql(root, sql).equals(rows) for sql, rows in after.items())
