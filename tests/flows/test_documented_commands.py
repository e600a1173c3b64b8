"""Every command that README.md and docs/ show, run in order as printed, in a copy of the project's folder with small configurations."""

import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.support import forked
from tests.support.commands import all_commands

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]

MOST_SECONDS = 60.0
MOST_MB = 2048.0

# First words that are commands; an indented line that begins otherwise is output, or the rest of the command above it.
PROGRAMS = ("hsrl", "echo", ".venv/bin/hsrl", "make", "prefect", "python", "cd", "cp", "rm")
# What is not run here, and why.
ELSEWHERE = {
    "make demo": "three CPU minutes; the twin below is made by the same flows with a smaller configuration",
    "make test": "it runs this",
    "hsrl up": "it runs until it is stopped: tests/flows/test_schedule.py",
    "prefect": "it needs a server: tests/flows/test_schedule.py",
}
# What the twin has otherwise than the tests' small world: the demo's kind of codes, and trainings that a study can have fifty of.
TWIN = {
    "[embeddings]": "[embeddings]\nscore_aware = true",
    "n_iterations = 60": "n_iterations = 4",
    "learn_after = 40": "learn_after = 8",
    "n_rounds = 1": "n_rounds = 0",
    "n_sessions = 40": "n_sessions = 8",
}
# A name in capitals, or an ellipsis, stands for what only the reader knows: such a line is checked, not run.
_FOR_THE_READER = re.compile(r"…|\b[A-Z][A-Z_]{2,}\b(?!=)")
# What a shell does with a line, outside of quotes and, for variables, inside of double ones.
_NEEDS_A_SHELL = re.compile(r"[$`|<>;&*?~]")
_IN_QUOTES = re.compile(r"'[^']*'|\"[^\"$`]*\"")

# Output in columns, such as a table whose row is called hsrl.
_IN_COLUMNS = re.compile(r"^\S+  +[^# ]")


@dataclass(frozen=True)
class Command:
    """A command as a page shows it."""

    page: str
    line: int
    text: str

    def __str__(self) -> str:
        return f"{self.page}:{self.line}: {self.text}"


def commands(page: Path) -> Iterator[Command]:
    """The commands of a page's indented blocks; a quote that stays open goes on in the next line."""
    waiting, began = "", 0
    for number, line in enumerate(page.read_text(encoding="utf-8").splitlines(), start=1):
        if not line.startswith("    ") and not waiting:
            continue
        text = f"{waiting}\n{line.strip()}" if waiting else line.strip()
        began = began if waiting else number
        if text.split(" ")[0] not in PROGRAMS or "│" in text or _IN_COLUMNS.search(text):
            continue
        try:
            shlex.split(text, comments=True)
        except ValueError:
            waiting = text
            continue
        waiting = ""
        yield Command(page.name, began, text)
    assert not waiting, f"{page.name}:{began}: a quote is not closed"


SHOWN = [command for page in PAGES for command in commands(page)]


def names_of(command: Command) -> list[str]:
    """The words of one call of hsrl in a line, without the shell's part."""
    words = shlex.split(command.text, comments=True)
    at = next(place for place, word in enumerate(words) if word.endswith("hsrl"))
    return words[at + 1 :]


def test_the_pages_show_commands() -> None:
    pages = {command.page for command in SHOWN}
    assert {"README.md", "recovery.md", "studies.md"} <= pages and len(SHOWN) > 25
    assert [start for start in ELSEWHERE if not any(command.text.startswith(start) for command in SHOWN)] == []


