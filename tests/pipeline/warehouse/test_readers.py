"""Readers see whole releases, never wait, and need no right to write."""

import os
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.errors import WarehouseError
from pipeline.warehouse import readers
from pipeline.warehouse.adhoc import run_sql
from pipeline.warehouse.engine import open_readers
from pipeline.warehouse.release import Changes, ReleaseDraft
from pipeline.warehouse.warehouse import Warehouse

Night = Callable[[int], Changes]
# Release n holds n nights: n events liked, n records, splits that say n, and vectors whose second coordinate is n.
TORN = """
SELECT (SELECT max(release_id) FROM releases) AS n
WHERE n IS NOT NULL AND NOT (
    (SELECT sum(feedback) FROM events) = n AND (SELECT max(record_index) FROM record_rows) = n - 1
    AND (SELECT sum(n_records) FROM splits) = n AND (SELECT sum(vector[2]) FROM embeddings) = 2 * n
)
"""


@pytest.mark.slow
def test_readers_never_see_half_a_release(warehouse: Warehouse, draft: ReleaseDraft, night: Night) -> None:
    """A check over four tables, repeated while releases are published; it finds a planted tear."""
    torn: list[object] = []
    done, n_asked = threading.Event(), 0

    def read() -> None:
        nonlocal n_asked
        while not done.is_set():
            torn.extend(run_sql(warehouse.root, TORN).rows())
            n_asked += 1

    reader = threading.Thread(target=read)
    reader.start()
    for n in range(1, 5):
        warehouse.publish(draft, night(n), audits=[])
    done.set()
    reader.join()
    assert torn == [] and n_asked >= 2
    warehouse.publish(draft, Changes(replace={"splits": night(9).replace["splits"]}), audits=[])
    assert run_sql(warehouse.root, TORN).rows() == [(5,)]


def test_a_reader_stays_with_the_release_it_began_with(warehouse: Warehouse, draft: ReleaseDraft, night: Night) -> None:
    """Also where its next statement, or a part of one, opens the catalogue again: its file is never replaced."""
    warehouse.publish(draft, night(1), audits=[])
    with open_readers(warehouse.root) as reader:
        bound = reader.sql("SELECT max(release_id) FROM releases")
        warehouse.publish(draft, night(2), audits=[])
        assert bound.fetchall() == [(1,)]
        assert reader.execute("SELECT sum(feedback) FROM events").fetchall() == [(1,)]
    assert run_sql(warehouse.root, "SELECT sum(feedback) AS n FROM events").item() == 2


def test_old_copies_go_when_nobody_reads_them_any_more(warehouse: Warehouse, draft: ReleaseDraft, night: Night) -> None:
    for n in range(1, 5):
        warehouse.publish(draft, night(n), audits=[])
    copies = sorted((warehouse.root / "readers").iterdir())
    assert len(copies) == 5
    for copy in copies[:2]:
        os.utime(copy, (0, 0))
    warehouse.publish(draft, night(5), audits=[])
    assert sorted((warehouse.root / "readers").iterdir())[:-1] == copies[2:]


def test_a_folder_that_cannot_be_written_can_be_read(warehouse: Warehouse, draft: ReleaseDraft, night: Night) -> None:
    warehouse.publish(draft, night(1), audits=[])
    with tempfile.TemporaryDirectory() as parent:
        root = Path(parent) / "warehouse"
        shutil.copytree(warehouse.root, root)
        Path(parent).chmod(0o755)
        for path in root.rglob("*"):
            path.chmod(0o555 if path.is_dir() else 0o444)
        root.chmod(0o555)
        # Root may write everywhere, so that a test run by root asks as nobody; who may not read root's Python either, so that what
        # is imported late is imported before, by a first question to the original.
        source = (
            "import os, sys; from pathlib import Path; from pipeline.warehouse.adhoc import run_sql\n"
            "ask = lambda root: run_sql(Path(root), 'select sum(feedback) as n from events').rows()\n"
            "ask(sys.argv[2]); os.getuid() or os.setuid(65534)\n"
            "assert not os.access(sys.argv[1], os.W_OK)\n"
            "print(ask(sys.argv[1]))"
        )
        environment = {**os.environ, "PYTHONPATH": str(Path.cwd())}
        told = subprocess.run(
            [sys.executable, "-c", source, str(root), str(warehouse.root)],
            capture_output=True,
            text=True,
            check=False,
            env=environment,
        )
        root.chmod(0o755)
        for path in root.rglob("*"):
            path.chmod(0o755)
    assert told.stdout == "[(1,)]\n", told.stderr


