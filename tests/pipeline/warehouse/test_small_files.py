"""Merging small files: fewer of them, and every release that is kept reads the rows that it read, in SQL and in Python."""

import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest

from pipeline.errors import WarehouseError
from pipeline.warehouse.config import RetentionConfig
from pipeline.warehouse.gc import collect, find_garbage
from pipeline.warehouse.release import Changes, ReleaseDraft
from pipeline.warehouse.small_files import find_small_files, merge
from pipeline.warehouse.stored_files import scan
from pipeline.warehouse.tables import TABLES
from pipeline.warehouse.verify import inspect
from pipeline.warehouse.warehouse import Warehouse
from tests.pipeline.warehouse.conftest import changes_of

Night = Callable[[int], Changes]
MOST, N_NIGHTS = 3, 5
ALL = RetentionConfig(keep_days=30)
TWO = RetentionConfig(keep_days=0, keep_releases=2)
GROWING = ("events", "record_rows")


def publish(warehouse: Warehouse, draft: ReleaseDraft, changes: Changes, audits: list | None = None) -> None:
    """A night whose files end as those of user bucket 1 do."""
    named = {
        table: [Path(shutil.move(path, path.with_name(f"{table}-b0001.parquet")))] for table, [path] in changes.register.items()
    }
    warehouse.publish(draft, replace(changes, register=named), audits)


