"""A run's lines for a machine: one JSON object a line on standard error."""

import json
import sys
import threading
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TextIO


@dataclass
class JsonLines:
    """Writes ``{"time", "run", "stage", "message"}`` for each line; also that a stage is done, which a terminal does not show.

    Attributes:
        stream: where to; None = standard error as it is when a line is written.
    """

    stream: TextIO | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def line(self, run_id: str | None, stage: str | None, text: str) -> None:
        """Write a line; ``time`` is UTC, ISO 8601, in milliseconds. Lines of several threads do not mix."""
        now = datetime.now(UTC).isoformat(timespec="milliseconds")
        with self._lock:
            print(
                json.dumps({"time": now, "run": run_id, "stage": stage, "message": text}, ensure_ascii=False),
                file=self.stream or sys.stderr,
                flush=True,
            )

    def progress(self, stage: str, done: int, total: int) -> None:
        """Nothing: a slow stage writes lines of how far it is."""
