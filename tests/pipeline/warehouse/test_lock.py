"""One writer: the operating system knows who, and forgets the dead."""

import json
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from pipeline.errors import WarehouseError
from pipeline.warehouse.lock import locked
from pipeline.warehouse.warehouse import Warehouse

HOLD = """
import sys, time
from pathlib import Path
from pipeline.warehouse.lock import locked
with locked(Path(sys.argv[1]), "night-1", 0):
    print("held", flush=True)
    time.sleep(60)
"""


def holder(path: Path) -> subprocess.Popen[str]:
    environment = {**os.environ, "PYTHONPATH": str(Path.cwd())}
    process = subprocess.Popen([sys.executable, "-c", HOLD, str(path)], stdout=subprocess.PIPE, text=True, env=environment)
    assert process.stdout and process.stdout.readline() == "held\n"
    return process


def test_a_dead_process_holds_nothing(tmp_path: Path) -> None:
    """While it lives the second writer is told who writes; after SIGKILL the lock is free, with its note still in the file."""
    path = tmp_path / "writer.lock"
    process = holder(path)
    try:
        with (
            pytest.raises(WarehouseError, match=rf"run night-1 \(process {process.pid}, since .*\) is writing; waited 0 s"),
            locked(path, "night-2", 0),
        ):
            pass
    finally:
        process.kill()
        process.wait()
    with locked(path, "night-2", 0):
        assert json.loads(path.read_text())["owner"] == "night-2"


def test_the_second_writer_waits_and_says_for_whom(tmp_path: Path) -> None:
    path, entered = tmp_path / "writer.lock", threading.Event()
    lines: list[str] = []

    def second() -> None:
        with locked(path, "night-2", 30, lines.append):
            entered.set()

    with locked(path, "night-1", 0):
        thread = threading.Thread(target=second)
        thread.start()
        assert not entered.wait(0.3)
    assert entered.wait(30)
    thread.join()
    assert len(lines) == 1 and lines[0].startswith("waiting for run night-1 (process ")


def test_a_holder_that_has_not_signed_yet_is_another_process(tmp_path: Path) -> None:
    path = tmp_path / "writer.lock"
    with locked(path, "night-1", 0):
        path.write_text("")
        with pytest.raises(WarehouseError, match="another process is writing"), locked(path, "night-2", 0):
            pass


def test_two_writers_of_a_warehouse_exclude_each_other(warehouse: Warehouse) -> None:
    with (
        Warehouse.open(warehouse.root) as second,
        pytest.raises(WarehouseError, match=r"run test .* is writing"),
        second.writer("r2", 0),
    ):
        pass


@pytest.mark.parametrize(
    "note",
    [
        "[]",
        "7",
        "null",
        '"x"',
        "{}",
        '{"owner": 1}',
        "{",
        "\x00\xff",
        '{"owner": "\\u001b[31m", "pid": 1, "since": []}',
        "[" * 4000,
    ],
)
def test_whatever_stands_in_a_lock_file_its_holder_is_named_in_one_line(tmp_path: Path, note: str) -> None:
    path = tmp_path / "writer.lock"
    with locked(path, "me", 0):
        path.write_text(note)
        with pytest.raises(WarehouseError, match="is writing; waited 0 s") as refusal, locked(path, "you", 0):
            pass
        assert str(refusal.value).isprintable()
