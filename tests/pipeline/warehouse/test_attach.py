"""The files by which clients other than hsrl attach: safe to repeat, from any folder, and on a machine without these wheels."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import duckdb
import pytest

from pipeline.warehouse.release import Changes, ReleaseDraft
from pipeline.warehouse.warehouse import Warehouse

Night = Callable[[int], Changes]
NEWEST = "SELECT max(release_id), (SELECT sum(feedback) FROM events) FROM releases"
# In a process of its own: a mistake here is a segmentation fault.
REPEATED = """
import sys, duckdb
from pathlib import Path
script = Path(sys.argv[1])
connection = duckdb.connect()
for _ in range(3):
    connection.execute(script.read_text())
    print(connection.execute(sys.argv[2]).fetchall(), flush=True)
cursor, other = connection.cursor(), duckdb.connect()
for client in (cursor, other, other):
    client.execute(script.read_text())
    print(client.execute(sys.argv[2]).fetchall(), connection.execute("SELECT count(sid) FROM lake.sids").fetchall(), flush=True)
"""


def test_it_may_be_run_again_and_again_from_any_folder(two_nights: Path, tmp_path: Path) -> None:
    root = Path(shutil.copytree(two_nights, tmp_path / "it's here"))
    with Warehouse.open(root) as warehouse, warehouse.transaction("a commit in the new place", {}):
        warehouse.connection.execute("INSERT INTO sid_missing VALUES (99, 'none', 2)")
    done = subprocess.run([sys.executable, "-c", REPEATED, str(root / "attach.sql"), NEWEST], capture_output=True, text=True,
                          check=False, cwd=tmp_path)  # fmt: skip
    assert done.returncode == 0, (done.returncode, done.stderr)
    assert done.stdout.splitlines() == ["[(2, 2)]"] * 3 + ["[(2, 2)] [(2,)]"] * 3


def test_run_again_it_gives_the_newest_release(warehouse: Warehouse, draft: ReleaseDraft, night: Night) -> None:
    client = duckdb.connect()
    for n in (1, 2, 3):
        warehouse.publish(draft, night(n), audits=[])
        client.execute((warehouse.root / "attach.sql").read_text())
        assert client.execute(NEWEST).fetchall() == [(n, n)]
    client.close()


def test_a_folder_that_was_copied_to_another_machine_is_attached_by_names(two_nights: Path, tmp_path: Path) -> None:
    """There the extensions are installed in the home folder, and no path of this machine exists."""
    root, home = Path(shutil.copytree(two_nights, tmp_path / "elsewhere")), tmp_path / "home"
    home.mkdir()
    install = "import duckdb_extensions\nfor name in ('ducklake', 'sqlite_scanner'): duckdb_extensions.import_extension(name)"
    environment = {**os.environ, "HOME": str(home)}
    subprocess.run([sys.executable, "-c", install], check=True, env=environment)
    command = [sys.executable, "-c", REPEATED, "attach-elsewhere.sql", NEWEST]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=root, env=environment)
    assert done.returncode == 0, (done.returncode, done.stderr)
    assert done.stdout.splitlines()[-1] == "[(2, 2)] [(2,)]"
    assert str(root) not in Path(root / "attach-elsewhere.sql").read_text()


def test_the_command_line_client_takes_it_too(two_nights: Path, tmp_path: Path) -> None:
    if shutil.which("duckdb") is None:
        pytest.skip("the duckdb command is not installed")
    command = ["duckdb", "-init", str(two_nights / "attach.sql"), "-csv", "-noheader", "-c", NEWEST]
    assert subprocess.run(command, capture_output=True, text=True, check=True, cwd=tmp_path).stdout.strip() == "2,2"
