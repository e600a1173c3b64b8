"""Six silent wrong results of DuckLake (docs/measurements.md): first that the trap is real, then that the warehouse does not fall into it.

Where the trap itself is gone with a newer DuckLake, the first half fails, and its guard may be taken out.
"""

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import duckdb
import polars as pl
import pyarrow.parquet as pq
import pytest

from pipeline.errors import AuditError, WarehouseError
from pipeline.warehouse.audits import run_audits
from pipeline.warehouse.release import Changes, ReleaseDraft
from pipeline.warehouse.statements import SQL_ROOT, Statement, read_statement
from pipeline.warehouse.tables import BULK
from pipeline.warehouse.verify import find_damage
from pipeline.warehouse.warehouse import Warehouse

Night = Callable[[int], Changes]


def test_1_a_version_inside_a_transaction_shows_its_own_changes_and_previous_does_not(
    warehouse: Warehouse, draft: ReleaseDraft, night: Night
) -> None:
    """DELETE then INSERT … AT (VERSION) leaves an empty table without an error; audits compare with the pinned ``previous``."""
    warehouse.publish(draft, night(1), audits=[])
    last, lake = warehouse.last_snapshot(), warehouse.connection
    lake.execute("BEGIN; DELETE FROM items")
    lake.execute(f"INSERT INTO items SELECT * FROM items AT (VERSION => {last})")
    assert lake.execute("SELECT count(item_id) FROM items").fetchone() == (0,)
    lake.execute("ROLLBACK")
    ask = "SELECT (SELECT sum(item_id) FROM items) AS now, (SELECT sum(item_id) FROM previous.main.items) AS before"
    gone = Changes(replace={"items": night(1).upsert["items"].clear()})
    warehouse.publish(replace(draft, run_id="r2"), gone, audits=[Statement("both", {"severity": "warn", "doc": "-"}, ask)])
    assert warehouse.query("SELECT examples[1] AS told FROM audits WHERE audit = 'both'").item() == '{"now":null,"before":21}'


def test_2_counts_pass_on_a_file_that_is_gone_and_audits_that_read_columns_do_not(
    warehouse: Warehouse, draft: ReleaseDraft, night: Night
) -> None:
    warehouse.publish(draft, night(1), audits=[])
    [events] = warehouse.files("events")
    content = events.read_bytes()
    events.unlink()
    assert warehouse.query("SELECT count(*) AS n FROM events").item() == 2
    with pytest.raises(duckdb.Error):
        run_audits(warehouse.connection, [read_statement(SQL_ROOT / "audits" / "ingest_conservation.sql")])
    assert [damage.fault for damage in find_damage(warehouse)] == ["missing"]
    swapped = pl.read_parquet(content).with_columns(feedback=pl.lit(1, pl.UInt8))
    swapped.write_parquet(events)
    assert [damage.fault for damage in find_damage(warehouse)] == ["not the bytes that were written"]


@pytest.mark.parametrize("column", ["user_id", "item_id", "user_seq", "feedback"])
def test_2_conservation_reads_every_column_of_an_event_where_a_count_of_rows_sees_nothing(
    warehouse: Warehouse, draft: ReleaseDraft, night: Night, column: str
) -> None:
    """One column of the registered file is overwritten with zeros; counting its rows, even by ingest, does not notice."""
    warehouse.publish(draft, night(1), audits=[])
    [events] = warehouse.files("events")
    chunk = next(column_chunk for column_chunk in columns_of(events) if column_chunk.path_in_schema == column)
    begin = chunk.dictionary_page_offset if chunk.has_dictionary_page else chunk.data_page_offset
    content = bytearray(events.read_bytes())
    content[begin : begin + chunk.total_compressed_size] = bytes(chunk.total_compressed_size)
    events.write_bytes(content)
    audit = read_statement(SQL_ROOT / "audits" / "ingest_conservation.sql")
    reading = "count(user_id::DOUBLE + item_id::DOUBLE + user_seq::DOUBLE + feedback)"
    assert reading in audit.sql
    assert run_audits(warehouse.connection, [replace(audit, sql=audit.sql.replace(reading, "count(*)"))])[0].n_offenders == 0
    with pytest.raises(duckdb.Error):
        run_audits(warehouse.connection, [audit])


def columns_of(file: Path) -> list[pq.ColumnChunkMetaData]:
    group = pq.read_metadata(file).row_group(0)
    return [group.column(number) for number in range(group.num_columns)]


def test_3_a_commit_of_an_aborted_transaction_is_no_commit(warehouse: Warehouse) -> None:
    """COMMIT of a transaction in which a statement failed: nothing is raised by DuckLake alone, and nothing is committed."""
    with pytest.raises((WarehouseError, duckdb.Error)), warehouse.transaction("doomed", {}):
        warehouse.connection.execute("INSERT INTO items VALUES (1, '1', NULL, [], NULL, NULL, NULL, true)")
        with pytest.raises(duckdb.Error):
            warehouse.connection.execute("SELECT 1 / 'x'")
    assert warehouse.query("FROM items").is_empty()


