"""What goes wrong in a year: each fault is named, refused, and mended by a command that docs/recovery.md tells."""

import resource
import shutil
import subprocess
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import polars as pl
import pytest

from flows.maintenance.verify import verify
from flows.retrain import flow as retraining
from flows.runtime.run import Run
from flows.runtime.steps import DirectSteps
from pipeline.errors import SourceError, WarehouseError
from pipeline.warehouse import publish
from pipeline.warehouse.adhoc import run_sql
from pipeline.warehouse.warehouse import Warehouse
from tests.support import forked
from tests.support import small_feed as feed

pytestmark = pytest.mark.slow
EVENTS = "SELECT user_id, user_seq, item_id, feedback FROM events ORDER BY ALL"


@pytest.fixture
def root(two_days: Path, tmp_path: Path) -> Path:
    shutil.copytree(two_days, tmp_path, dirs_exist_ok=True)
    return tmp_path / "w"


def test_of_two_refreshes_at_once_one_publishes_and_the_other_waits(root: Path) -> None:
    statuses: list[str] = []
    feed.settings_of(root, 3)
    threads = [threading.Thread(target=lambda: statuses.append(feed.night(root, 3)["status"])) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(statuses) == ["nothing new", "published"]
    assert run_sql(root, "SELECT max(release_id) FROM releases").item() == 2
    assert run_sql(root, "SELECT count(*) FROM ingests").item() == 3


def test_a_retrain_refuses_where_the_codebook_changed_meanwhile(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The rebuild happens while the policy learns; the policy's tokens would mean other items."""
    settings = feed.settings_of(root, 2)
    monkeypatch.setattr(
        retraining, "_learn_and_judge", lambda *_: (feed.night(root, 2, vocabulary=5, rebuild=True), SimpleNamespace())[1]
    )
    monkeypatch.setattr(retraining, "pin_latest", lambda warehouse, *_: SimpleNamespace(
        codebook=SimpleNamespace(
            codebook_id=run_sql(root, "SELECT any_value(codebook_id) FROM sids").item(),
            numbering_id=run_sql(root, "SELECT any_value(numbering_id) FROM codebooks").item()),
        release=warehouse.latest_release()))  # fmt: skip
    with pytest.raises(WarehouseError, match="the codebook changed from .* while the policy learned"):
        retraining.retrain(settings, root, Run("nightly-retrain"), DirectSteps())
    assert run_sql(root, "FROM policies").is_empty()
    assert run_sql(root, "SELECT status FROM runs WHERE flow = 'nightly-retrain'").rows() == [("failed",)]


@pytest.mark.parametrize(("kind", "harm"), [("record_rows", "flip"), ("user_state", "cut"), ("embedding_model", "remove")])
def test_a_damaged_stored_file_is_named_and_nothing_is_built_upon_it(root: Path, kind: str, harm: str) -> None:
    with Warehouse.open_copy(root) as warehouse:
        path = root / warehouse.query("SELECT max(path) FROM artifacts WHERE kind = $kind", {"kind": kind}).item()
    file = path if path.is_file() else sorted(path.iterdir())[0]
    whole = file.read_bytes()
    middle = len(whole) // 2
    changed = whole[:middle] if harm == "cut" else whole[:middle] + bytes([whole[middle] ^ 1]) + whole[middle + 1 :]
    file.unlink()
    if harm != "remove":
        file.write_bytes(changed)
    for attempt in (lambda: feed.night(root, 3), lambda: verify(root)):
        with pytest.raises(
            WarehouseError,
            match=r"(not the bytes that were written|missing), one of 1 such; .*(docs/recovery\.md|hsrl refresh --rebuild)",
        ):
            attempt()
    file.write_bytes(whole)
    assert verify(root)["status"] == "intact"
    assert feed.night(root, 3)["status"] == "published"


def test_a_truncated_raw_file_is_refused_and_read_when_it_is_whole(root: Path) -> None:
    raw = root.parent / "raw"
    shutil.copytree(raw, root.parent / "kept")
    settings = feed.settings_of(root, 3)
    from flows.refresh.feed import write_missing_days

    write_missing_days(settings.source)
    [day] = [path for path in raw.glob("events-*") if not (root.parent / "kept" / path.name).exists()]
    whole = day.read_bytes()
    day.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(SourceError, match="truncated or damaged"):
        feed.night(root, 3)
    assert run_sql(root, "SELECT max(release_id) FROM releases").item() == 1
    day.write_bytes(whole)
    assert feed.night(root, 3)["status"] == "published"


def test_a_deleted_catalogue_is_restored_by_the_command_that_the_error_tells(root: Path) -> None:
    before = run_sql(root, EVENTS)
    (root / "catalog.sqlite").unlink()
    with pytest.raises(WarehouseError, match="its copy is there; restore it: ") as raised:
        feed.night(root, 3)
    subprocess.run(str(raised.value).split("restore it: ")[1], shell=True, check=True)  # noqa: S602 the command under test
    assert run_sql(root, EVENTS).equals(before)
    assert feed.night(root, 3)["release_id"] == 2


class Earlier(datetime):
    """A clock that was set back by a year."""

    @classmethod
    def now(cls, tz: object = None) -> datetime:  # type: ignore[override]
        return datetime.now(UTC) - timedelta(days=365)


def test_a_clock_set_back_changes_the_order_of_nothing(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(publish, "datetime", Earlier)
    monkeypatch.setattr("pipeline.warehouse.ledger.datetime", Earlier)
    monkeypatch.setattr("pipeline.warehouse.artifact_rows.datetime", Earlier)
    assert feed.night(root, 3)["release_id"] == 2
    assert run_sql(root, "SELECT bool_and(now.created_at < before.created_at) AS is_back FROM releases now JOIN releases before "
                         "ON before.release_id = now.parent_id").item()  # fmt: skip
    with Warehouse.open(root) as warehouse:
        assert (release := warehouse.latest_release()) and release.release_id == 2
    assert feed.night(root, 3)["status"] == "nothing new"


def refresh_without_room(room: str, config: str, root: str) -> None:
    """A refresh in a process whose files may not grow beyond ``room`` bytes."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(room), int(room)))
    forked.command("refresh", "--config", config, "--warehouse", root)


@pytest.mark.parametrize("room", [4_000, 60_000])
def test_a_full_disk_is_told_and_leaves_the_last_release(root: Path, room: int) -> None:
    """No file may grow beyond ``room`` bytes: the stage files, or the catalogue's log, cannot be written."""
    before = run_sql(root, EVENTS)
    feed.settings_of(root, 3)
    ran = forked.call(refresh_without_room, room, root.parent / "3-4.toml", root)
    assert ran.returncode == 2, ran.stderr
    assert len(ran.stderr.strip().splitlines()[-1]) and "Traceback" not in ran.stderr, ran.stderr
    assert run_sql(root, EVENTS).equals(before)
    assert feed.night(root, 3)["status"] == "published"
    assert run_sql(root, "SELECT count(*) FROM ingests").item() == 3


def test_a_copied_folder_goes_on_elsewhere(root: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "other" / "it's here"
    shutil.copytree(root, elsewhere)
    shutil.copytree(root.parent / "raw", elsewhere.parent / "raw")
    shutil.rmtree(root)
    assert verify(elsewhere)["status"] == "intact"
    assert feed.night(elsewhere, 3)["release_id"] == 2
    assert run_sql(elsewhere, EVENTS).height > pl.read_parquet(sorted((elsewhere / "data/main/events/r000001").iterdir())).height
