"""Opening: made once and whole, found again, refused where it is missing, damaged or of another layout."""

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from pipeline.errors import WarehouseError
from pipeline.warehouse.engine import connect, open_readers
from pipeline.warehouse.release import Changes, ReleaseDraft
from pipeline.warehouse.statements import statements
from pipeline.warehouse.tables import BULK, TABLES
from pipeline.warehouse.warehouse import Warehouse

Night = Callable[[int], Changes]


def test_no_warehouse_is_told_with_the_next_command(tmp_path: Path) -> None:
    for opening in (Warehouse.open, open_readers):
        with pytest.raises(WarehouseError, match=r"no warehouse at .*; make one with: hsrl demo"):
            opening(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_warehouse_is_made_once(empty_warehouse: Path, tmp_path: Path) -> None:
    root = tmp_path / "warehouse"
    shutil.copytree(empty_warehouse, root)
    made = (root / "catalog.sqlite").read_bytes()
    Warehouse.create_or_open(root).close()
    assert (root / "catalog.sqlite").read_bytes() == made


def test_what_a_killed_creation_left_is_no_warehouse_and_no_hindrance(tmp_path: Path) -> None:
    """A catalogue is made aside and renamed, so half of one never has its name."""
    (tmp_path / ".catalog.sqlite.draft").write_bytes(b"half a catalogue")
    (tmp_path / ".catalog.sqlite.draft-wal").write_bytes(b"half a log")
    with Warehouse.create_or_open(tmp_path) as warehouse:
        assert warehouse.query("FROM items").is_empty()
    assert not list(tmp_path.glob(".catalog*"))


def test_a_file_in_the_place_of_the_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(WarehouseError, match="no warehouse can be made here"):
        Warehouse.create_or_open(tmp_path / "file")


def test_a_lost_catalogue_is_not_replaced_by_an_empty_one(empty_warehouse: Path, tmp_path: Path) -> None:
    root = tmp_path / "warehouse"
    shutil.copytree(empty_warehouse, root)
    (root / "catalog.sqlite").unlink()
    with pytest.raises(WarehouseError, match=r"restore it: cd .* && rm -f catalog\.sqlite-wal .* && cp readers\.sqlite"):
        Warehouse.create_or_open(root)
    shutil.copy(root / "readers.sqlite", root / "catalog.sqlite")
    Warehouse.create_or_open(root).close()


def test_a_damaged_catalogue_is_named(empty_warehouse: Path, tmp_path: Path) -> None:
    root = tmp_path / "warehouse"
    shutil.copytree(empty_warehouse, root)
    (root / "catalog.sqlite").write_bytes(b"no database" * 1000)
    with pytest.raises(WarehouseError, match=r"catalog\.sqlite: cannot be opened"):
        Warehouse.open(root)


def test_a_warehouse_of_another_layout_is_refused(empty_warehouse: Path, tmp_path: Path) -> None:
    root = tmp_path / "warehouse"
    shutil.copytree(empty_warehouse, root)
    with Warehouse.open(root) as warehouse:
        warehouse.connection.execute("ALTER TABLE items ADD COLUMN colour VARCHAR")
    with pytest.raises(WarehouseError, match="its tables are of no version known here, probably of a newer one"):
        Warehouse.open(root)


def test_every_table_column_and_view_is_explained(empty_warehouse: Path) -> None:
    with Warehouse.open(empty_warehouse) as warehouse:
        tables = dict(warehouse.query("SELECT table_name, comment FROM duckdb_tables() WHERE database_name = 'lake'").rows())
        views = dict(warehouse.query("SELECT view_name, comment FROM duckdb_views() WHERE database_name = 'lake'").rows())
        columns = warehouse.query(
            "SELECT table_name, column_name, comment FROM duckdb_columns() WHERE database_name = 'lake'"
        ).rows()
        entries = warehouse.query("SELECT kind, name, column_name, doc FROM dictionary").rows()
    assert tables == {name: table.doc for name, table in TABLES.items()}
    assert views == {view.name: view.doc for view in statements("views")}
    expected = {(table.name, column.name, column.doc) for table in TABLES.values() for column in table.columns}
    assert {row for row in columns if row[0] in TABLES} == expected
    assert {row[1:] for row in entries if row[0] == "column" and row[1] in TABLES} == expected
    explained = {(name, column) for kind, name, column, doc in entries if kind == "column" and doc}
    assert explained >= {
        ("sids", "raw_id"),
        ("sids", "title"),
        ("sid_buckets", "raw_ids"),
        ("sids_at", "raw_id"),
        ("sid_prefix", "raw_id"),
    }
    assert {row[1] for row in entries if row[0] == "macro"} == {"sids_at", "sid_items", "sid_prefix"}


def test_a_release_stays_open_as_it_was(warehouse: Warehouse, draft: ReleaseDraft, night: Night) -> None:
    warehouse.publish(draft, night(1), audits=[])
    with Warehouse.open_release(warehouse.root, 1) as pinned:
        warehouse.publish(draft, night(2), audits=[])
        assert pinned.query("SELECT sum(feedback) AS n FROM events").rows() == [(1,)]
        assert len(pinned.files("events")) == 1 and len(warehouse.files("events")) == 2
    with pytest.raises(WarehouseError, match="there is no release 3; list them with"):
        Warehouse.open_release(warehouse.root, 3)


def test_only_bulk_tables_are_files(warehouse: Warehouse) -> None:
    with pytest.raises(WarehouseError, match="items is not kept as registered files"):
        warehouse.files("items")


def test_small_tables_keep_every_type_as_it_was(warehouse: Warehouse, draft: ReleaseDraft, night: Night) -> None:
    """Small frames are inlined in the SQLite catalogue: quotes, empty lists and lists with odd texts come back."""
    odd = ["it's", '"q"', "a,b", "[x]", "{}", "\\n\n", "é…", ""]
    items = night(1).upsert["items"].with_columns(pl.Series("categories", [odd, []]))
    warehouse.publish(draft, Changes(upsert={"items": items}), audits=[])
    assert warehouse.query("FROM items ORDER BY item_id").equals(items)


def test_the_engine_fetches_nothing_and_writes_nothing_home(empty_warehouse: Path, tmp_path: Path) -> None:
    source = "import sys; from pathlib import Path; from pipeline.warehouse.engine import open_readers; open_readers(Path(sys.argv[1])).close()"
    environment = {"HOME": str(tmp_path), "PATH": "/usr/bin", "PYTHONPATH": str(Path.cwd())}
    subprocess.run([sys.executable, "-c", source, str(empty_warehouse)], check=True, env=environment)
    assert list(tmp_path.iterdir()) == []


def test_the_engine_draws_no_progress_bar() -> None:
    """It would stand on standard output, in front of the JSON of an answer that takes more than two seconds."""
    with connect() as connection:
        assert connection.execute("SELECT current_setting('enable_progress_bar')").fetchone() == (False,)


def test_a_newer_format_of_ducklake_asks_for_a_newer_hsrl(empty_warehouse: Path, tmp_path: Path) -> None:
    """A copy of the catalogue, which other faults are mended by, would be in the same format."""
    root = tmp_path / "warehouse"
    shutil.copytree(empty_warehouse, root)
    (root / "readers.json").unlink()
    change = (
        "import sqlite3, sys\ncatalogue = sqlite3.connect(sys.argv[1])\n"
        "catalogue.execute(\"UPDATE ducklake_metadata SET value = '1.1' WHERE key = 'version'\")\ncatalogue.commit()"
    )
    for path in (root / "catalog.sqlite", root / "readers.sqlite", *(root / "readers").glob("*.sqlite")):
        subprocess.run([sys.executable, "-c", change, str(path)], check=True)
    for opening in (Warehouse.open, Warehouse.open_copy):
        with pytest.raises(WarehouseError, match=r"made by a newer hsrl, in format 1\.1 of DuckLake, .* upgrade hsrl$"):
            opening(root)


def test_ducklake_writes_the_format_that_recovery_tells(empty_warehouse: Path) -> None:
    """Moving the pin of DuckDB to one that writes another format fails here, so that a migration is thought of."""
    with Warehouse.open_copy(empty_warehouse) as warehouse:
        asked = "SELECT value FROM __ducklake_metadata_lake.ducklake_metadata WHERE key = 'version'"
        assert warehouse.query(asked).item() == "1.0"


def test_every_small_table_of_a_new_warehouse_is_empty_and_has_statistics(warehouse: Warehouse) -> None:
    """For those that it lacks DuckLake asks anew in every query, column by column."""
    small = {table.name for table in TABLES.values() if table not in BULK}
    meta = "__ducklake_metadata_lake"
    known = warehouse.query(f"SELECT table_name FROM {meta}.ducklake_table JOIN {meta}.ducklake_table_stats USING (table_id)")
    assert set(known["table_name"]) == small
    assert {name for name in small if warehouse.query(f"FROM {name} LIMIT 1").height} == {"dictionary"}
    assert warehouse.query("SELECT count(*) FILTER (name = '') AS n FROM dictionary").item() == 0
