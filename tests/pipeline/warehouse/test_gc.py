"""Garbage collection: what a kept release needs stays, what nothing needs goes, what someone is at work on is no garbage."""

import os
import shutil
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from pipeline.contracts import ITEMS
from pipeline.errors import WarehouseError
from pipeline.warehouse.adhoc import run_sql
from pipeline.warehouse.config import RetentionConfig
from pipeline.warehouse.gc import collect, find_garbage
from pipeline.warehouse.ledger import close_dead_runs, start_run
from pipeline.warehouse.lock import alive, living
from pipeline.warehouse.release import Changes, ReleaseDraft
from pipeline.warehouse.verify import inspect
from pipeline.warehouse.warehouse import Warehouse

Night = Callable[[int], Changes]
LEAST = RetentionConfig(keep_days=0, keep_releases=2, resume_days=0)


@pytest.fixture
def four_nights(warehouse: Warehouse, draft: ReleaseDraft, night: Night) -> Warehouse:
    """Four releases; the vectors of each replace those of the one before."""
    for n in range(1, 5):
        warehouse.publish(replace(draft, run_id=f"r{n}"), night(n), audits=[])
    return warehouse


def files(warehouse: Warehouse) -> set[str]:
    data = warehouse.root / "data" / "main"
    return {f"{path.parent.parent.name}/{path.parent.name}" for path in data.rglob("*.parquet")}


def test_old_releases_go_with_the_files_that_only_they_needed(four_nights: Warehouse, tmp_path: Path) -> None:
    """Of four releases two stay: vectors of releases 1 and 2 go, events and records stay, and so do the staged originals (trap 4:
    clean-up deletes registered files, so only files of the project's own are registered)."""
    garbage = find_garbage(four_nights, LEAST, "gc")
    assert (garbage.releases, garbage.n_files, garbage.orphans, garbage.folders) == ([1, 2], 2, [], [])
    before = files(four_nights)
    collect(four_nights, garbage, "gc")
    assert before - files(four_nights) == {"embeddings/r000001", "embeddings/r000002"}
    assert len(list((tmp_path / "staged").rglob("embeddings.parquet"))) == 4
    assert four_nights.query("SELECT sum(feedback) AS n FROM events").item() == 4
    with Warehouse.open_release(four_nights.root, 3) as third:
        assert third.query("SELECT sum(feedback) AS n FROM events").item() == 3
        assert third.query("SELECT sum(vector[2]) AS n FROM embeddings").item() == 6
    with pytest.raises(WarehouseError, match=r"the snapshot of release 1 has expired; read sids_at\(1\) instead"):
        Warehouse.open_release(four_nights.root, 1)


def test_the_semantic_ids_of_an_expired_release_can_still_be_asked(four_nights: Warehouse) -> None:
    before = run_sql(four_nights.root, "FROM sids_at(1) ORDER BY item_id")
    collect(four_nights, find_garbage(four_nights, LEAST, "gc"), "gc")
    assert before.height == 2
    assert run_sql(four_nights.root, "FROM sids_at(1) ORDER BY item_id").equals(before)


def test_finding_touches_nothing_and_young_releases_stay(four_nights: Warehouse) -> None:
    before = (files(four_nights), four_nights.last_snapshot())
    assert find_garbage(four_nights, LEAST, "gc").releases == [1, 2]
    assert find_garbage(four_nights, RetentionConfig(keep_releases=2), "gc").releases == []
    later = datetime.now(UTC) + timedelta(days=31)
    assert find_garbage(four_nights, RetentionConfig(keep_releases=2), "gc", later).releases == [1, 2]
    assert (files(four_nights), four_nights.last_snapshot()) == before


def test_a_clock_that_was_set_back_makes_nothing_garbage(four_nights: Warehouse) -> None:
    earlier = datetime.now(UTC) - timedelta(days=400)
    assert find_garbage(four_nights, RetentionConfig(keep_releases=2), "gc", earlier).releases == []


def test_a_file_that_no_snapshot_names_goes(four_nights: Warehouse) -> None:
    orphan = four_nights.root / "data" / "main" / "events" / "r000009" / "x.parquet"
    orphan.parent.mkdir()
    shutil.copy(four_nights.files("events")[0], orphan)
    garbage = find_garbage(four_nights, RetentionConfig(), "gc")
    assert garbage.orphans == [orphan]
    collect(four_nights, garbage, "gc")
    assert not orphan.parent.exists()
    assert four_nights.query("SELECT sum(feedback) AS n FROM events").item() == 4


def staged(warehouse: Warehouse, *kinds: str, days_ago: float = 9.0) -> list[Path]:
    made = []
    for kind in kinds:
        folder = warehouse.root / kind / "f1"
        folder.mkdir(parents=True)
        (folder / "x").write_text("x")
        os.utime(folder, (time.time() - days_ago * 86_400,) * 2)
        made.append(folder)
    return made


def test_what_a_dead_run_staged_goes_after_a_while(warehouse: Warehouse) -> None:
    old = staged(warehouse, "staging/delivery", "staging/training", "artifacts/policy")
    staged(warehouse, "staging/embeddings", days_ago=1)
    garbage = find_garbage(warehouse, RetentionConfig(), "gc")
    assert sorted(garbage.folders) == sorted(old)
    collect(warehouse, garbage, "gc")
    assert not any(folder.exists() for folder in old) and (warehouse.root / "staging/embeddings/f1").exists()


def test_what_a_living_retrain_staged_or_stored_is_no_garbage(warehouse: Warehouse) -> None:
    """However old it looks: only what a refresh stages, which cannot be alive while gc is the writer, may go."""
    delivery, *_ = staged(warehouse, "staging/delivery", "staging/training", "artifacts/policy")
    with alive(warehouse.root, "retrain-1"):
        assert find_garbage(warehouse, RetentionConfig(), "gc").folders == [delivery]


