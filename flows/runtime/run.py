"""One run: its id, the clock of its stages, and what it tells the person who waits."""

import resource
import secrets
import subprocess
import sys
import threading
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
# Of a stage on anything but a terminal: when it is heard of first, and how often from then on.
FIRST_LINE_SECONDS, LINE_SECONDS = 5.0, 10.0
_LEAST_WAIT = 0.1


@dataclass
class Run:
    """Identity, stage times and voice of a run.

    Attributes:
        flow: ``daily-refresh`` or ``nightly-retrain``.
        console: where lines go; standard error, so that ``--json`` has standard output for itself.
        seconds: wall seconds of each stage so far.
        started_at: the clock when it began, UTC; times of events are compared with it.
    """

    flow: str
    console: Console = field(default_factory=lambda: Console(stderr=True, highlight=False))
    run_id: str = field(init=False)
    seconds: dict[str, float] = field(default_factory=dict)
    started_at: datetime = field(default_factory=lambda: datetime.now(UTC))

    def __post_init__(self) -> None:
        self.run_id = f"{self.started_at:%Y%m%dT%H%M%S}-{self.flow}-{secrets.token_hex(2)}"

    def say(self, line: str) -> None:
        """One plain line."""
        self.console.print(printable(line, keep="\n"), markup=False, soft_wrap=True)

    @contextmanager
    def stage(self, name: str) -> Iterator[Tick]:
        """Time a stage; the yielded function takes (done, total). A terminal shows a bar, anything else a line now and then."""
        began = time.monotonic()
        with self._bar(name) as tick:
            yield tick
        self.seconds[name] = round(self.seconds.get(name, 0.0) + time.monotonic() - began, 3)

    @contextmanager
    def _bar(self, name: str) -> Iterator[Tick]:
        if not self.console.is_terminal:
            with self._lines(name) as tick:
                yield tick
            return
        columns = (TextColumn("{task.description:<24}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        with Progress(*columns, console=self.console, transient=True) as progress:
            bar = progress.add_task(name, total=None)
            yield lambda done, total: progress.update(bar, completed=done, total=total)

    @contextmanager
    def _lines(self, name: str) -> Iterator[Tick]:
        """Plain lines now and then of how far the stage is, or where it does not say, of how long it has run: none waits in silence."""
        began = last = time.monotonic()
        how_far: str | None = None
        ended = threading.Event()

        def tell() -> None:
            nonlocal last
            last = time.monotonic()
            self.say(f"{name}: {how_far or f'{last - began:.0f} seconds so far'}")

        def tick(done: int, total: int) -> None:
            nonlocal how_far
            how_far = f"{done:,} of {total:,}"
            if time.monotonic() - last >= LINE_SECONDS:
                tell()

        def watch() -> None:
            wait = FIRST_LINE_SECONDS
            while not ended.wait(wait):
                if last == began or time.monotonic() - last >= LINE_SECONDS:
                    tell()
                wait = max(LINE_SECONDS - (time.monotonic() - last), _LEAST_WAIT)

        watcher = threading.Thread(target=watch, name=f"stage {name}", daemon=True)
        watcher.start()
        try:
            yield tick
        finally:
            ended.set()
            watcher.join()


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
    root = Path(__file__).resolve().parents[2]
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
