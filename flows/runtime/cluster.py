"""Partitions and jobs on the workers of a cluster, which share the warehouse's folder: what is to be done arrives as a file.

Functions and jobs are pickled once, into a folder of the warehouse's staging area that every worker sees; a task of the cluster is
its path and a number. An engine only has to start tasks and to start those of a lost worker again; see ``dask_cluster`` and
``ray_cluster``.
"""

import pickle
import secrets
import shutil
import socket
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_EXCEPTION, CancelledError, Future, wait
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Protocol, TypeVar

from flows.runtime.resources import code_version
from flows.runtime.run import Tick
from pipeline.errors import RunnerError, reason_of

Item = TypeVar("Item")
T = TypeVar("T")
# Seconds: between two looks at what the workers have done, between two notes of a worker, and without any worker until one gives up.
_POLL_SECONDS, _NOTE_SECONDS, NO_WORKER_SECONDS = 0.2, 1.0, 60.0
# Libraries whose versions decide bytes.
_DECIDING = ("polars", "pyarrow", "numpy", "scipy", "torch", "faiss-cpu")


class Engine(Protocol):
    """A cluster that is connected."""

    def submit(self, function: Callable[..., Any], *arguments: object) -> "Future[Any]":
        """Start ``function(*arguments)`` on a worker; on another where that worker is lost."""
        ...

    def n_workers(self) -> int:
        """How many tasks can be under way at once, as far as is known now."""
        ...

    def cause_of(self, error: BaseException) -> BaseException | None:
        """What a task raised, out of what the engine made of it; None where the engine itself failed: workers or the scheduler are lost."""
        ...

    def close(self) -> None:
        """Disconnect; end a cluster that was started for this run."""
        ...


@dataclass(frozen=True)
class Identity:
    """What has to be equal here and on a worker, so that both write the same bytes."""

    code: str
    python: str
    libraries: tuple[tuple[str, str | None], ...]

    @classmethod
    def of_this_process(cls) -> "Identity":
        """Of this process, read once."""
        return _identity()

    def differences(self, other: "Identity") -> list[str]:
        """Where ``other`` is not the same: name, its version and that of this one."""
        pairs = [
            ("hsrl", self.code, other.code),
            ("Python", self.python, other.python),
            *((name, mine, dict(other.libraries).get(name)) for name, mine in self.libraries),
        ]
        return [f"{name} {theirs or 'missing'}, expected {mine}" for name, mine, theirs in pairs if mine != theirs]


@cache
def _identity() -> Identity:
    def installed(name: str) -> str | None:
        try:
            return version(name)
        except PackageNotFoundError:
            return None

    python = ".".join(map(str, sys.version_info[:2]))
    return Identity(code_version(), python, tuple((name, installed(name)) for name in _DECIDING))


@dataclass(frozen=True)
class _Handed:
    """A pickled function and its jobs, and the folder in which workers note how far they are."""

    folder: Path
    identity: Identity

    @property
    def work(self) -> Path:
        return self.folder / "work.pickle"

    def note(self, number: int) -> Path:
        return self.folder / f"progress-{number}"


