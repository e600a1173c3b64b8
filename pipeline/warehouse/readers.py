"""The readers' copy of the catalogue: whole, never waited for, readable from a folder that cannot be written."""

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

from pipeline.errors import WarehouseError

COPY = "readers.sqlite"
_FOLDER = "readers"
# Older copies go when nobody can be at work on them any more.
_KEPT, _KEPT_SECONDS = 3, 3600.0
# A process of its own: closing a second SQLite library's file in this one would silently drop the locks that DuckDB's holds on it.
_VACUUM = "import sqlite3, sys; sqlite3.connect(f'file:{sys.argv[1]}?mode=ro', uri=True).execute('VACUUM INTO ?', [sys.argv[2]])"


def renew_copy(catalogue: Path, lock: int) -> None:
    """Copy the catalogue as of its last commit to a new numbered file in ``readers/``, and to ``readers.sqlite`` by one rename.

    Readers that have an older copy open keep it. Call it while no other writer does the same.

    Args:
        catalogue: the catalogue.
        lock: descriptor of the commit lock. The process that copies holds it too: it may outlive this one, if that is killed.

    Raises:
        WarehouseError: the copy could not be written; the commit itself stands.
    """
    draft, folder = catalogue.with_name(f".{COPY}.draft"), catalogue.parent / _FOLDER
    for leftover in catalogue.parent.glob(f"{draft.name}*"):
        leftover.unlink()
    command = [sys.executable, "-I", "-S", "-c", _VACUUM, str(catalogue), str(draft)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, pass_fds=(lock,))  # noqa: S603 our own interpreter and text
    if done.returncode:
        reason = done.stderr.strip().splitlines()[-1] if done.stderr.strip() else f"exit code {done.returncode}"
        raise WarehouseError(
            f"{catalogue}: committed, but the readers' copy was not renewed ({reason}); mend that and run again: the next commit renews it"
        )
    folder.mkdir(exist_ok=True)
    copies = _copies(folder)
    number = int(copies[-1].stem) + 1 if copies else 1
    fresh = folder / f"{number:09d}.sqlite"
    try:
        os.link(draft, fresh)
    except OSError:  # a file system without links
        shutil.copy2(draft, draft.with_name(f"{draft.name}.2"))
        draft.with_name(f"{draft.name}.2").replace(fresh)
    draft.replace(catalogue.with_name(COPY))
    for old in copies[:-_KEPT]:
        if time.time() - old.stat().st_mtime > _KEPT_SECONDS:
            old.unlink()


def current_copy(root: Path) -> Path:
    """The newest copy, a file that will never change; it stays for an hour at least after a newer one came.

    ``readers.sqlite`` is the same, but under a name that is replaced: DuckLake opens its catalogue by name several times in one
    statement, and would mix what it finds before and after.
    """
    copies = _copies(root / _FOLDER)
    return copies[-1] if copies else root / COPY


def _copies(folder: Path) -> list[Path]:
    return sorted(folder.glob("?????????.sqlite"))