def test_gc_waits_for_a_refresh(warehouse: Warehouse) -> None:
    with (
        Warehouse.open(warehouse.root) as second,
        pytest.raises(WarehouseError, match="run test .* is writing"),
        second.writer("gc", 0),
    ):
        pass


def test_a_run_that_was_killed_is_entered_as_killed(warehouse: Warehouse) -> None:
    """Two runs begin; one is alive, of the other only its mark is left."""
    (warehouse.root / "staging" / ".alive").mkdir(parents=True)
    (warehouse.root / "staging" / ".alive" / "dead").write_text("{}")
    with alive(warehouse.root, "living"):
        for run in ("dead", "living"):
            start_run(warehouse, run, "daily-refresh", "0.1", {})
        assert living(warehouse.root) == {"living"}
        assert close_dead_runs(warehouse) == ["dead"]
        assert warehouse.query("SELECT run_id, status FROM runs ORDER BY 1").rows() == [("dead", "killed"), ("living", "running")]
    assert list((warehouse.root / "staging" / ".alive").iterdir()) == []


def items(n: int) -> pl.DataFrame:
    """260 items, all with other titles in night ``n``."""
    columns = {"item_id": list(range(260)), "raw_id": [f"{item_id}" for item_id in range(260)],
               "title": [f"item {item_id}, night {n}" for item_id in range(260)], "categories": [["a"]] * 260, "is_active": [True] * 260}  # fmt: skip
    return pl.DataFrame({name: columns.get(name, [None] * 260) for name in ITEMS.schema}, schema=ITEMS.schema)


def sizes(warehouse: Warehouse) -> tuple[int, int]:
    return (warehouse.root / "catalog.sqlite").stat().st_size, (warehouse.root / "readers.sqlite").stat().st_size


def test_dead_rows_leave_the_catalogue_and_every_release_that_stays_reads_as_before(
    warehouse: Warehouse, draft: ReleaseDraft
) -> None:
    """Eight nights in which every one of 260 items changes: 1,820 of 2,080 rows in the catalogue are dead."""
    for n in range(1, 9):
        warehouse.publish(replace(draft, run_id=f"r{n}"), Changes(upsert={"items": items(n)}), audits=[])
    ask = "SELECT count(item_id), min(title), max(title) FROM items"
    before, live = sizes(warehouse), warehouse.query(ask)
    with Warehouse.open_release(warehouse.root, 7) as seventh:
        then = seventh.query(ask)
    garbage = find_garbage(warehouse, LEAST, "gc")
    assert garbage.to_flush == ["items"]
    collect(warehouse, garbage, "gc")
    assert all(after < size - 50_000 for after, size in zip(sizes(warehouse), before, strict=True)), (before, sizes(warehouse))
    assert warehouse.query(ask).equals(live)
    with Warehouse.open_release(warehouse.root, 7) as seventh:
        assert seventh.query(ask).equals(then)
    for n in range(9, 14):
        warehouse.publish(replace(draft, run_id=f"r{n}"), Changes(upsert={"items": items(n)}), audits=[])
    collect(warehouse, find_garbage(warehouse, LEAST, "gc"), "gc")  # the first file's rows are all dead now
    for n in (14, 15):
        warehouse.publish(replace(draft, run_id=f"r{n}"), Changes(upsert={"items": items(n)}), audits=[])
    collect(warehouse, find_garbage(warehouse, LEAST, "gc"), "gc")
    assert len(list((warehouse.root / "data" / "main" / "items").iterdir())) <= 2
    assert warehouse.query("SELECT max(title) AS n FROM items").item() == "item 99, night 15"
    with Warehouse.open_copy(warehouse.root) as copy:
        assert (inspect(copy).damage, inspect(copy).not_looked_at) == ([], [])


def test_what_is_not_hsrls_own_is_left_alone(four_nights: Warehouse, tmp_path: Path) -> None:
    """Whatever a person put into the folders that are cleared up: only names that hsrl or DuckLake gives are garbage."""
    (tmp_path / "precious").mkdir()
    mine = ["data/notes.txt", "data/main/prices.parquet", "data/main/events/mine.parquet", "data/main/readme", "artifacts/policy/README",
            "staging/training/notes"]  # fmt: skip
    for name in mine:
        (four_nights.root / name).parent.mkdir(parents=True, exist_ok=True)
        (four_nights.root / name).write_text("mine")
        os.utime(four_nights.root / name, (0, 0))
    (four_nights.root / "artifacts" / "policy" / "link").symlink_to(tmp_path / "precious")
    os.utime(four_nights.root / "artifacts" / "policy" / "link", (0, 0), follow_symlinks=False)
    os.utime(tmp_path / "precious", (0, 0))
    garbage = find_garbage(four_nights, LEAST, "gc")
    assert (garbage.orphans, garbage.folders) == ([], [])
    collect(four_nights, garbage, "gc")
    assert all((four_nights.root / name).read_text() == "mine" for name in mine)
    assert (tmp_path / "precious").is_dir()


def test_a_collection_that_was_killed_leaves_a_catalogue_that_opens(
    four_nights: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It changes the catalogue without a new snapshot, so that the copy is no measure of it until it is renewed."""

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("pipeline.warehouse.gc.renew", killed)
    with pytest.raises(KeyboardInterrupt):
        collect(four_nights, find_garbage(four_nights, LEAST, "gc"), "gc")
    monkeypatch.undo()
    Warehouse.open(four_nights.root).close()
