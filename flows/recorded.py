"""The entry of a run in the ledger: made when it begins, closed however it ends."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from flows.run import Run, code_version, cpu_seconds, peak_memory_mb
from flows.settings import Settings
from pipeline.warehouse.ledger import finish_run, start_run
from pipeline.warehouse.warehouse import Warehouse


@dataclass
class Ending:
    """How a run ended; the flow sets ``release_id`` when it has published."""

    release_id: int | None = None


@contextmanager
def recorded(warehouse: Warehouse, run: Run, settings: Settings) -> Iterator[Ending]:
    """Enter the run, and how it ended, in ``runs``; an error is entered and goes on.

    A run that is killed stays ``running``: nobody was there to close it.
    """
    start_run(warehouse, run.run_id, run.flow, code_version(), settings.model_dump(mode="json"))
    ending = Ending()
    status, message = "failed", None
    try:
        yield ending
        status = "completed" if ending.release_id is not None else "nothing new"
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
