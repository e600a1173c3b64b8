"""The readers' copy of the catalogue: whole, never waited for, readable from a folder that cannot be written."""

import subprocess
import sys
from pathlib import Path

from pipeline.errors import WarehouseError

COPY = "readers.sqlite"
# A process of its own: closing a second SQLite library's file in this one would silently drop the locks that DuckDB's holds on it.
_VACUUM = "import sqlite3, sys; sqlite3.connect(f'file:{sys.argv[1]}?mode=ro', uri=True).execute('VACUUM INTO ?', [sys.argv[2]])"


def renew_copy(catalogue: Path, lock: int) -> None:
    """Copy the catalogue as of its last commit to ``readers.sqlite`` beside it, by one rename.

    Readers that have the old copy open keep it. Call it while no other writer does the same.

    Args:
        catalogue: the catalogue.
        lock: descriptor of the commit lock. The process that copies holds it too: it may outlive this one, if that is killed.

    Raises:
        WarehouseError: the copy could not be written; the commit itself stands.
    """
    draft = catalogue.with_name(f".{COPY}.draft")
    for leftover in catalogue.parent.glob(f"{draft.name}*"):
        leftover.unlink()
    command = [sys.executable, "-I", "-S", "-c", _VACUUM, str(catalogue), str(draft)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, pass_fds=(lock,))  # noqa: S603 our own interpreter and text
    if done.returncode:
        reason = done.stderr.strip().splitlines()[-1] if done.stderr.strip() else f"exit code {done.returncode}"
        raise WarehouseError(
            f"{catalogue}: committed, but the readers' copy was not renewed ({reason}); the next commit renews it"
        )
    draft.replace(catalogue.with_name(COPY))