def test_every_command_line_of_hsrl_is_in_the_readme() -> None:
    """A command that the README does not name is not found."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert [name for name in all_commands() if f"hsrl {name}" not in text and f"make {name}" not in text] == []


@pytest.mark.parametrize("command", [one for one in SHOWN if "hsrl " in one.text], ids=str)
def test_a_shown_command_and_its_options_exist(command: Command) -> None:
    words = names_of(command)
    if not words or words[0].startswith("-"):
        return
    known = all_commands()
    name = next((name for name in (" ".join(words[:2]), words[0]) if name in known), None)
    assert name is not None, f"{command}: no such command"
    options = {name for option in known[name].params for name in option.opts} | {"--help"}
    given = {word.split("=")[0] for word in words[1:] if word.startswith("--") and " " not in word}
    assert given <= options, f"{command}: no option {sorted(given - options)}"


@pytest.fixture(scope="module")
def project(retrained: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder like the project's after `make demo`, with a small twin of the demo's warehouse; each ready configuration is the twin's.

    The twin has score-aware codes, as the demo has: its simulators come before its Semantic IDs. The warehouse of the real data is
    its copy, as the very commands that make it have just been run here: what a page shows is the night after.
    """
    folder = tmp_path_factory.mktemp("project")
    (folder / ".venv").mkdir()
    (folder / ".venv" / "bin").symlink_to(BIN)
    (folder / "sql").symlink_to(ROOT / "sql")
    (folder / "docs").mkdir()  # of its own, as a shown command writes into docs/results
    configs = folder / "flows" / "configs"
    configs.mkdir(parents=True)
    twin = retrained.config.read_text()
    for old, new in TWIN.items():
        assert old in twin
        twin = twin.replace(old, new)
    for config in (ROOT / "flows" / "configs").glob("*.toml"):
        (configs / config.name).write_text(twin)
    for flow in ("refresh", "retrain"):
        code, printed, *_ = run(f"hsrl {flow} --config flows/configs/generated.toml --warehouse warehouse/demo", folder)
        assert code == 0, printed
    shutil.copytree(folder / "warehouse" / "demo", folder / "warehouse" / "ml-1m")
    return folder


def run(text: str, folder: Path) -> tuple[int, str, float, float]:
    """Run a line; its exit code, what it printed, CPU seconds, and the most memory of any of its processes, MB.

    What needs a shell is given to one. The other commands begin in a process that has imported hsrl: sixty starts are a CPU minute.
    """
    settings = {name: value for name, value in os.environ.items() if not name.startswith("HSRL_")}
    settings |= {"PATH": f"{BIN}:{os.environ['PATH']}", "HSRL_WAREHOUSE": "warehouse/demo", "OMP_NUM_THREADS": "1"}
    words = shlex.split(text, comments=True)
    if words[0].endswith("hsrl") and not _NEEDS_A_SHELL.search(_IN_QUOTES.sub("", text.partition("  #")[0])):
        ended = forked.hsrl(*words[1:], cwd=folder, env=settings, seconds=2 * MOST_SECONDS)
        return ended.returncode, ended.stdout + ended.stderr, ended.cpu_seconds, ended.megabytes
    log = folder / "printed.txt"
    with log.open("w") as printed:
        began = time.monotonic()
        process = subprocess.Popen(
            ["/bin/bash", "-euc", text], cwd=folder, env=settings, stdout=printed, stderr=printed, start_new_session=True
        )
        while True:
            ended, status, used = os.wait4(process.pid, os.WNOHANG)
            if ended:
                break
            if time.monotonic() - began > 2 * MOST_SECONDS:  # it has failed; only the shared machine gets this long
                os.killpg(process.pid, signal.SIGKILL)
            time.sleep(0.05)
    process.returncode = os.waitstatus_to_exitcode(status)
    return process.returncode, log.read_text(), used.ru_utime + used.ru_stime, used.ru_maxrss / 1024


@pytest.mark.slow
def test_every_shown_command_runs_as_printed(project: Path) -> None:
    """In the order of the pages; a CPU minute or 2 GB is too much for any of them."""
    ran, failed = [], []
    for command in SHOWN:
        if command.text.startswith(tuple(ELSEWHERE)) or _FOR_THE_READER.search(command.text.partition("  #")[0]):
            continue
        code, printed, seconds, megabytes = run(command.text, project)
        ran.append((command, round(seconds, 1), round(megabytes)))
        if code or seconds > MOST_SECONDS or megabytes > MOST_MB or "Traceback" in printed:
            failed.append(f"{command}\n  exit {code}, {seconds:.0f} CPU s, {megabytes:.0f} MB: {printed[-400:]}")
    assert not failed, "\n".join(failed)
    assert len(ran) > 20, ran
    assert (project / "docs" / "results" / "ablation.md").is_file()  # there, and not among the pages of the checkout
