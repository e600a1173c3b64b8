"""Jobs in parallel processes of one torch thread each: jobs arrive as plain values, results that are large are left in files."""

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from multiprocessing.connection import Connection
from multiprocessing.connection import wait as wait_for
from typing import Any, TypeVar

import torch

from flows.runtime.cluster import Cluster
from flows.runtime.run import Tick
from pipeline.errors import TrainingError

Job = TypeVar("Job")
T = TypeVar("T")
# Where jobs are done: in at most so many processes here (None = one for each usable core), or on a cluster.
Workers = int | Cluster | None
_POLL_SECONDS = 0.2  # between two looks at what the processes have done

# Of a worker process: memory shared with its parent, done and total of every job in turn.
_progress: Any = None


def usable_cores() -> int:
    """Cores that this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def n_at_once(workers: Workers) -> int:
    """How many jobs are done at the same time."""
    return workers.engine.n_workers() if isinstance(workers, Cluster) else workers or usable_cores()


def run_parallel(function: Callable[[Job, Tick], T], jobs: Sequence[Job], workers: Workers, tick: Tick) -> list[T]:
    """The results of ``function(job, tick)`` in the order of the jobs, which share nothing but files.

    A single job, or jobs for a single process, are done in this process. Workers are spawned, so that no thread or connection of
    this process is copied; each has one torch thread, so that results do not depend on the number of workers. They end with this
    process, however it ends.

    Args:
        function: of a module's top level, so that a worker can import it.
        jobs: plain values, paths and settings.
        workers: the most processes at a time; None = one for each usable core; or the cluster that does them.
        tick: called with (done, total) of all jobs together, in the units of the largest job.

    Raises:
        HsrlError: the first that a job raised; the other jobs are stopped.
        TrainingError: a worker process died.
        RunnerError: the cluster cannot do them.
    """
    if isinstance(workers, Cluster):
        return workers.jobs(function, jobs, tick, _report)
    n_workers = min(n_at_once(workers), len(jobs))
    if n_workers <= 1:
        progress = [0.0] * (2 * len(jobs))
        return [function(job, _tick_of_all(progress, number, tick)) for number, job in enumerate(jobs)]
    context = multiprocessing.get_context("spawn")
    progress_of_all = context.Array("d", 2 * len(jobs), lock=False)
    worker_pipe, parent_pipe = context.Pipe(duplex=False)
    with worker_pipe, parent_pipe, ProcessPoolExecutor(n_workers, context, _begin, (progress_of_all, worker_pipe)) as pool:
        futures = [pool.submit(_do, function, number, job) for number, job in enumerate(jobs)]
        try:
            _watch(futures, progress_of_all, tick)
        except BaseException as error:
            parent_pipe.close()
            pool.shutdown(cancel_futures=True)
            if isinstance(error, BrokenProcessPool):
                raise TrainingError(
                    f"one of {n_workers} worker processes died, killed or out of memory; what was done is kept: run it again, "
                    "or one after another with HSRL_TRAINING__N_PROCESSES=1"
                ) from error
            raise
    return [future.result() for future in futures]


def _watch(futures: Sequence[Future[Any]], progress: Sequence[float], tick: Tick) -> None:
    """Report progress until all jobs have ended well, or raise the first error."""
    waiting = set(futures)
    while waiting:
        ended, waiting = wait(waiting, _POLL_SECONDS, FIRST_EXCEPTION)
        _report(progress, tick)
        for future in ended:
            future.result()


def _report(progress: Sequence[float], tick: Tick) -> None:
    """Done and total of each job as one bar: every job counts as much as the largest that has begun."""
    done, total = progress[0::2], progress[1::2]
    if largest := max(total):
        share = sum(of_job / of for of_job, of in zip(done, total, strict=True) if of)
        tick(round(share * largest), round(len(total) * largest))


def _tick_of_all(progress: list[float], number: int, tick: Tick) -> Tick:
    """For job ``number`` in this process: enters its progress and reports that of all jobs."""

    def tick_of_job(done: int, total: int) -> None:
        progress[2 * number : 2 * number + 2] = (done, total)
        _report(progress, tick)

    return tick_of_job


def _begin(progress: Any, worker_pipe: Connection) -> None:
    """Prepare a worker before its first job."""
    global _progress
    _progress = progress
    torch.set_num_threads(1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent receives it too, and stops its workers
    threading.Thread(target=_end_with_parent, args=(worker_pipe,), daemon=True).start()


def _end_with_parent(worker_pipe: Connection) -> None:
    """End when the parent closes its end of the pipe, or is killed, whatever is under way: results are written whole and renamed."""
    wait_for([worker_pipe])
    os._exit(1)


def _do(function: Callable[[Job, Tick], T], number: int, job: Job) -> T:
    def tick_of_job(done: int, total: int) -> None:
        _progress[2 * number], _progress[2 * number + 1] = done, total

    return function(job, tick_of_job)
