"""How the steps of a flow are run: here and now, or as Prefect tasks; the flow itself cannot tell.

``run`` does one step; ``map`` does one step for many partitions at once, which exchange file paths, not frames.
"""

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Protocol, TypeVar

T = TypeVar("T")
Item = TypeVar("Item")


class Steps(Protocol):
    """The seam between a flow and whatever runs it."""

    def run(self, name: str, function: Callable[..., T], *arguments: Any) -> T:
        """The result of ``function(*arguments)``."""
        ...

    def map(self, name: str, function: Callable[[Item], T], partitions: Iterable[Item]) -> list[T]:
        """The results in the order of the partitions; the first error is raised."""
        ...


class DirectSteps:
    """Without a server: in this process, partitions on a few threads (Polars and Arrow leave the interpreter lock)."""

    def __init__(self, threads: int = 2) -> None:
        self.threads = threads

    def run(self, name: str, function: Callable[..., T], *arguments: Any) -> T:
        """See ``Steps``."""
        return function(*arguments)

    def map(self, name: str, function: Callable[[Item], T], partitions: Iterable[Item]) -> list[T]:
        """See ``Steps``."""
        with ThreadPoolExecutor(self.threads) as pool:
            return list(pool.map(function, partitions))


class PrefectSteps:
    """Inside a Prefect flow: each step a task run, seen in the UI; partitions go to the flow's task runner."""

    def run(self, name: str, function: Callable[..., T], *arguments: Any) -> T:
        """See ``Steps``."""
        return self._task(name, function)(*arguments)

    def map(self, name: str, function: Callable[[Item], T], partitions: Iterable[Item]) -> list[T]:
        """See ``Steps``."""
        return [future.result() for future in self._task(name, function).map(list(partitions))]

    @staticmethod
    def _task(name: str, function: Callable[..., Any]) -> Any:
        from prefect import task
        from prefect.cache_policies import NO_CACHE

        # The warehouse knows by fingerprint what need not be done again; Prefect's cache would be a second, blinder one.
        return task(name=name, task_run_name=name, cache_policy=NO_CACHE, persist_result=False)(function)
