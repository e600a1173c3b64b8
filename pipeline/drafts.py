"""Files and folders that take their name when they are whole, made under names of their own: two at once never touch each other's."""

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
    """Hand out a path to write a file at; when the block ends well the file takes the name ``target``, in place of one that is there.

    When the block fails nothing is left. The draft is in a folder of its own beside the target; see ``own_folder``.
    """
    with own_folder(target) as folder:
        draft = folder / target.name
        yield draft
        draft.replace(target)


@contextmanager
def own_folder(target: Path) -> Iterator[Path]:
    """An empty hidden folder beside ``target`` that nobody else writes; removed in the end, unless it was renamed.

    It is locked while the block runs, which a dead process's is not: so what killed processes left of the same target is told from
    what living ones are at work on, and goes first.
    """
    _clear_after_the_dead(target)
    folder, lock = _made(target)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(lock)


def _made(target: Path) -> tuple[Path, int]:
    while True:
        folder = target.with_name(f".{target.name}.{secrets.token_hex(4)}{_ENDING}")
        folder.mkdir(parents=True)
        lock = _lock(folder)
        # Whoever clears up may have taken the folder between its making and its locking.
        if lock is not None and folder.is_dir():
            return folder, lock
        if lock is not None:
            os.close(lock)


def _clear_after_the_dead(target: Path) -> None:
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
