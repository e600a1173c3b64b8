"""Nothing is ever made over anything: a folder with a trace of a warehouse is opened or refused, and the refusal says how to mend it."""

import shutil
import subprocess
from pathlib import Path

import pytest

from pipeline.errors import WarehouseError
from pipeline.warehouse.adhoc import run_sql
from pipeline.warehouse.warehouse import Warehouse


@pytest.fixture
def root(two_nights: Path, tmp_path: Path) -> Path:
    """Two releases: four events."""
    return Path(shutil.copytree(two_nights, tmp_path / "warehouse"))


def everything(folder: Path) -> dict[str, bytes]:
    """Every file but locks, whose text says who holds them."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and path.suffix != ".lock"
    }


def refused(root: Path) -> str:
    """The line by which making a warehouse at ``root`` is refused; nothing was changed by it."""
    before = everything(root)
    with pytest.raises(WarehouseError) as raised:
        Warehouse.create_or_open(root)
    assert everything(root) == before
    assert "\n" not in str(raised.value)
    return str(raised.value)


@pytest.mark.parametrize("gone", [
    ["catalog.sqlite"],
    ["catalog.sqlite", "readers.sqlite"],
    ["catalog.sqlite", "readers.sqlite", "attach.sql", "staging"],
    ["catalog.sqlite", "readers.sqlite", "readers.json"],
])  # fmt: skip
def test_a_lost_catalogue_is_restored_from_the_newest_whole_copy_by_the_command_that_the_line_tells(
    root: Path, gone: list[str]
) -> None:
    for name in gone:
        path = root / name
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
    line = refused(root)
    assert ("cp readers/000000003.sqlite" if "readers.sqlite" in gone else "cp readers.sqlite") in line
    subprocess.run(line.split("restore it: ")[1], shell=True, check=True)  # noqa: S602 the command under test
    with Warehouse.create_or_open(root) as opened:
        assert opened.query("SELECT sum(feedback) AS n FROM events").item() == 2
    assert run_sql(root, "SELECT max(release_id) AS n FROM releases").item() == 2


def test_an_empty_catalogue_is_a_lost_one(root: Path) -> None:
    (root / "catalog.sqlite").write_bytes(b"")
    line = refused(root)
    assert "catalog.sqlite is empty" in line
    subprocess.run(line.split("restore it: ")[1], shell=True, check=True)  # noqa: S602
    Warehouse.create_or_open(root).close()


def test_a_copy_that_was_cut_is_passed_over_for_the_one_before(root: Path) -> None:
    (root / "catalog.sqlite").unlink()
    (root / "readers.sqlite").unlink()
    newest = root / "readers" / "000000003.sqlite"
    content = newest.read_bytes()
    newest.write_bytes(content[:5000])
    assert "cp readers/000000002.sqlite" in refused(root)
    newest.write_bytes(content[:5000] + bytes([content[5000] ^ 1]) + content[5001:])
    assert "cp readers/000000002.sqlite" in refused(root)


def test_where_no_copy_is_whole_the_line_says_so(root: Path) -> None:
    (root / "catalog.sqlite").unlink()
    (root / "readers.sqlite").write_bytes(b"x")
    shutil.rmtree(root / "readers")
    line = refused(root)
    assert "no copy of it is whole" in line and "put back a copy of the folder" in line


@pytest.mark.parametrize("trace", [
    "data/main/events/r000001/0.parquet", "data/prices.csv", "artifacts/policy/f1/x", "staging/delivery/f1/x",
    "catalog.sqlite-wal", "catalog.sqlite-shm", "attach.sql", "readers/000000001.sqlite",
])  # fmt: skip
def test_any_trace_of_a_warehouse_or_of_another_program_is_left_alone(tmp_path: Path, trace: str) -> None:
    (tmp_path / trace).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / trace).write_text("of worth")
    assert Path(trace).parts[0] in refused(tmp_path)


@pytest.mark.parametrize(
    "harmless", ["README.md", ".gitignore", "raw/events-2026-01-01.parquet", "shop.toml", "commit.lock", "data/main/"]
)
def test_what_hsrl_never_touches_is_no_hindrance(tmp_path: Path, harmless: str) -> None:
    path = tmp_path / harmless
    if harmless.endswith("/"):
        path.mkdir(parents=True)
    else:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("mine")
    Warehouse.create_or_open(tmp_path).close()
    assert path.is_dir() or path.suffix == ".lock" or path.read_text() == "mine"


@pytest.mark.parametrize("inside", ["data", "data/main/events", "artifacts/mine", "readers", "staging/x"])
def test_no_warehouse_is_made_inside_the_folders_of_another(root: Path, inside: str) -> None:
    before = everything(root)
    with pytest.raises(WarehouseError, match=r"lies inside the warehouse .*, which only hsrl writes; give another --warehouse"):
        Warehouse.create_or_open(root / inside)
    assert everything(root) == before


def test_a_warehouse_beside_others_in_a_folder_that_is_one_itself_is_fine(root: Path) -> None:
    """As warehouse/demo is in ./warehouse."""
    Warehouse.create_or_open(root / "demo").close()
    Warehouse.create_or_open(root).close()


def test_a_link_to_a_folder_is_that_folder_and_a_link_to_nowhere_is_refused(root: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(root)
    with Warehouse.create_or_open(tmp_path / "link") as opened:
        assert opened.query("SELECT sum(feedback) AS n FROM events").item() == 2
    (tmp_path / "nowhere").symlink_to(tmp_path / "gone")
    with pytest.raises(WarehouseError, match="no warehouse can be made here"):
        Warehouse.create_or_open(tmp_path / "nowhere")
    assert not (tmp_path / "gone").exists()
    (root / "data").rename(tmp_path / "elsewhere")
    (root / "data").symlink_to(tmp_path / "elsewhere")
    (root / "catalog.sqlite").unlink()
    assert "restore it: " in refused(root)