@pytest.fixture(autouse=True)
def three_small_files_may_be(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.warehouse.small_files.MOST", MOST)


@pytest.fixture(scope="session")
def made(empty_warehouse: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a warehouse with five nights; not to be written."""
    home = tmp_path_factory.mktemp("nights")
    shutil.copytree(empty_warehouse, home / "warehouse")
    with Warehouse.open(home / "warehouse") as opened, opened.writer("test", 0):
        for n in range(1, N_NIGHTS + 1):
            publish(opened, ReleaseDraft(f"r{n}", "refresh", "0.1", {}, 7, ("i1",)), changes_of(home / str(n), n), audits=[])
    return home / "warehouse"


@pytest.fixture
def nights(made: Path, tmp_path: Path) -> Iterator[Warehouse]:
    """A copy of the five nights, open, with this process as its writer."""
    shutil.copytree(made, tmp_path / "copied")
    with Warehouse.open(tmp_path / "copied") as opened, opened.writer("test", 0):
        yield opened


def rows_of(warehouse: Warehouse, release: int, table: str) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The rows of a release as SQL and as Python read them, in the same order."""
    with Warehouse.open_release(warehouse.root, release) as past:
        columns = ", ".join(TABLES[table].schema)
        by_sql = past.read(TABLES[table], f"SELECT {columns} FROM {table} ORDER BY user_id, {columns}")
        by_python = scan(past.stored_files(table), TABLES[table]).collect()
        return by_sql, by_python.sort("user_id", *TABLES[table].schema, nulls_last=True)


def test_small_files_become_one_and_every_release_reads_its_rows(nights: Warehouse, draft: ReleaseDraft, night: Night) -> None:
    """Five nights of a bucket: five files of events and five of records become one each, and the sixth night passes every audit."""
    before = {(release, table): rows_of(nights, release, table) for release in (1, 3, N_NIGHTS) for table in GROWING}
    order = scan(nights.stored_files("events"), TABLES["events"]).collect()
    assert [len(nights.files(table)) for table in GROWING] == [N_NIGHTS, N_NIGHTS]
    collect(nights, find_garbage(nights, ALL, "gc"), "gc")
    [events], [records] = (nights.files(table) for table in GROWING)
    assert events.parent.name == records.parent.name == f"r{N_NIGHTS:06}" and events.stem.endswith("-b0001")
    assert scan(nights.stored_files("events"), TABLES["events"]).collect().equals(order), "rows stay in their order"
    for (release, table), (by_sql, by_python) in before.items():
        sql_now, python_now = rows_of(nights, release, table)
        assert sql_now.equals(by_sql) and python_now.equals(by_python), (release, table)
    assert nights.query("SELECT count(*) AS n FROM artifacts WHERE path LIKE '%merged-%' AND len(inputs) = 1").item() == 2
    publish(nights, draft, night(N_NIGHTS + 1))
    with Warehouse.open_copy(nights.root) as copy:
        assert (inspect(copy).damage, inspect(copy).not_looked_at) == ([], [])
    assert find_small_files(nights) == []


def test_what_it_replaced_goes_with_the_releases_that_had_it(nights: Warehouse, draft: ReleaseDraft, night: Night) -> None:
    collect(nights, find_garbage(nights, TWO, "gc"), "gc")
    data = nights.root / "data" / "main" / "events"
    assert len(list(data.rglob("*.parquet"))) == N_NIGHTS + 1, "both kept releases need the small ones still"
    for n in (1, 2):
        publish(nights, draft, night(N_NIGHTS + n), audits=[])
    garbage = find_garbage(nights, TWO, "gc")
    assert garbage.n_files > N_NIGHTS and garbage.to_merge == []
    collect(nights, garbage, "gc")
    assert len(list(data.rglob("*.parquet"))) == 3
    assert nights.query("SELECT sum(user_seq) AS n FROM events").item() == sum(range(2 * (N_NIGHTS + 2)))
    rows = "SELECT count(*) AS n FROM __ducklake_metadata_lake.ducklake_data_file AS f JOIN __ducklake_metadata_lake.ducklake_table AS t "
    assert nights.query(f"{rows} USING (table_id) WHERE t.table_name = 'events'").item() == 3


def test_a_reader_at_work_goes_on(nights: Warehouse) -> None:
    ask = "SELECT sum(user_seq) FROM events"
    with Warehouse.open_copy(nights.root) as reader:
        before = reader.query(ask)
        collect(nights, find_garbage(nights, TWO, "gc"), "gc")
        assert reader.query(ask).equals(before)
    with Warehouse.open_copy(nights.root) as reader:
        assert reader.query(ask).equals(before) and len(reader.files("events")) == 1


def test_killed_in_the_middle_it_leaves_only_what_the_next_one_removes(
    nights: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed before its commit: files that no snapshot names, which go, and are made again by the same collection."""

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("pipeline.warehouse.small_files.insert", killed)
        with pytest.raises(KeyboardInterrupt):
            collect(nights, find_garbage(nights, TWO, "gc"), "gc")
    assert [len(nights.files(table)) for table in GROWING] == [N_NIGHTS, N_NIGHTS]
    garbage = find_garbage(nights, TWO, "gc")
    assert len(garbage.orphans) == 2 and len(garbage.to_merge) == 2
    collect(nights, garbage, "gc")
    again = find_garbage(nights, TWO, "gc")
    assert (again.orphans, again.to_merge) == ([], []) and not list((nights.root / "staging").glob("merged/*"))
    with Warehouse.open_copy(nights.root) as copy:
        assert inspect(copy).damage == []


def test_a_file_that_reads_otherwise_than_what_it_is_to_replace_is_refused(
    nights: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A row's answer is changed on the way: as many rows, other ones."""
    changed = lambda files, table: scan(files, table).with_columns(pl.col("feedback") + (pl.col("user_seq") == 1))  # noqa: E731
    monkeypatch.setattr("pipeline.warehouse.small_files.scan", changed)
    batches = [batch for batch in find_small_files(nights) if batch.table == "events"]
    before = nights.last_snapshot()
    with pytest.raises(
        WarehouseError,
        match=r"^events: 10 rows in 1 files, expected the 10 of 5 small files, the same in every column; nothing was merged",
    ):
        merge(nights, batches, "gc")
    assert (nights.last_snapshot(), len(nights.files("events"))) == (before, N_NIGHTS)
