"""Work side by side: processes of one torch thread each, told by plain values what to do; what they leave lies in files."""

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

from flows.runtime.run import Tick
from pipeline.errors import TrainingError

Job = TypeVar("Job")
T = TypeVar("T")
_LOOK_EVERY = 0.2  # seconds between two looks at what the processes have done

_progress: Any = None  # of a worker process: where jobs tell how far they are


def usable_cores() -> int:
    """Cores that this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def run_parallel(function: Callable[[Job, Tick], T], jobs: Sequence[Job], n_processes: int | None, tick: Tick) -> list[T]:
    """The results of ``function(job, tick)`` in the order of the jobs, which share nothing but files.

    One job, or one process, is done here. Workers are spawned, so that no thread or connection of this process is copied; each has
    one torch thread, so that what is computed does not depend on how many they are. They end with this process, however it ends.

    Args:
        function: of a module, so that a worker finds it by its name.
        jobs: plain values, paths and settings.
        n_processes: at most so many at a time; None = a process for each usable core.
        tick: told (done, total) of all jobs together, in units of the largest job's own.

    Raises:
        HsrlError: the first that a job raised; the others are stopped where they stand.
        TrainingError: a worker process died.
    """
    n_workers = min(n_processes or usable_cores(), len(jobs))
    if n_workers <= 1:
        board = [0.0] * (2 * len(jobs))
        return [function(job, _here(board, number, tick)) for number, job in enumerate(jobs)]
    context = multiprocessing.get_context("spawn")
    shared = context.Array("d", 2 * len(jobs), lock=False)
    leash_end, parent_pipe = context.Pipe(duplex=False)
    with leash_end, parent_pipe, ProcessPoolExecutor(n_workers, context, _begin, (shared, leash_end)) as pool:
        futures = [pool.submit(_do, function, number, job) for number, job in enumerate(jobs)]
        try:
            _watch(futures, shared, tick)
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


def _watch(futures: Sequence[Future[Any]], board: Sequence[float], tick: Tick) -> None:
    """Until all have ended well, or the first badly."""
    waiting = set(futures)
    while waiting:
        ended, waiting = wait(waiting, _LOOK_EVERY, FIRST_EXCEPTION)
        _tell(board, tick)
        for future in ended:
            future.result()


def _tell(board: Sequence[float], tick: Tick) -> None:
    """Done and total of each job as one bar: a job counts as much as the largest that has begun."""
    done, total = board[0::2], board[1::2]
    if largest := max(total):
        share = sum(one / of for one, of in zip(done, total, strict=True) if of)
        tick(round(share * largest), round(len(total) * largest))


def _here(board: list[float], number: int, tick: Tick) -> Tick:
    def told(done: int, total: int) -> None:
        board[2 * number : 2 * number + 2] = (done, total)
        _tell(board, tick)

    return told


def _begin(board: Any, leash_end: Connection) -> None:
    """Of a worker, before its first job."""
    global _progress
    _progress = board
    torch.set_num_threads(1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent is told too, and stops its workers
    threading.Thread(target=_end_with, args=(leash_end,), daemon=True).start()


def _end_with(leash_end: Connection) -> None:
    """End when the parent lets go of its end, or is killed, whatever is under way: what counts is written whole and renamed."""
    wait_for([leash_end])
    os._exit(1)


def _do(function: Callable[[Job, Tick], T], number: int, job: Job) -> T:
    def told(done: int, total: int) -> None:
        _progress[2 * number], _progress[2 * number + 1] = done, total

    return function(job, told)
