"""One run: its id, the clock of its stages, and what it tells the person who waits."""

import resource
import secrets
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from pipeline.printable import printable

Tick = Callable[[int, int], None]
LINE_SECONDS = 10.0


@dataclass
class Run:
    """Identity, stage times and voice of a run.

    Attributes:
        flow: ``daily-refresh`` or ``nightly-retrain``.
        console: where lines go; standard error, so that ``--json`` has standard output for itself.
        seconds: wall seconds of each stage so far.
    """

    flow: str
    console: Console = field(default_factory=lambda: Console(stderr=True, highlight=False))
    run_id: str = field(init=False)
    seconds: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.run_id = f"{datetime.now(UTC):%Y%m%dT%H%M%S}-{self.flow}-{secrets.token_hex(2)}"

    def say(self, line: str) -> None:
        """One plain line."""
        self.console.print(printable(line, keep="\n"), markup=False, soft_wrap=True)

    @contextmanager
    def stage(self, name: str) -> Iterator[Tick]:
        """Time a stage; the yielded function takes (done, total) and draws a bar on a terminal."""
        began = time.monotonic()
        with self._bar(name) as tick:
            yield tick
        self.seconds[name] = round(self.seconds.get(name, 0.0) + time.monotonic() - began, 3)

    @contextmanager
    def _bar(self, name: str) -> Iterator[Tick]:
        if not self.console.is_terminal:
            yield self._lines(name)
            return
        columns = (TextColumn("{task.description:<24}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        with Progress(*columns, console=self.console, transient=True) as progress:
            bar = progress.add_task(name, total=None)
            yield lambda done, total: progress.update(bar, completed=done, total=total)

    def _lines(self, name: str) -> Tick:
        """A tick that tells how far it is in a plain line, now and then."""
        told = time.monotonic()

        def tick(done: int, total: int) -> None:
            nonlocal told
            if time.monotonic() - told >= LINE_SECONDS:
                told = time.monotonic()
                self.say(f"{name}: {done:,} of {total:,}")

        return tick


def cpu_seconds() -> float:
    """User and system time of this process and of its ended children."""
    return sum(sum(resource.getrusage(who)[:2]) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))


def peak_memory_mb() -> float:
    """Largest resident memory of this process so far."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return round(peak / 2**20 if sys.platform == "darwin" else peak / 2**10, 1)


def code_version() -> str:
    """The package's version and, from a checkout, its commit; ``+`` marks uncommitted changes."""
    described: list[str] = []
    root = Path(__file__).resolve().parent.parent
    for arguments in (("rev-parse", "--short=12", "HEAD"), ("status", "--porcelain", "--untracked-files=no")):
        try:
            answer = subprocess.run(["git", "-C", str(root), *arguments], capture_output=True, text=True, check=True)  # noqa: S603, S607
        except (OSError, subprocess.CalledProcessError):
            return version("hsrl")  # no checkout: an export of the sources
        described.append(answer.stdout.strip())
    return f"{version('hsrl')}-{described[0]}{'+' if described[1] else ''}"


def as_text(number: Any) -> str:
    """A number for people: 97,383 or 0.752."""
    return f"{number:,}" if isinstance(number, int) else f"{number:.3f}"
