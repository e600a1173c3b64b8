"""How the steps of a flow are run: directly in this process, or as Prefect tasks; the flow itself cannot tell.

``run`` does one step; ``map`` does the same step for many partitions at once, which exchange file paths, not frames.
"""

import inspect
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, ParamSpec, Protocol, TypeVar

from flows.runtime.cluster import Cluster

if TYPE_CHECKING:
    from prefect.tasks import Task

P = ParamSpec("P")
T = TypeVar("T")
Item = TypeVar("Item")


class Steps(Protocol):
    """The seam between a flow and whatever runs its steps.

    Attributes:
        cluster: that does partitions and jobs; None = threads and processes of this machine.
    """

    cluster: Cluster | None

    def run(self, name: str, function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """The result of ``function(*args, **kwargs)``; an error of it is raised, and nothing is tried again."""
        ...

    def map(self, name: str, function: Callable[[Item], T], partitions: Iterable[Item]) -> list[T]:
        """The results in the order of the partitions; the first error is raised."""
        ...


class DirectSteps:
    """Without a server: in this process, partitions on a few threads (Polars and Arrow release the interpreter lock) or a cluster."""

    def __init__(self, threads: int = 2, cluster: Cluster | None = None) -> None:
        self.threads = threads
        self.cluster = cluster

    def run(self, name: str, function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """See ``Steps``."""
        return function(*args, **kwargs)

    def map(self, name: str, function: Callable[[Item], T], partitions: Iterable[Item]) -> list[T]:
        """See ``Steps``."""
        if self.cluster is not None:
            return self.cluster.map(function, list(partitions))
        with ThreadPoolExecutor(self.threads) as pool:
            return list(pool.map(function, partitions))


class PrefectSteps:
    """Inside a Prefect flow: each step is a task run, seen in the UI; partitions are task runs of the flow's task runner.

    With a cluster all partitions of a step are a single task run, whose workers need not reach Prefect's server.
    """

    def __init__(self, cluster: Cluster | None = None) -> None:
        self.cluster = cluster

    def run(self, name: str, function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """See ``Steps``."""
        return _task(name, function)(*args, **kwargs)

    def map(self, name: str, function: Callable[[Item], T], partitions: Iterable[Item]) -> list[T]:
        """See ``Steps``."""
        partitions = list(partitions)
        if self.cluster is not None:
            return _task(name, self.cluster.map)(function, partitions)
        futures: Any = _task(name, function, _numbering(function, partitions)).map(partitions)
        return [future.result() for future in futures]


def _numbering(function: Callable[..., Any], partitions: list[Any]) -> str:
    """What follows a step's name in that of a partition's task run, such as ``, bucket {bucket}``; empty where a partition is no name."""
    if not all(isinstance(partition, int | str) for partition in partitions):
        return ""
    parameter = next(iter(inspect.signature(function).parameters))
    return f", {parameter} {{{parameter}}}"


def _task(name: str, function: Callable[P, T], numbering: str = "") -> "Task[P, T]":
    from prefect.cache_policies import NO_CACHE
    from prefect.tasks import Task

    # The warehouse knows by fingerprint what need not be done again; Prefect's cache would be a second one that knows less.
    run_name = name.replace("{", "{{").replace("}", "}}") + numbering  # a template of Prefect
    return Task(function, name=name, task_run_name=run_name, cache_policy=NO_CACHE, persist_result=False)