def test_a_copy_that_fails_is_told_and_leaves_the_old_one(tmp_path: Path) -> None:
    (tmp_path / "catalog.sqlite").write_bytes(b"no database" * 100)
    (tmp_path / readers.COPY).write_bytes(b"old")
    with pytest.raises(WarehouseError, match=r"the readers' copy was not renewed \(.*not a database\)"):
        readers.renew_copy(tmp_path / "catalog.sqlite", 0)
    assert (tmp_path / readers.COPY).read_bytes() == b"old"


@pytest.fixture
def root(two_nights: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(two_nights, tmp_path / "copied"))


NEWEST = "SELECT max(release_id) AS n FROM releases"


@pytest.mark.parametrize("harm", ["cut", "flip", "empty", "garbage"])
def test_readers_fall_back_to_the_copy_before_and_say_so(root: Path, harm: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Whatever happened to the newest copy; the next commit makes a new one."""
    newest = root / "readers" / "000000003.sqlite"
    content = newest.read_bytes()
    flipped = content[:5000] + bytes([content[5000] ^ 1]) + content[5001:]
    newest.unlink()
    newest.write_bytes({"cut": content[:5000], "flip": flipped, "empty": b"", "garbage": b"no database" * 1000}[harm])
    assert run_sql(root, NEWEST).item() == 1
    assert "000000003.sqlite is damaged, so readers/000000002.sqlite answers" in capsys.readouterr().err
    with Warehouse.open(root) as warehouse, warehouse.transaction("a commit", {}):
        warehouse.connection.execute("DELETE FROM quarantine")
        warehouse.connection.execute("INSERT INTO sid_missing VALUES (99, 'none', 2)")
    assert run_sql(root, NEWEST).item() == 2


def test_readers_need_neither_readers_sqlite_nor_the_numbered_copies_nor_the_notes(root: Path) -> None:
    (root / "readers.sqlite").unlink()
    assert run_sql(root, NEWEST).item() == 2
    shutil.copy(root / "readers" / "000000003.sqlite", root / "readers.sqlite")
    shutil.rmtree(root / "readers")
    assert run_sql(root, NEWEST).item() == 2
    (root / "readers.json").write_text("[1]")
    assert run_sql(root, NEWEST).item() == 2


def test_where_no_copy_is_whole_one_line_says_how_to_get_one(root: Path) -> None:
    for copy in [root / "readers.sqlite", *(root / "readers").iterdir()]:
        copy.unlink()
        copy.write_bytes(b"x")
    with pytest.raises(WarehouseError, match=r"no copy of the catalogue for readers is whole .*; make a new one with: hsrl gc"):
        run_sql(root, NEWEST)


def test_a_catalogue_whose_log_was_lost_is_not_built_upon(root: Path) -> None:
    """As where only catalog.sqlite was copied: it opens, and ends before its own copy does."""
    shutil.copy(root / "readers" / "000000002.sqlite", root / "catalog.sqlite")
    for name in ("catalog.sqlite-wal", "catalog.sqlite-shm"):
        (root / name).unlink(missing_ok=True)
    with pytest.raises(WarehouseError, match="so that 1 of them were lost; restore it from its newest whole copy: ") as told:
        Warehouse.open(root)
    subprocess.run(str(told.value).split("whole copy: ")[1], shell=True, check=True)  # noqa: S602 the command under test
    with Warehouse.open(root) as warehouse:
        assert warehouse.query(NEWEST).item() == 2


def test_a_damaged_catalogue_is_restored_by_the_command_that_the_line_tells(root: Path) -> None:
    (root / "catalog.sqlite").write_bytes(b"no database" * 1000)
    with pytest.raises(
        WarehouseError, match=r"(damaged inside|cannot be opened) .*; restore it from its newest whole copy: "
    ) as told:
        Warehouse.open(root)
    subprocess.run(str(told.value).split("whole copy: ")[1], shell=True, check=True)  # noqa: S602 the command under test
    with Warehouse.open(root) as warehouse:
        assert warehouse.query(NEWEST).item() == 2