def test_4_a_file_registered_twice_is_refused_and_null_in_a_required_field_is_found(
    warehouse: Warehouse, draft: ReleaseDraft, night: Night
) -> None:
    changes = night(1)
    [staged] = changes.register["events"]
    copy = Path(shutil.copy(staged, staged.with_name("again.parquet")))
    with pytest.raises(WarehouseError, match="are registered already"):
        warehouse.publish(draft, replace(changes, register={**changes.register, "events": [staged, copy]}), audits=[])
    holed = pl.read_parquet(staged).with_columns(item_id=pl.lit(None, pl.Int64))
    holed.write_parquet(staged)
    with pytest.raises(AuditError, match="registered_complete"):
        warehouse.publish(draft, changes, audits=[read_statement(SQL_ROOT / "audits" / "registered_complete.sql")])


REQUIRED = [(table, column.name) for table in BULK for column in table.columns if not column.is_nullable]


@pytest.mark.parametrize(("table", "column"), [(table.name, column) for table, column in REQUIRED])
def test_4_registration_takes_an_empty_required_field_and_the_audit_does_not(
    warehouse: Warehouse, draft: ReleaseDraft, night: Night, table: str, column: str
) -> None:
    """The column is NOT NULL in the schema; a registered file may be empty there all the same."""
    changes = night(1)
    [staged] = {**changes.replace_files, **changes.register}[table]
    rows = pl.read_parquet(staged)
    rows.with_columns(pl.lit(None, rows.schema[column]).alias(column)).write_parquet(staged)
    with pytest.raises(AuditError, match="registered_complete"):
        warehouse.publish(draft, changes, audits=[read_statement(SQL_ROOT / "audits" / "registered_complete.sql")])
    assert warehouse.query("FROM releases").is_empty()
    warehouse.publish(draft, changes, audits=[])
    assert warehouse.query(f"SELECT count(*) FILTER ({column} IS NULL) = count(*) FROM {table}").item()


def test_4_clean_up_deletes_a_name_of_our_own_and_never_the_original(
    warehouse: Warehouse, draft: ReleaseDraft, night: Night
) -> None:
    """The registered file is a link of its own; what was staged, or lies elsewhere, survives its deletion."""
    changes = night(1)
    [staged] = changes.replace_files["embeddings"]
    warehouse.publish(draft, changes, audits=[])
    [registered] = warehouse.files("embeddings")
    assert registered != staged and registered.is_relative_to(warehouse.root) and registered.samefile(staged)
    warehouse.publish(replace(draft, run_id="r2"), night(2), audits=[])
    versions = warehouse.query("SELECT snapshot_id FROM lake.snapshots() ORDER BY 1")["snapshot_id"].to_list()[:-1]
    warehouse.connection.execute(f"CALL ducklake_expire_snapshots('lake', versions => {versions})")
    warehouse.connection.execute("CALL ducklake_cleanup_old_files('lake', cleanup_all => true)")
    assert not registered.exists() and staged.exists()


def test_5_what_is_staged_is_no_orphan(warehouse: Warehouse, draft: ReleaseDraft, night: Night) -> None:
    """DuckLake's orphan clean-up takes whatever lies under the data path; stages lie beside it."""
    warehouse.publish(draft, night(1), audits=[])
    with warehouse.staging.writing("delivery", "f1") as folder:
        (folder / "x.parquet").write_bytes(b"x")
    inside = warehouse.root / "data" / "x.parquet"
    inside.write_bytes(b"x")
    listed = warehouse.connection.execute("CALL ducklake_delete_orphaned_files('lake', cleanup_all => true)").fetchall()
    assert [path for (path, *_) in listed] == [str(inside)]
    assert warehouse.staging.exists("delivery", "f1")


def test_6_ducklakes_merge_puts_rows_of_later_releases_into_a_file_that_only_sql_can_read(
    two_nights: Path, tmp_path: Path
) -> None:
    """Why small files are merged by hsrl (pipeline/warehouse/small_files.py): release 1 has 2 events, the file that it names then 4."""
    root = Path(shutil.copytree(two_nights, tmp_path / "copied"))
    with Warehouse.open(root) as warehouse:
        merged = warehouse.query(
            "SELECT files_processed, files_created FROM ducklake_merge_adjacent_files('lake', 'events')"
        ).row(0)
        assert merged == (2, 1)
    with Warehouse.open_release(root, 1) as first:
        assert first.query("SELECT sum(user_seq) AS n, count(user_seq) AS n_rows FROM events").row(0) == (1, 2)
        [file] = first.files("events")
        assert pl.read_parquet(file).height == 4
        assert "_ducklake_internal_snapshot_id" in pl.read_parquet_schema(file)
        assert file.name.startswith("ducklake-"), "the name, by which Python knows the user bucket, is gone too"
