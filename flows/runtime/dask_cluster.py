"""Dask: two workers on this machine for the length of a run, or a scheduler that is running somewhere."""

import logging
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import ExitStack
from typing import Any

from flows.runtime.extras import needs
from pipeline.errors import RunnerError, reason_of

try:
    import dask
    from distributed import Client, LocalCluster
    from distributed.scheduler import KilledWorker
except ModuleNotFoundError as error:
    if (error.name or "").partition(".")[0] not in ("dask", "distributed"):
        raise
    raise RunnerError(needs("the runner dask", "dask")) from error

LOCAL_WORKERS = 2
_ANSWER_SECONDS = 20.0
# A local cluster gives a lost worker up for good, and nobody starts another, when its process is not back after 15 seconds. On a busy
# machine it takes longer to start: the run would wait for a worker that cannot come. Here it lasts as long as a run may wait.
_LOST_WORKER = {"distributed.deploy.lost-worker-timeout": "1h"}


class DaskEngine:
    """A client of a scheduler, and the cluster that was started for it, if any."""

    def __init__(self, client: Client, cluster: LocalCluster | None, ends: ExitStack | None = None) -> None:
        self.client = client
        self.cluster = cluster
        self._ends = ends or ExitStack()
        self._executor = client.get_executor(pure=False)  # the same function twice is done twice

    def submit(self, function: Callable[..., Any], *arguments: object) -> "Future[Any]":
        """See ``Engine``."""
        return self._executor.submit(function, *arguments)

    def n_workers(self) -> int:
        """See ``Engine``."""
        return len(self.client.scheduler_info(n_workers=-1)["workers"])

    def cause_of(self, error: BaseException) -> BaseException | None:
        """See ``Engine``: Dask raises what the task raised, as it was, and only its own faults are its own."""
        is_own = type(error).__module__.startswith(("distributed", "concurrent.futures", "asyncio", "tornado"))
        return None if is_own or isinstance(error, KilledWorker) else error

    def close(self) -> None:
        """See ``Engine``."""
        self.client.close()
        if self.cluster is not None:
            self.cluster.close()
        self._ends.close()


def connect(address: str | None) -> DaskEngine:
    """Connect to a scheduler, such as ``tcp://host:8786``; None = start two workers here, of one thread each.

    Raises:
        RunnerError: the scheduler does not answer, or has no workers.
    """
    # A lost worker is no news to a person: the task is done again, or the run says so in a line.
    for name in ("distributed", "distributed.client", "distributed.nanny", "distributed.scheduler", "distributed.core"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    if address is None:
        ends = ExitStack()
        ends.enter_context(dask.config.set(_LOST_WORKER))
        cluster = LocalCluster(
            n_workers=LOCAL_WORKERS,
            threads_per_worker=1,
            host="127.0.0.1",
            dashboard_address=None,
            memory_limit=0,  # steps bound their own memory; at Dask's limit it would kill a worker that may go on
            silence_logs=logging.CRITICAL,
        )
        return DaskEngine(Client(cluster), cluster, ends)
    try:
        client = Client(address, timeout=_ANSWER_SECONDS)
    except (OSError, ValueError) as error:
        raise RunnerError(
            f"runner dask@{address}: no scheduler answers within {_ANSWER_SECONDS:.0f} seconds ({reason_of(error)}); start it with: "
            "dask scheduler"
        ) from error
    try:
        client.wait_for_workers(1, timeout=_ANSWER_SECONDS)
    except TimeoutError as error:
        client.close()
        raise RunnerError(
            f"runner dask@{address}: the scheduler has no workers; start them with: dask worker {address} --nthreads 1"
        ) from error
    return DaskEngine(client, None)
