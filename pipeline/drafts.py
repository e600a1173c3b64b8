"""Files and folders that get their name only when they are complete; two processes that write the same target never collide."""

import fcntl
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_ENDING = ".draft"


@contextmanager
def drafted(target: Path) -> Iterator[Path]:
    """Yield a path to write a file at; when the block ends without an error the file replaces ``target``.

    When the block fails nothing is left. The draft lies in a folder of its own next to the target; see ``own_folder``.
    """
    with own_folder(target) as folder:
        draft = folder / target.name
        yield draft
        draft.replace(target)


@contextmanager
def own_folder(target: Path) -> Iterator[Path]:
    """Yield an empty hidden folder next to ``target`` that no other process writes; it is removed at the end, unless it was renamed.

    The folder is locked while the block runs. A killed process holds no lock, so that folders it left behind for the same target can
    be distinguished from those in use, and are removed first.
    """
    _remove_abandoned(target)
    folder, lock = _made(target)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(lock)


def _made(target: Path) -> tuple[Path, int]:
    """A new folder for drafts of ``target``, and its lock."""
    while True:
        folder = target.with_name(f".{target.name}.{secrets.token_hex(4)}{_ENDING}")
        folder.mkdir(parents=True)
        lock = _lock(folder)
        # Another process may have removed the folder, as abandoned, before it was locked.
        if lock is not None and folder.is_dir():
            return folder, lock
        if lock is not None:
            os.close(lock)


def _remove_abandoned(target: Path) -> None:
    """Remove draft folders of ``target`` that no process holds."""
    for left in target.parent.iterdir() if target.parent.is_dir() else ():
        if left.name.startswith(f".{target.name}.") and left.name.endswith(_ENDING):
            lock = _lock(left)
            if lock is not None:
                shutil.rmtree(left, ignore_errors=True)
                os.close(lock)


def _lock(folder: Path) -> int | None:
    """The folder's lock; None where another process has it, or the folder is gone."""
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError):
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    return descriptor
