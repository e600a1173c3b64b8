"""`hsrl sql` as a process: it ends when its question does not, and when nobody reads on."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.warehouse.warehouse import Warehouse

# An engine that does not listen: as if it planned a statement for hours.
DEAF = "import time\nfrom pipeline.warehouse import adhoc, limits\nlimits._GRACE_SECONDS = 0.2\nadhoc.checked = lambda *_: time.sleep(600)\n"


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("made") / "w"
    Warehouse.create_or_open(root).close()
    return root


def hsrl(root: Path, *words: str, before: str = "", head: int | None = None) -> tuple[int, str, str]:
    """Exit code, what was read of its answer, and what it said; ``head``: bytes that are read before the pipe is closed."""
    source = f"{before}from flows.cli.app import main\nimport sys\nsys.argv[0] = 'hsrl'\nmain()"
    command = [sys.executable, "-c", source, "sql", "--warehouse", str(root), *words]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])}
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment) as process:
        assert process.stdout and process.stderr
        if head is not None:
            out = process.stdout.read(head)
            process.stdout.close()
            err = process.stderr.read()
        else:
            out, err = process.communicate(timeout=120)
        code = process.wait(timeout=120)
    return code, out.decode(), err.decode()


def test_a_process_whose_engine_does_not_stop_ends(root: Path, tmp_path: Path) -> None:
    code, out, err = hsrl(root, "--seconds", "0.2", "--out", str(tmp_path / "x.csv"), "select 1", before=DEAF)
    assert (code, out) == (2, "") and err.startswith("hsrl: sql: stopped after 0.2 seconds") and err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_outgrows_the_limit_is_not_left(root: Path, tmp_path: Path) -> None:
    endless = "select range, repeat('x', 100) from range(100000000000)"
    for ending in ("csv", "json", "parquet"):
        code, _, err = hsrl(root, "--seconds", "0.5", "--out", str(tmp_path / f"x.{ending}"), endless)
        assert code == 2 and "--seconds 5" in err and err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_a_reader_that_has_enough_ends_an_endless_answer_without_a_word(root: Path) -> None:
    code, out, err = hsrl(root, "--csv", "select range from range(100000000000)", head=100)
    assert (code, err) == (1, "") and out.startswith("range\n0\n1\n")


@pytest.mark.parametrize(("sink", "code", "said"), [("> /dev/full", 2, "No space left on device"), (">&-", 0, "")])
@pytest.mark.parametrize("question", ["select 1", "select range from range(100000)"])
def test_an_answer_that_finds_no_room_or_no_reader_is_a_line_at_most(
    root: Path, question: str, sink: str, code: int, said: str
) -> None:
    """Also one so short that it is written as the process ends, when the interpreter would complain of it with exit code 120."""
    words = f"-c 'from flows.cli.app import main; main()' sql --json --warehouse '{root}' '{question}' {sink}"
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])}
    command = ["sh", "-c", f"'{sys.executable}' {words}"]
    done = subprocess.run(command, stderr=subprocess.PIPE, text=True, env=environment, check=False)
    assert done.returncode == code and said in done.stderr and done.stderr.count("\n") == bool(said)
