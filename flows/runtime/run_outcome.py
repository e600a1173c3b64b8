"""The entry of a run in the ledger: made when it begins, closed however it ends."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from flows.runtime.run import Run, code_version, cpu_seconds, peak_memory_mb
from pipeline.warehouse.ledger import close_dead_runs, finish_run, start_run
from pipeline.warehouse.lock import alive
from pipeline.warehouse.warehouse import Warehouse


@dataclass
class RunOutcome:
    """How a run ended; the flow sets ``release_id`` when it has published, ``is_done`` when it had something else to do."""

    release_id: int | None = None
    is_done: bool = False


@contextmanager
def record_run(warehouse: Warehouse, run: Run, config: Mapping[str, Any]) -> Iterator[RunOutcome]:
    """Enter the run, and how it ended, in ``runs``; an error is entered and goes on.

    A run that is killed stays ``running``, as nobody was there to close it, until the next one enters it as killed.

    Args:
        warehouse: the warehouse.
        run: who runs.
        config: the settings used, as plain values; no secrets.
    """
    with alive(warehouse.root, run.run_id):
        close_dead_runs(warehouse)
        yield from _recorded(warehouse, run, config)


def _recorded(warehouse: Warehouse, run: Run, config: Mapping[str, Any]) -> Iterator[RunOutcome]:
    start_run(warehouse, run.run_id, run.flow, code_version(), config)
    ending = RunOutcome()
    status, message = "failed", None
    try:
        yield ending
        status = "completed" if ending.release_id is not None or ending.is_done else "nothing new"
    except BaseException as error:
        message = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise
    finally:
        finish_run(
            warehouse,
            run.run_id,
            status,
            release_id=ending.release_id,
            stage_seconds=run.seconds,
            cpu_seconds=round(cpu_seconds(), 3),
            peak_memory_mb=peak_memory_mb(),
            message=message,
        )
