"""A run: its id, the seconds of its stages, and the progress that it shows."""

import secrets
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Protocol

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from pipeline.printable import printable

# Called with (done, total) as a stage goes on.
Tick = Callable[[int, int], None]
# Where the output is no terminal: seconds until a stage prints its first line of progress, and between two lines.
FIRST_LINE_SECONDS, LINE_SECONDS = 5.0, 10.0
_SHORTEST_WAIT = 0.1


class Outlet(Protocol):
    """Where the lines and the progress of a run go in place of the console: a log of JSON lines, or Prefect."""

    def line(self, run_id: str, stage: str | None, text: str) -> None:
        """Hand on a line; ``stage`` is the innermost that is under way. Called from any thread."""
        ...

    def progress(self, stage: str, done: int, total: int) -> None:
        """Hand on how far a stage is; (0, 1) as it begins, (1, 1) when it has ended well."""
        ...


@dataclass
class Run:
    """Identity, stage times and progress output of a run.

    Attributes:
        flow: the flow's name, such as ``daily-refresh``.
        console: where lines go; standard error, so that ``--json`` has standard output for itself.
        run_id: unique, begins with the time at which the run started.
        seconds: wall seconds of each stage so far.
        started_at: when it began, UTC; times of events are compared with it.
        outlet: where lines and progress go in place of the console; None = the console.
    """

    flow: str
    console: Console = field(default_factory=lambda: Console(stderr=True, highlight=False))
    run_id: str = field(init=False)
    seconds: dict[str, float] = field(default_factory=dict)
    started_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    outlet: Outlet | None = None
    _stages: list[str] = field(init=False, default_factory=list, repr=False)

    def __post_init__(self) -> None:
        self.run_id = f"{self.started_at:%Y%m%dT%H%M%S}-{self.flow}-{secrets.token_hex(2)}"

    def say(self, line: str) -> None:
        """Print a plain line, or hand it to the outlet."""
        if self.outlet is not None:
            self.outlet.line(self.run_id, self._stages[-1] if self._stages else None, printable(line, keep="\n"))
            return
        self.console.print(printable(line, keep="\n"), markup=False, soft_wrap=True)

    @contextmanager
    def stage(self, name: str) -> Iterator[Tick]:
        """Time a stage; the yielded function takes (done, total). A terminal shows a bar, anything else a line now and then."""
        began = time.monotonic()
        self._stages.append(name)
        try:
            with self._bar(name) as tick:
                yield tick
            spent = time.monotonic() - began
            if self.outlet is not None:
                self.outlet.progress(name, 1, 1)
                self.say(f"{name}: done in {spent:.1f} seconds")
        finally:
            self._stages.remove(name)
        self.seconds[name] = round(self.seconds.get(name, 0.0) + spent, 3)

    @contextmanager
    def _bar(self, name: str) -> Iterator[Tick]:
        if self.outlet is not None:
            self.outlet.progress(name, 0, 1)
        if self.outlet is not None or not self.console.is_terminal:
            with self._lines(name) as tick:
                yield tick
            return
        columns = (TextColumn("{task.description:<24}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        with Progress(*columns, console=self.console, transient=True) as progress:
            bar = progress.add_task(name, total=None)
            yield lambda done, total: progress.update(bar, completed=done, total=total)

    @contextmanager
    def _lines(self, name: str) -> Iterator[Tick]:
        """Plain lines now and then: how far the stage is or, where it does not report that, how long it has run."""
        began = last = time.monotonic()
        progress: str | None = None
        ended = threading.Event()

        def report() -> None:
            nonlocal last
            last = time.monotonic()
            self.say(f"{name}: {progress or f'{last - began:.0f} seconds so far'}")

        def tick(done: int, total: int) -> None:
            nonlocal progress
            progress = f"{done:,} of {total:,}"
            if self.outlet is not None:
                self.outlet.progress(name, done, total)
            if time.monotonic() - last >= LINE_SECONDS:
                report()

        def watch() -> None:
            wait = FIRST_LINE_SECONDS
            while not ended.wait(wait):
                if last == began or time.monotonic() - last >= LINE_SECONDS:
                    report()
                wait = max(LINE_SECONDS - (time.monotonic() - last), _SHORTEST_WAIT)

        watcher = threading.Thread(target=watch, name=f"stage {name}", daemon=True)
        watcher.start()
        try:
            yield tick
        finally:
            ended.set()
            watcher.join()
