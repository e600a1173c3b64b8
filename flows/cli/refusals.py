"""One line for what the operating system refuses and a person can mend (no room, no right, no memory), however a library words it."""

import errno
from collections.abc import Iterator

from pipeline.errors import HsrlError, reason_of

_ROOM = "nothing half-done became visible: free some room and run it again"
_RIGHTS = "grant what it needs, or name another place, and run it again"
_MEMORY = "give it more, or less to do at once: [engine] memory_limit_mb, [ingest] chunk_rows, [training] n_processes"
_FILES = "raise the limit (ulimit -n) and run it again"
_DISK = "look after the disk and run it again; nothing half-done became visible"
_S3 = "see that S3 answers and that these keys may do so, and run it again; nothing half-done became visible"
_SERVER = "see that PostgreSQL is there and lets this user in, and run it again; nothing half-done became visible"
_BY_NUMBER = {
    errno.ENOSPC: _ROOM, errno.EDQUOT: _ROOM, errno.EFBIG: _ROOM,
    errno.EACCES: _RIGHTS, errno.EPERM: _RIGHTS, errno.EROFS: _RIGHTS,
    errno.EMFILE: _FILES, errno.ENFILE: _FILES, errno.ENOMEM: _MEMORY, errno.EIO: _DISK, errno.ESTALE: _DISK,
}  # fmt: skip
# In lower case. Polars, DuckDB, SQLite, Arrow, safetensors, torch, FAISS and NumPy pass on a text, and most of them no number.
_BY_WORDS = {
    "no space left on device": _ROOM, "disk is full": _ROOM, "storagefull": _ROOM, "disk quota exceeded": _ROOM, "file too large": _ROOM,
    "os error 28)": _ROOM, "os error 122)": _ROOM, "file write failed": _ROOM, " requested and ": _ROOM,
    "disk i/o error": _ROOM,  # SQLite's, where its log cannot be made
    "unable to open database file": _RIGHTS, "readonly database": _RIGHTS, "read-only file system": _RIGHTS, "permission denied": _RIGHTS,
    "operation not permitted": _RIGHTS, "too many open files": _FILES, "input/output error": _DISK,
    "server closed the connection": _SERVER, "terminating connection due to": _SERVER, "no connection to the server": _SERVER,
    "connection to server at": _SERVER, "ssl connection has been closed": _SERVER,  # of libpq
    "http error: ": _S3, "(http 4": _S3, "(http 5": _S3, "aws error ": _S3,  # of DuckDB and of Arrow
    "failed to map segment": _MEMORY,  # a library of which there is no room to load
    "out of memory": _MEMORY, "cannot allocate memory": _MEMORY, "unable to allocate": _MEMORY, "can't allocate memory": _MEMORY,
}  # fmt: skip


def refusal_of(error: BaseException) -> str | None:
    """The line for an error that the operating system caused, however wrapped; None for a bug, and for our own errors, which have their line."""
    if isinstance(error, HsrlError):
        return None
    for cause in _chain(error):
        mend = _mend(cause)
        if mend is not None:
            name = cause.filename if isinstance(cause, OSError) else None
            return f"{f'{name}: ' if name else ''}{reason_of(cause)}; {mend}"
    return None


def _chain(error: BaseException) -> Iterator[BaseException]:
    """The error, those of a group, and what led to them."""
    waiting, seen = [error], set()
    while waiting:
        cause = waiting.pop(0)
        if id(cause) in seen:
            continue
        seen.add(id(cause))
        yield cause
        waiting += cause.exceptions if isinstance(cause, BaseExceptionGroup) else ()
        waiting += [behind for behind in (cause.__cause__, cause.__context__) if behind is not None]


def _mend(error: BaseException) -> str | None:
    if isinstance(error, MemoryError):
        return _MEMORY
    if isinstance(error, OSError) and error.errno is not None:
        return _BY_NUMBER.get(error.errno)
    text = str(error).lower()
    return next((mend for words, mend in _BY_WORDS.items() if words in text), None)
