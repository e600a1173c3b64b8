"""FACTS.md, DuckLake, five silent wrong results: first that the trap is real, then that the warehouse does not fall into it.

Where the trap itself is gone with a newer DuckLake, the first half fails, and its guard may be taken out.
"""

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import duckdb
import polars as pl
import pytest

from pipeline.errors import AuditError, WarehouseError
from pipeline.warehouse.audits import run_audits
from pipeline.warehouse.release import Changes, ReleaseDraft
from pipeline.warehouse.statements import SQL_ROOT, Statement, read_statement
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
