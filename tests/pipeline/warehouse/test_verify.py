"""A stored byte is what was written, or verify says so: of every file, and of the rows that lie in the catalogue itself."""

import shutil
import sqlite3
from pathlib import Path

import polars as pl
import pytest

from pipeline.contracts import ITEMS
from pipeline.errors import WarehouseError
from pipeline.warehouse.config import RetentionConfig
from pipeline.warehouse.gc import collect, find_garbage
from pipeline.warehouse.release import Changes, ReleaseDraft
from pipeline.warehouse.verify import inspect, refuse, require_intact
from pipeline.warehouse.warehouse import Warehouse

N = 1500  # more than DuckLake keeps in its catalogue


def many_items(title: str) -> pl.DataFrame:
    ids = range(100, 100 + N)
    columns = {"item_id": list(ids), "raw_id": [str(item_id) for item_id in ids], "title": [f"{title} {item_id}" for item_id in ids],
               "categories": [[]] * N, "is_active": [True] * N}  # fmt: skip
    return pl.DataFrame({name: columns.get(name, [None] * N) for name in ITEMS.schema}, schema=ITEMS.schema)


@pytest.fixture(scope="module")
def large(two_nights: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Release 3 has 1,500 more items, release 4 other titles for them: DuckLake keeps them in files of its own, and one of deletions."""
    root = Path(shutil.copytree(two_nights, tmp_path_factory.mktemp("large") / "warehouse"))
    with Warehouse.open(root) as opened, opened.writer("test", 0):
        for n, title in ((3, "early"), (4, "late")):
            opened.publish(
                ReleaseDraft(f"r{n}", "refresh", "0.1", {}, 7, ()), Changes(upsert={"items": many_items(title)}), audits=[]
            )
    return root


@pytest.fixture
def root(large: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(large, tmp_path / "warehouse"))


def flip(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.unlink()  # another name of the same file may be elsewhere
    file.write_bytes(content)


def faults(root: Path) -> dict[str, str]:
    with Warehouse.open_copy(root) as warehouse:
        return {damage.path.name: damage.fault for damage in inspect(warehouse).damage}


def own_files(root: Path) -> list[Path]:
    return sorted((root / "data" / "main").glob("*/ducklake-*.parquet"))


def test_everything_is_looked_at_and_intact(root: Path) -> None:
    assert len(own_files(root)) >= 2
    with Warehouse.open_copy(root) as warehouse:
        found = inspect(warehouse)
        listed = warehouse.query("SELECT path FROM artifacts")["path"]
    assert found.damage == []
    assert found.not_looked_at == [
        "attach.sql: it names another folder, as this one was moved or copied; the next commit renews it"
    ]
    assert {str(path.relative_to(root)) for path in own_files(root)} <= set(listed)


def test_a_bit_flipped_in_any_file_that_ducklake_wrote_itself_is_found(root: Path) -> None:
    """Also in one of deletions, and in one that only an older release needs, to which a rollback may go."""
    for file in own_files(root):
        whole = file.read_bytes()
        flip(file)
        assert faults(root) == {file.name: "not the bytes that were written"}
        file.write_bytes(whole)
    assert faults(root) == {}
    file.unlink()
    assert faults(root) == {file.name: "missing"}


def in_catalogue(root: Path, change: str) -> None:
    """Change rows behind DuckLake's back, as a flipped bit would; the table of a name is found by its number."""
    with sqlite3.connect(root / "catalog.sqlite") as catalogue:
        for table in ("sid_history", "items", "releases"):
            number = catalogue.execute("SELECT table_id FROM ducklake_table WHERE table_name = ?", [table]).fetchone()[0]
            change = change.replace(f"{{{table}}}", f"ducklake_inlined_data_{number}_1")
        assert catalogue.execute(change).rowcount
    catalogue.close()


@pytest.mark.parametrize("change", [
    "UPDATE {sid_history} SET sid = '1' WHERE sid = '0'",
    "DELETE FROM {items} WHERE item_id = 10",
    "UPDATE ducklake_data_file SET record_count = record_count + 1",
    "UPDATE ducklake_table SET table_name = 'itema' WHERE table_name = 'items'",
])  # fmt: skip
def test_rows_that_changed_in_the_catalogue_are_found_and_not_built_upon(root: Path, change: str) -> None:
    """Every row that lies in the catalogue is compared with the copy, which has a hash."""
    in_catalogue(root, change)
    assert list(faults(root)) == ["catalog.sqlite"]
    with pytest.raises(
        WarehouseError, match=r"catalog\.sqlite: .* not as in its copy.*; restore it from its newest whole copy: "
    ):
        Warehouse.open(root)


def test_a_changed_copy_is_found(root: Path) -> None:
    copy = root / "readers" / "000000005.sqlite"
    flip(copy)
    assert set(faults(root)) == {"000000005.sqlite", "readers.sqlite"} - (
        {"readers.sqlite"} if not copy.samefile(root / "readers.sqlite") else set()
    )


def test_tokens_that_do_not_say_what_the_sid_says_are_found(root: Path) -> None:
    """Written so by whoever: no hash knows, the names themselves do."""
    with Warehouse.open(root) as warehouse, warehouse.transaction("a fault", {}):
        warehouse.connection.execute("UPDATE sid_history SET sid_key = 7 WHERE item_id = 11")
    with Warehouse.open_copy(root) as warehouse:
        [damage] = inspect(warehouse).damage
    assert (damage.path.name, damage.fault) == (
        "sid_history",
        '1 rows fail the audit sids_named, such as {"item_id":11,"sid":"1","fault":"sid_key"}',
    )


def test_what_was_not_looked_at_is_said(root: Path) -> None:
    with Warehouse.open(root) as warehouse, warehouse.transaction("as made before there were hashes", {}):
        warehouse.connection.execute("DELETE FROM artifacts WHERE path LIKE '%ducklake-%'")
    (root / "readers.json").unlink()
    (root / "data" / "main" / "items" / "notes.txt").write_text("mine")
    with Warehouse.open_copy(root) as warehouse:
        reasons = " | ".join(inspect(warehouse).not_looked_at)
    assert f"{len(own_files(root))} files in data/ that have no hash" in reasons
    assert "1 files in data/ that no snapshot names" in reasons
    assert "copies of the catalogue that have no hash" in reasons


def test_what_gc_writes_anew_has_hashes_too(root: Path) -> None:
    with Warehouse.open(root) as warehouse, warehouse.writer("gc", 0):
        collect(warehouse, find_garbage(warehouse, RetentionConfig(keep_days=0, keep_releases=2, resume_days=0), "gc"), "gc")
    with Warehouse.open_copy(root) as warehouse:
        found = inspect(warehouse)
    assert (found.damage, found.not_looked_at) == ([], [])
    for file in own_files(root):
        whole = file.read_bytes()
        flip(file)
        assert file.name in faults(root)
        file.write_bytes(whole)


def test_a_table_is_not_built_upon_where_one_of_its_files_is_damaged(root: Path) -> None:
    flip(own_files(root)[-1])
    with Warehouse.open(root) as warehouse, pytest.raises(WarehouseError, match="not the bytes that were written, one of 1 such"):
        require_intact(warehouse, ("items",))


@pytest.mark.parametrize(
    ("state", "fault"),
    [("missing", "missing"), ("empty", "empty"), ("old", "ends with commit 6 but its copy with 8, so that 2 of them were lost")],
)
def test_a_catalogue_that_is_gone_or_behind_is_damage_with_the_command_that_restores_it(
    root: Path, two_nights: Path, state: str, fault: str
) -> None:
    """Readers are served by the copy, so that nobody else would notice."""
    catalogue = root / "catalog.sqlite"
    catalogue.unlink()
    if state == "empty":
        catalogue.touch()
    if state == "old":
        shutil.copy(two_nights / "catalog.sqlite", catalogue)
    with Warehouse.open_copy(root) as warehouse:
        [damage] = inspect(warehouse).damage
        with pytest.raises(WarehouseError, match=r"restore it: cd .* cp readers.sqlite catalog.sqlite"):
            refuse([damage])
    assert (damage.path.name, damage.fault) == ("catalog.sqlite", fault)


def test_a_changed_or_missing_file_for_other_clients_is_told_as_such(root: Path) -> None:
    (root / "attach.sql").unlink()
    (root / "attach-elsewhere.sql").write_text("DROP DATABASE lake;")
    with Warehouse.open_copy(root) as warehouse:
        reasons = inspect(warehouse).not_looked_at
    assert "attach.sql: it is missing; the next commit renews it" in reasons
    assert any(line.startswith("attach-elsewhere.sql: it was changed") for line in reasons)
