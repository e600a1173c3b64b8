"""The one-writer lock: held by the operating system, so that a dead process never holds it."""

import fcntl
import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from pipeline.errors import WarehouseError, reason_of
from pipeline.printable import printable

_POLL_SECONDS = 0.05
# One file a run, locked while it lives.
_ALIVE = "staging/.alive"
# ``living`` tries each lock for a moment.
_MARK_SECONDS = 10.0
_LONGEST_NOTE = 300  # characters of what is said of a holder


@contextmanager
def locked(path: Path, owner: str, timeout_seconds: float, on_wait: Callable[[str], None] | None = None) -> Iterator[int]:
    """Hold the lock file at ``path`` while the block runs.

    The holder writes who it is into the file. Whether the lock is held is known to the operating system alone (flock), never read
    from that text: a process that was killed holds nothing.

    Args:
        path: the lock file; made if it is not there, never removed.
        owner: the run that asks, for those who wait.
        timeout_seconds: how long to wait for another holder; 0 = do not wait.
        on_wait: called once with a line that says who holds it, if there is anyone to wait for.

    Yields:
        The descriptor of the lock; a child process that inherits it holds the lock too, until it ends.

    Raises:
        WarehouseError: another process (or another lock of this one) held it all the time, or the folder may not be written.
    """
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError as error:
        raise WarehouseError(
            f"{path.parent}: may not be written ({reason_of(error)}); grant it or free some room, or give another --warehouse"
        ) from error
    try:
        _wait(descriptor, path, timeout_seconds, on_wait)
        note = json.dumps({"owner": owner, "pid": os.getpid(), "since": datetime.now(UTC).isoformat(timespec="seconds")})
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, note.encode(), 0)
        yield descriptor
    finally:
        os.close(descriptor)


def _wait(descriptor: int, path: Path, timeout_seconds: float, on_wait: Callable[[str], None] | None) -> None:
    give_up_at = time.monotonic() + timeout_seconds
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            if time.monotonic() >= give_up_at:
                raise WarehouseError(
                    f"{path}: {_holder(descriptor)} is writing; waited {timeout_seconds:g} s for it; try again when it has ended"
                ) from None
            if on_wait:
                on_wait(f"waiting for {_holder(descriptor)}, which is writing")
                on_wait = None
            time.sleep(_POLL_SECONDS)


def _holder(descriptor: int) -> str:
    text = os.pread(descriptor, 4096, 0).decode(errors="replace")
    try:
        note = json.loads(text)
        return printable(f"run {note['owner']} (process {note['pid']}, since {note['since']})"[:_LONGEST_NOTE])
    except (ValueError, TypeError, LookupError, RecursionError):
        # The holder has the lock and is just about to write its note, or something else wrote into the file.
        return "another process"


@contextmanager
def alive(root: Path, run_id: str) -> Iterator[None]:
    """Be known as a living run of the warehouse at ``root`` while the block runs, to ``living``."""
    path = root / _ALIVE / run_id
    path.parent.mkdir(parents=True, exist_ok=True)
    is_marked = False
    while not is_marked:
        with locked(path, run_id, _MARK_SECONDS) as descriptor:
            # Whoever clears up may have removed the file between its making and its locking.
            is_marked = path.exists() and os.path.samestat(os.fstat(descriptor), path.stat())
            if is_marked:
                try:
                    yield
                finally:
                    path.unlink(missing_ok=True)


def is_alive(root: Path, run_id: str) -> bool:
    """Whether a run is alive now. Only looks, so that it may be asked where nothing can be written."""
    try:
        descriptor = os.open(root / _ALIVE / run_id, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def living(root: Path) -> frozenset[str]:
    """The runs that are alive now, in whichever process; the marks that dead ones left are removed."""
    folder = root / _ALIVE
    marks = sorted(folder.iterdir()) if folder.is_dir() else []
    return frozenset(path.name for path in marks if _is_held(path))


def _is_held(path: Path) -> bool:
    try:
        with locked(path, "looking for dead runs", 0):
            path.unlink(missing_ok=True)
    except WarehouseError:
        return True
    return False
