"""Which cluster the runner of ``[engine]`` means; its engine is imported only where it is used."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from flows.runtime.cluster import Cluster, Engine


@contextmanager
def cluster_of(runner: str, root: Path) -> Iterator[Cluster | None]:
    """The cluster of a runner for the length of a run, connected when it is first needed; None for threads of this process.

    Args:
        runner: ``threads``, ``dask``, ``dask@tcp://host:port``, ``ray`` or ``ray@host:port``; see ``WarehouseConfig``.
        root: folder of the warehouse, which all workers see under the same path.
    """
    engine, _, address = runner.partition("@")
    if engine == "threads":
        yield None
        return
    cluster = Cluster(runner, root.absolute(), lambda: _connected(engine, address or None))
    try:
        yield cluster
    finally:
        cluster.close()


def _connected(engine: str, address: str | None) -> Engine:
    if engine == "dask":
        from flows.runtime import dask_cluster

        return dask_cluster.connect(address)
    from flows.runtime import ray_cluster

    return ray_cluster.connect(address)
