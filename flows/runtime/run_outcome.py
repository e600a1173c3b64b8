"""The row of a run in the table ``runs``: written when it begins, completed however it ends."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import duckdb

from flows.runtime.resources import code_version, peak_memory_mb, total_cpu_seconds
from flows.runtime.run import Run
from pipeline.errors import HsrlError, first_line_of
from pipeline.warehouse.ledger import RunEnd, close_dead_runs, finish_run, start_run
from pipeline.warehouse.lock import alive
from pipeline.warehouse.warehouse import Warehouse

# How the message of a retrain begins whose policy the gate refused; its figures are published all the same.
REFUSED = "policy refused"


@dataclass
class RunOutcome:
    """How a run ended; the flow sets ``release_id`` when it has published, ``is_done`` when its work was no release.

    ``message`` is what else is to be known of a run that ended well, such as what the gate said; one line.
    """

    release_id: int | None = None
    is_done: bool = False
    message: str | None = None


@contextmanager
def record_run(warehouse: Warehouse, run: Run, config: Mapping[str, Any]) -> Iterator[RunOutcome]:
    """Enter the run and its outcome in ``runs``; an error is entered and raised again.

    A release that was published before the error stands, and its run is completed, with the error as its message.

    A run that is killed cannot close its row: it stays ``running`` until the next run enters it as killed.

    Args:
        warehouse: the warehouse.
        run: the run to enter.
        config: the settings used, as plain values; no secrets.
    """
    with alive(warehouse.root, run.run_id):
        close_dead_runs(warehouse)
        start_run(warehouse, run.run_id, run.flow, code_version(), config)
        outcome = RunOutcome()
        status, message = "failed", None
        try:
            yield outcome
            status = "completed" if outcome.release_id is not None or outcome.is_done else "nothing new"
            message = outcome.message
        except BaseException as error:
            message = first_line_of(error)
            outcome.release_id = _published_by(warehouse, run.run_id)
            if (
                outcome.release_id is not None
            ):  # it stands, whatever failed afterwards, such as a copy for which the disk had no room
                status = "completed"
            raise
        finally:
            cpu_seconds = round(total_cpu_seconds(), 3)
            end = RunEnd(status, outcome.release_id, run.seconds, cpu_seconds, peak_memory_mb(), message)
            finish_run(warehouse, run.run_id, end)


def _published_by(warehouse: Warehouse, run_id: str) -> int | None:
    try:
        release_id: int | None = warehouse.query(
            "SELECT max(release_id) FROM releases WHERE run_id = $run", {"run": run_id}
        ).item()
    except (HsrlError, duckdb.Error):  # the error at hand says more
        return None
    return release_id
