"""Ray: two workers on this machine for the length of a run, or a cluster of which this machine is a node."""

import os
import secrets
import socket
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

from flows.runtime.extras import needs
from pipeline.errors import RunnerError, reason_of

# Read when Ray is imported: no statistics of use are sent, and whoever has a token shows it (a head asks for it, a driver does not offer).
os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
if "RAY_AUTH_TOKEN" in os.environ or "RAY_AUTH_TOKEN_PATH" in os.environ:
    os.environ.setdefault("RAY_AUTH_MODE", "token")

try:
    import ray
    from ray.exceptions import RayTaskError
except ModuleNotFoundError as error:
    if (error.name or "").partition(".")[0] != "ray":
        raise
    raise RunnerError(needs("the runner ray", "ray")) from error

LOCAL_WORKERS = 2
_ANSWER_SECONDS = 20.0
_STORE_BYTES = 100 << 20  # for results, which are small: the large ones are files
# Workers that a task may lose before it is blamed for it.
_RETRIES_OF_LOST = 3


class RayEngine:
    """The connection that this process has to Ray; there is one at a time."""

    def submit(self, function: Callable[..., Any], *arguments: object) -> "Future[Any]":
        """See ``Engine``; what a task raises is not tried again."""
        task = ray.remote(num_cpus=1, max_retries=_RETRIES_OF_LOST, retry_exceptions=False)(function)
        return task.remote(*arguments).future()

    def n_workers(self) -> int:
        """See ``Engine``."""
        return int(ray.cluster_resources().get("CPU", 0))

    def cause_of(self, error: BaseException) -> BaseException | None:
        """See ``Engine``: Ray wraps what a task raised, with the whole traceback as its text."""
        if isinstance(error, RayTaskError):
            return error.cause if isinstance(error.cause, BaseException) else error
        return None if type(error).__module__.startswith(("ray", "concurrent.futures")) else error

    def close(self) -> None:
        """See ``Engine``."""
        ray.shutdown()


def connect(address: str | None) -> RayEngine:
    """Connect to the cluster at ``host:port`` (or ``ray://host:port``, for a machine that is no node); None = start two workers here.

    Raises:
        RunnerError: no cluster answers there.
    """
    quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": "CRITICAL", "configure_logging": True}
    if address is None:
        # Ray 2.60 wants a token and would keep one in the home folder; this cluster lives as long as the run.
        os.environ.setdefault("RAY_AUTH_TOKEN", secrets.token_hex(32))
        ray.init(address="local", num_cpus=LOCAL_WORKERS, include_dashboard=False, object_store_memory=_STORE_BYTES, **quiet)
        return RayEngine()
    _require_answer(address)
    try:
        ray.init(address=address, **quiet)
    except (ConnectionError, RuntimeError, ValueError, OSError) as error:
        raise RunnerError(
            f"runner ray@{address}: cannot be joined ({reason_of(error):.200}); start Ray here too with: ray start --address {address}, and "
            "give all machines the same RAY_AUTH_TOKEN"
        ) from error
    return RayEngine()


def _require_answer(address: str) -> None:
    """Look whether anything listens, since Ray itself waits for minutes.

    Raises:
        RunnerError: nothing does, or the address is none.
    """
    host, _, port = address.removeprefix("ray://").rpartition(":")
    try:
        socket.create_connection((host, int(port)), timeout=_ANSWER_SECONDS).close()
    except (OSError, ValueError, OverflowError) as error:
        raise RunnerError(
            f"runner ray@{address}: nothing answers within {_ANSWER_SECONDS:.0f} seconds ({reason_of(error)}); expected ray@host:port of: "
            "ray start --head"
        ) from error
