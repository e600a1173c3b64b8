"""Whether the catalogue says what its copy says: rows of small tables lie in it, which no file's hash covers."""

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from pipeline.errors import WarehouseError
from pipeline.warehouse.readers import is_whole, newest_copy, notes_of
from pipeline.warehouse.storage import storage_of
from pipeline.warehouse.traces import CATALOGUE, has_catalogue, restoring

# A process of its own, as for the copy itself (see readers). Rows come in the order in which they were copied, so that the two are read
# side by side; each is read as of one moment, whatever is committed meanwhile.
_COMPARE = """
import json, sqlite3, sys
live = sqlite3.connect(f'file:{sys.argv[1]}?mode=ro', uri=True, isolation_level=None)
copy = sqlite3.connect(f'file:{sys.argv[2]}?mode=ro&immutable=1', uri=True)
last = 'SELECT max(snapshot_id) FROM ducklake_snapshot'
tables = "SELECT name, sql FROM sqlite_master WHERE type = 'table' ORDER BY name"
live.execute('BEGIN')
def fault():
    found = live.execute('PRAGMA quick_check(1)').fetchone()[0]
    if found != 'ok':
        return 'damaged inside (%s)' % found.replace('*** in database main *** ', '').split(chr(10))[0]
    names = live.execute(tables).fetchall()
    if names != copy.execute(tables).fetchall():
        return 'its list of tables is not as in its copy'
    for name, _ in names:
        ask, n = f'SELECT * FROM "{name}"', 0
        theirs = copy.execute(ask)
        for n, row in enumerate(live.execute(ask), 1):
            if row != theirs.fetchone():
                return f'row {n} of its table {name} is not as in its copy'
        if theirs.fetchone() is not None:
            return f'its table {name} ends with row {n}, which is not as in its copy'
try:
    at, of_copy = live.execute(last).fetchone()[0], copy.execute(last).fetchone()[0]
    print(json.dumps({'is_ahead': at > of_copy, 'fault': fault() if at == of_copy else None if at > of_copy else
        f'ends with commit {at} but its copy with {of_copy}, so that {of_copy - at} of them were lost'}))
except sqlite3.DatabaseError as error:
    sys.exit(f'{type(error).__name__}: {error}') if isinstance(error, sqlite3.OperationalError) else print(
        json.dumps({'is_ahead': False, 'fault': f'cannot be opened ({error})'}))
"""


@dataclass(frozen=True)
class Comparison:
    """What came of it.

    Attributes:
        fault: what is wrong with the catalogue; None = nothing was found.
        not_compared: why it could not be compared; None = it was.
    """

    fault: str | None = None
    not_compared: str | None = None


def compare_catalogue(root: Path) -> Comparison:
    """Compare every row of the catalogue with the newest copy, if that is whole and of the same commit."""
    if storage_of(root).dsn is not None:
        return Comparison(not_compared="it is in PostgreSQL, which checks its own pages and of which there is no copy here")
    if not has_catalogue(root):
        return Comparison(fault="empty" if (root / CATALOGUE).exists() else "missing")
    copy, notes = newest_copy(root), notes_of(root)
    if copy is None or copy.name not in notes:
        return Comparison(not_compared="it has no copy with a hash; the next commit makes one")
    if not notes[copy.name].is_current:
        return Comparison(
            not_compared="a collection of garbage is at work on it, or was when it was killed; the next commit renews the copy"
        )
    if not is_whole(copy, notes[copy.name]):
        return Comparison(not_compared=f"its newest copy, {copy.name}, is damaged; the next commit makes another")
    command = [sys.executable, "-I", "-S", "-c", _COMPARE, str(root / CATALOGUE), str(copy)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 our own interpreter and text
    if done.returncode:
        reason = done.stderr.strip().splitlines()[-1] if done.stderr.strip() else f"exit code {done.returncode}"
        return Comparison(not_compared=f"it cannot be read by this user or just now ({reason})")
    found = json.loads(done.stdout)
    if found["is_ahead"]:
        return Comparison(
            not_compared="a commit is on its way into the copy, or was when its process died; the next one renews it"
        )
    return Comparison(fault=found["fault"])


def require_catalogue(root: Path) -> None:
    """Refuse to build upon a catalogue that is not as its last commit left it.

    Raises:
        WarehouseError: says what differs, and the command that restores it.
    """
    found = compare_catalogue(root)
    if found.fault is not None:
        raise WarehouseError(f"{root / CATALOGUE}: {found.fault}; restore it from its newest whole copy: {restoring(root)}")
