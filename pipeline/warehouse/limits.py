"""What a question from outside may cost, and the watch that ends it."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

import duckdb

from pipeline.errors import QueryError

_POLL_SECONDS = 0.05
# An engine that is asked to stop and has not by then is at work where it does not listen.
_GRACE_SECONDS = 3.0
_PAGE_MB = 4096 / 2**20
# What the process may take beyond the engine's own limit, for answers on their way: a share of it, and MB.
_MARGIN, _MARGIN_MB = 0.25, 250


@dataclass(frozen=True)
class Limits:
    """What one question may cost.

    Attributes:
        memory_mb: memory of the engine, MB; nothing is spilled to disk. The process may grow by a quarter of it and 250 MB more.
        seconds: wall seconds until it is stopped.
    """

    memory_mb: int = 2_000
    seconds: float = 60.0


DEFAULT_LIMITS = Limits()


class Watch:
    """Stops what ``connection`` does when it goes beyond its limits; use it as a context.

    Args:
        connection: of the question.
        limits: of the question.
        give_up: called with a line, from a thread of its own, where the engine does not stop when it is asked to; it must end the
            process. None = wait for the engine.

    Raises:
        QueryError: at the end of the block, which limit was hit and how to allow more.
    """

    def __init__(
        self, connection: duckdb.DuckDBPyConnection, limits: Limits, give_up: Callable[[str], None] | None = None
    ) -> None:
        self.limits = limits
        self._connection = connection
        self._give_up = give_up
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._began = time.monotonic()
        self._began_mb = resident_mb()
        self.broken: str | None = None

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._ended.set()
        self._thread.join()
        if self.broken and (error is None or isinstance(error, Exception)):
            raise QueryError(self.broken) from error

    def check(self) -> None:
        """Stop here if a limit was hit: for work outside the engine.

        Raises:
            QueryError: it was.
        """
        if self.broken:
            raise QueryError(self.broken)

    def _run(self) -> None:
        broken_at = 0.0
        while not self._ended.wait(_POLL_SECONDS):
            now, grown = time.monotonic(), resident_mb() - self._began_mb
            allowed = self.limits.memory_mb * (1 + _MARGIN) + _MARGIN_MB
            if self.broken is None:
                broken_at = now
                if now - self._began > self.limits.seconds:
                    self.broken = too_long(self.limits)
                elif grown > allowed:
                    self.broken = too_large(self.limits)
            if self.broken is not None:
                self._connection.interrupt()
                if self._give_up and (now - broken_at > _GRACE_SECONDS or grown > 2 * allowed):
                    self._give_up(self.broken)


def too_long(limits: Limits) -> str:
    """What is said of a question that took too long."""
    return (
        f"sql: stopped after {limits.seconds:g} seconds, the limit; "
        f"ask for less, or allow more with: --seconds {limits.seconds * 10:g}"
    )


def too_large(limits: Limits) -> str:
    """What is said of a question that needs too much memory."""
    return (
        f"sql: stopped, as it needs more than {limits.memory_mb:,} MB of memory, the limit; "
        f"ask for less, or allow more with: --memory-mb {limits.memory_mb * 4}"
    )


def resident_mb() -> float:
    """Memory of this process now, MB; 0 where the system does not say."""
    try:
        return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * _PAGE_MB
    except OSError:
        return 0.0
