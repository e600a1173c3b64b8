"""The lines and the progress of a run in Prefect: its run logger, and a progress artifact that is renewed while the run works."""

import logging
import time
from collections.abc import Sequence
from typing import Any, cast
from uuid import UUID

import httpx
from prefect import get_run_logger
from prefect.artifacts import create_progress_artifact, update_progress_artifact
from prefect.exceptions import MissingContextError

# Seconds between two renewals of the artifact within a stage: each is a request to the server.
RENEW_SECONDS = 2.0

Logger = logging.Logger | logging.LoggerAdapter[Any]


class PrefectOutlet:
    """For one flow run; made inside it, since lines from other threads go to the logger of the flow."""

    def __init__(self, flow: str, stages: Sequence[str]) -> None:
        """Name the stages in their order; progress is how many have ended, each counting the same."""
        self.flow, self.stages = flow, tuple(stages)
        self._logger: Logger = get_run_logger()
        self._artifact: UUID | None = None
        self._renewed_at = 0.0
        self._is_reachable = True

    def line(self, run_id: str, stage: str | None, text: str) -> None:
        """Log a line; in a task run as that task's."""
        self._logger_here().info("%s", text)

    def progress(self, stage: str, done: int, total: int) -> None:
        """Renew the progress artifact; a server that does not answer is named in one line and not asked again."""
        is_edge = done in (0, total)
        if not self._is_reachable or not (is_edge or time.monotonic() - self._renewed_at >= RENEW_SECONDS):
            return
        self._renewed_at = time.monotonic()
        share, description = percent(self.stages, stage, done, total), f"{self.flow}: {stage}"
        try:
            if self._artifact is None:
                made = create_progress_artifact(share, key=f"{self.flow}-progress", description=description)
                self._artifact = cast(UUID, made)  # outside an event loop there is nothing to await
            else:
                update_progress_artifact(self._artifact, share, description=description)
        except httpx.HTTPError as error:
            self._is_reachable = False
            self._logger.warning("progress is no longer shown: the server did not take it (%s)", type(error).__name__)

    def _logger_here(self) -> Logger:
        try:
            return get_run_logger()
        except MissingContextError:  # a thread of hsrl's own
            return self._logger


def percent(stages: Sequence[str], stage: str, done: int, total: int) -> float:
    """How far a run is, 0 to 100: the stages before this one, and its own share; a stage that is not listed counts as begun last.

    >>> percent(("read", "learn"), "learn", 1, 4)
    62.5
    """
    before = stages.index(stage) if stage in stages else len(stages) - 1
    return round(100 * (before + (done / total if total else 0.0)) / len(stages), 1)
