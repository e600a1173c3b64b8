"""What the system refuses is one line, whichever library says it and whether or not it gives a number with it."""

import errno

import pytest

from flows.cli.refusals import refusal_of
from pipeline.errors import WarehouseError


class ComputeError(Exception):
    """Stands for that of Polars, and DuckDB's, and sqlite3's: classes of their own."""


REFUSED = [
    ImportError("libtorch_cpu.so: failed to map segment from shared object"),
    OSError(errno.ENOSPC, "No space left on device", "/w/x"),
    OSError("No space left on device (os error 28)"),  # Polars
    ComputeError("parquet: File out of specification: No space left on device (os error 28)"),
    ComputeError('IO Error: Could not write file "/w/x": No space left on device'),  # DuckDB
    ComputeError("database or disk is full"),  # sqlite3
    RuntimeError("[enforce fail at inline_container.cc:664] . PytorchStreamWriter failed writing file: file write failed"),
    ComputeError("Error while serializing: IoError(Os { code: 28, kind: StorageFull, message: \"No space left on device\" })"),  # safetensors
    RuntimeError("Error in void faiss::write_index(...): write error: 12 != 24 (No space left on device)"),
    OSError("1048576 requested and 4096 written"),  # NumPy
    OSError(errno.EROFS, "Read-only file system", "/w/x"),
    OSError("Read-only file system (os error 30)"),
    OSError(errno.EMFILE, "Too many open files", "/w/x"),
    ComputeError("Too many open files (os error 24)"),
    PermissionError(errno.EACCES, "Permission denied", "/w/x"),
    ComputeError("IO Error: Cannot open file \"/w/x\": Permission denied"),
    OSError(errno.EIO, "Input/output error", "/w/x"),
    OSError(errno.EFBIG, "File too large"),
    OSError("Disk quota exceeded (os error 122)"),
    MemoryError("Unable to allocate 8.00 GiB for an array"),
    ComputeError('Failed to execute query "ROLLBACK": server closed the connection unexpectedly'),
    ComputeError("IO Error: FATAL:  terminating connection due to administrator command"),
    ComputeError("HTTP Error: HTTP GET error on 'http://127.0.0.1:9/lake/x.parquet' (HTTP 403)"),
    OSError("When listing objects under key 'x' in bucket 'lake': AWS Error ACCESS_DENIED during ListObjectsV2 operation"),
    ComputeError("Out of Memory Error: could not allocate block of size 256.0 KiB (1.0 GiB/1.0 GiB used)"),
]  # fmt: skip


@pytest.mark.parametrize("error", REFUSED, ids=range(len(REFUSED)))
def test_what_the_system_refuses_is_a_line_that_says_what_to_do(error: Exception) -> None:
    line = refusal_of(error)
    assert line is not None and "\n" not in line and line.count("; ") >= 1


def test_it_is_found_behind_another_error_too() -> None:
    try:
        try:
            raise OSError("No space left on device (os error 28)")
        except OSError as inner:
            raise ValueError("the writer is closed") from inner
    except ValueError as outer:
        assert "No space left on device" in (refusal_of(outer) or "")


def test_a_group_of_refusals_is_one(  # as task runners raise
) -> None:
    assert "No space left" in (
        refusal_of(ExceptionGroup("two", [ValueError("x"), OSError(errno.ENOSPC, "No space left on device")])) or ""
    )


@pytest.mark.parametrize(
    "error", [ValueError("a bug"), KeyError("disk"), OSError(errno.EBADF, "Bad file descriptor"), AssertionError()]
)
def test_anything_else_is_a_bug_and_keeps_its_traceback(error: Exception) -> None:
    assert refusal_of(error) is None


def test_an_error_of_ours_is_its_own_line() -> None:
    assert refusal_of(WarehouseError("no warehouse at ./w; make one with: hsrl demo")) is None
