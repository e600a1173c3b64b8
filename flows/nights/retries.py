"""When a night is tried again: after an error of a disk, a lock or a network that may pass; never after bad input or a bug."""

import errno
import sqlite3
from collections.abc import Iterator
from typing import Any

from pipeline.errors import HsrlError

# Seconds before the second and the third attempt: a lock or a switch is back after the first, a file server after the second.
DELAYS = (30.0, 300.0)
_MAY_PASS = frozenset(
    {
        errno.EIO, errno.ESTALE, errno.EAGAIN, errno.EBUSY, errno.EINTR, errno.ENOLCK, errno.EDEADLK, errno.ETXTBSY,
        errno.ECONNREFUSED, errno.ECONNRESET, errno.ECONNABORTED, errno.EPIPE, errno.ETIMEDOUT, errno.EHOSTUNREACH, errno.ENETUNREACH,
        errno.ENETDOWN, errno.ENETRESET, errno.EHOSTDOWN, errno.EREMOTEIO,
    }
)  # fmt: skip
# In lower case, of libraries that pass on a text and no number (DuckDB, SQLite, Polars, Arrow, the client of PostgreSQL).
_WORDS = (
    "input/output error", "disk i/o error", "stale file handle", "stale nfs file handle", "database is locked", "database table is locked",
    "resource temporarily unavailable", "device or resource busy", "connection refused", "connection reset", "connection timed out",
    "could not connect to server", "server closed the connection", "temporary failure in name resolution", "no route to host",
    "network is unreachable", "http 429", "http 500", "http 502", "http 503", "http 504",
)  # fmt: skip
_LIBRARIES = frozenset({"duckdb", "_duckdb", "polars", "pyarrow", "safetensors_rust", "safetensors"})
# Of ours: another run held the writer's lock all the time.
_LOCK = " is writing; waited "


def may_pass(error: BaseException) -> bool:
    """Whether the same night may go well a little later: the error, or what led to it, is one of a disk, a lock or a network.

    A refusal of ours, with its cause, is looked at for the lock alone: what it was raised from was judged where it was raised. A full
    disk does not pass by itself, and a night that is out of time has had its time.
    """
    if isinstance(error, HsrlError):
        return _LOCK in str(error)
    return any(_passes(cause) for cause in _chain(error))


def _passes(error: BaseException) -> bool:
    if isinstance(error, HsrlError):
        return _LOCK in str(error)
    if isinstance(error, OSError) and error.errno is not None:
        return error.errno in _MAY_PASS
    if isinstance(error, ConnectionError):
        return True
    is_of_a_library = isinstance(error, OSError | sqlite3.Error) or type(error).__module__.partition(".")[0] in _LIBRARIES
    return is_of_a_library and any(words in str(error).lower() for words in _WORDS)


def _chain(error: BaseException) -> Iterator[BaseException]:
    """The error and those that it was raised from."""
    seen: set[int] = set()
    cause: BaseException | None = error
    while cause is not None and id(cause) not in seen:
        seen.add(id(cause))
        yield cause
        cause = cause.__cause__ or cause.__context__


def retry_condition(task: Any, task_run: Any, state: Any) -> bool:
    """``may_pass`` of a failed attempt, as Prefect asks it of a task."""
    error = state.data
    return isinstance(error, BaseException) and may_pass(error)
