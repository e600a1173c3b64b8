"""Which errors a night is tried again after."""

import errno
from types import SimpleNamespace

import duckdb
import pytest

from flows.nights.retries import may_pass, retry_condition
from pipeline.errors import AuditError, ConfigError, SourceError, WarehouseError


def raised_from(error: Exception, cause: Exception) -> Exception:
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.EIO, "Input/output error"),
        OSError(errno.ESTALE, "Stale file handle"),
        ConnectionResetError("reset by peer"),
        WarehouseError("/w/writer.lock: run a is writing; waited 3600 s for it; try again when it has ended"),
        duckdb.IOException("IO Error: Input/output error"),
        duckdb.Error("database is locked"),
        raised_from(RuntimeError("task failed"), OSError(errno.ETIMEDOUT, "Connection timed out")),
    ],
    ids=str,
)
def test_a_disk_a_lock_or_a_network_may_pass(error: Exception) -> None:
    assert may_pass(error)


@pytest.mark.parametrize(
    "error",
    [
        SourceError("events.csv: truncated or damaged"),
        AuditError("audit churn_budget refused it"),
        ConfigError("unknown key"),
        WarehouseError("catalog.sqlite is missing but its copy is there"),
        raised_from(SourceError("events.csv: not a file"), OSError(errno.EIO, "Input/output error")),
        OSError(errno.ENOSPC, "No space left on device"),
        FileNotFoundError(errno.ENOENT, "No such file or directory"),
        PermissionError(errno.EACCES, "Permission denied"),
        TimeoutError("Scope timed out after 21600.0 second(s)."),
        ValueError("connection reset is a text of the log"),
        duckdb.ConversionException("Could not convert string 'x' to INT32"),
        MemoryError(),
        KeyError("a bug"),
    ],
    ids=repr,
)
def test_bad_input_a_bug_and_what_a_person_must_mend_do_not(error: Exception) -> None:
    assert not may_pass(error)


def test_prefect_asks_of_the_failed_state() -> None:
    def asked(data: object) -> bool:
        return retry_condition(None, None, SimpleNamespace(data=data))

    assert asked(OSError(errno.EIO, "x")) and not asked(ValueError("x")) and not asked(None)