class Cluster:
    """The workers that a runner of ``[engine]`` names; connected when they are first needed. For one thread.

    Attributes:
        runner: as it was given, such as ``dask@tcp://host:8786``.
        root: folder of the warehouse, the same path on every worker.
    """

    def __init__(self, runner: str, root: Path, connect: Callable[[], Engine]) -> None:
        self.runner = runner
        self.root = root
        self._connect = connect
        self._engine: Engine | None = None

    @property
    def engine(self) -> Engine:
        """The engine, connected now if it was not.

        Raises:
            RunnerError: it cannot be reached.
        """
        if self._engine is None:
            self._engine = self._connect()
        return self._engine

    def close(self) -> None:
        """Disconnect, if it was connected."""
        if self._engine is not None:
            self._engine.close()
            self._engine = None

    def map(self, function: Callable[[Item], T], partitions: Sequence[Item]) -> list[T]:
        """``function`` of each partition, in their order.

        Args:
            function: can be pickled, with what it holds.
            partitions: plain values.

        Raises:
            HsrlError: the first, in the order of the partitions, that a worker raised; the other partitions are finished first,
                so that nobody writes any more.
            RunnerError: the cluster lost a partition too often, or cannot do what is asked.
        """
        return self._done((function, list(partitions), False), len(partitions), None)

    def jobs(self, function: Callable[[Item, Tick], T], jobs: Sequence[Item], tick: Tick, report: Callable[..., None]) -> list[T]:
        """``function(job, tick)`` of each job, in their order; see ``run_parallel``.

        Args:
            function: of a module's top level.
            jobs: plain values, paths and settings.
            tick: called with (done, total) of all jobs together.
            report: given done and total of every job in turn, and ``tick``.

        Raises:
            HsrlError: the first that a job raised; jobs that had not begun are not done.
            RunnerError: the cluster lost a job too often, or cannot do what is asked.
        """
        return self._done((function, list(jobs), True), len(jobs), lambda progress: report(progress, tick))

    def _done(self, work: tuple[Any, ...], n: int, report: Callable[[list[float]], None] | None) -> list[Any]:
        engine = self.engine
        with self._handed(work) as handed:
            futures = [engine.submit(do, str(handed.folder), number, handed.identity) for number in range(n)]
            try:
                self._watch(futures, handed, report)
                return [future.result() for future in futures]
            except BaseException as error:
                for future in futures:
                    future.cancel()
                raise self._in_words(error) from error

    def _in_words(self, error: BaseException) -> BaseException:
        """What a person is shown of an error of a task."""
        if not isinstance(error, Exception | CancelledError):
            return error
        cause = self.engine.cause_of(error)
        if cause is not None:
            return cause
        return RunnerError(
            f"runner {self.runner}: workers or the scheduler were lost ({type(error).__name__}: {reason_of(error):.200}); what was done is "
            "kept: run it again, or on this machine with HSRL_ENGINE__RUNNER=threads"
        )

    @contextmanager
    def _handed(self, work: tuple[Any, ...]) -> Iterator[_Handed]:
        """The work as a file; gc removes what a killed run left."""
        folder = self.root / "staging" / ".spill" / f"handed-{secrets.token_hex(8)}"
        handed = _Handed(folder, Identity.of_this_process())
        folder.mkdir(parents=True)
        try:
            handed.work.write_bytes(pickle.dumps(work, protocol=pickle.HIGHEST_PROTOCOL))
            yield handed
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def _watch(self, futures: list["Future[Any]"], handed: _Handed, report: Callable[[list[float]], None] | None) -> None:
        """Wait for all; jobs report their progress and end at the first error, partitions are all finished."""
        waiting, seen = set(futures), time.monotonic()
        while waiting:
            ended, waiting = wait(waiting, _POLL_SECONDS, FIRST_EXCEPTION)
            if report is not None:
                report(_noted(handed, len(futures)))
                for future in ended:
                    future.result()
            seen = time.monotonic() if ended or self.engine.n_workers() else seen
            if time.monotonic() - seen > NO_WORKER_SECONDS:
                raise RunnerError(
                    f"runner {self.runner}: no worker for {NO_WORKER_SECONDS:.0f} seconds and {len(waiting)} of {len(futures)} tasks to go; "
                    "start workers and run it again: what was done is kept"
                )


def _noted(handed: _Handed, n: int) -> list[float]:
    """Done and total of each job in turn, as far as it has noted them; 0 of 0 before."""
    progress = [0.0] * (2 * n)
    for number in range(n):
        with suppress(OSError, ValueError):
            done, total = handed.note(number).read_text().split()
            progress[2 * number : 2 * number + 2] = float(done), float(total)
    return progress


def do(folder: str, number: int, expected: Identity) -> Any:
    """On a worker: do the ``number``-th job of the work that lies in ``folder``.

    Raises:
        RunnerError: this worker does not see the folder, or is not of the same versions.
        HsrlError: what the job raised.
    """
    handed, here = _Handed(Path(folder), expected), f"the worker {socket.gethostname()}"
    if different := expected.differences(Identity.of_this_process()):
        raise RunnerError(f"{here} has {', '.join(different)}; install the same there as here")
    if not handed.work.is_file():
        raise RunnerError(f"{here} sees no {handed.work}; share the warehouse's folder with it under the same path")
    function, jobs, is_job = _work(handed.work)
    return function(jobs[number], _noting(handed.note(number))) if is_job else function(jobs[number])


@lru_cache(maxsize=2)
def _work(path: Path) -> tuple[Any, list[Any], bool]:
    """The work, read once for all its jobs on this worker; only hsrl writes the folder, as all that it unpickles."""
    function, jobs, is_job = pickle.loads(path.read_bytes())  # noqa: S301
    if is_job:
        import torch  # only jobs compute with it

        torch.set_num_threads(1)  # so that results do not depend on the worker's cores
    return function, jobs, is_job


def _noting(note: Path) -> Tick:
    """A tick that leaves its figures in a file, now and then and at the end."""
    last = float("-inf")

    def tick(done: int, total: int) -> None:
        nonlocal last
        if done == total or time.monotonic() - last >= _NOTE_SECONDS:
            last = time.monotonic()
            draft = note.with_name(f".{note.name}.{secrets.token_hex(4)}")
            with suppress(OSError):  # the run that asked has ended: what is done is kept all the same
                draft.write_text(f"{done} {total}")
                draft.replace(note)

    return tick
