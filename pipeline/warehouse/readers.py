"""The readers' copy of the catalogue: whole, never waited for, readable from a folder that cannot be written."""

import json
import os
import shutil
import subprocess
import sys
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from pipeline.errors import WarehouseError
from pipeline.warehouse.artifacts import sha256_of

COPY = "readers.sqlite"
_FOLDER = "readers"
# Size, hash and last snapshot of the numbered copies.
_NOTES = "readers.json"
# Older copies are deleted when no reader can still have them open.
_KEPT, _KEPT_SECONDS = 3, 3600.0
# A process of its own: closing a second SQLite library's file in this one would silently drop the locks that DuckDB's holds on it.
_VACUUM = (
    "import sqlite3, sys\n"
    "sqlite3.connect(f'file:{sys.argv[1]}?mode=ro', uri=True).execute('VACUUM INTO ?', [sys.argv[2]])\n"
    "print(sqlite3.connect(sys.argv[2]).execute('SELECT max(snapshot_id) FROM ducklake_snapshot').fetchone()[0])"
)
# Gives the pages of rows that are gone back to the disk; where another connection is at work, the next collection does.
_SHRINK = (
    "import sqlite3, sys\n"
    "live = sqlite3.connect(sys.argv[1], timeout=1, isolation_level=None)\n"
    "try:\n"
    "    live.execute('VACUUM'); live.execute('PRAGMA wal_checkpoint(TRUNCATE)')\n"
    "except sqlite3.OperationalError as error:\n"
    "    sys.exit(0 if 'locked' in str(error) else str(error))"
)
# Of a copy that has no note, as those made before there were notes.
_CHECK = (
    "import sqlite3, sys\n"
    "copy = sqlite3.connect(f'file:{sys.argv[1]}?mode=ro&immutable=1', uri=True)\n"
    "sys.exit(copy.execute('PRAGMA quick_check').fetchone()[0] != 'ok' or not copy.execute('SELECT 1 FROM ducklake_snapshot').fetchone())"
)


@dataclass(frozen=True)
class Note:
    """What was noted of a copy when it was made.

    Attributes:
        sha256: of its bytes.
        bytes: its size.
        snapshot: the last commit it holds.
        is_current: false where the catalogue was changed after it without a commit, as garbage collection does.
    """

    sha256: str
    bytes: int
    snapshot: int
    is_current: bool = True


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
            f"{catalogue}: committed, but the readers' copy was not renewed ({reason}); mend that, then: hsrl gc, as every commit renews it"
        )
    folder.mkdir(exist_ok=True)
    copies = _numbered(folder)
    number = int(copies[-1].stem) + 1 if copies else 1
    fresh = folder / f"{number:09d}.sqlite"
    _note(catalogue.parent, fresh, Note(sha256_of(draft), draft.stat().st_size, int(done.stdout)))
    try:
        os.link(draft, fresh)
    except OSError:  # a file system without links
        shutil.copy2(draft, draft.with_name(f"{draft.name}.2"))
        draft.with_name(f"{draft.name}.2").replace(fresh)
    draft.replace(catalogue.with_name(COPY))
    for old in copies[:-_KEPT]:
        if time.time() - old.stat().st_mtime > _KEPT_SECONDS:
            old.unlink()


def _note(root: Path, fresh: Path, note: Note) -> None:
    """Enter a copy that is about to get its name; those that are gone leave."""
    kept = {path.name for path in _numbered(root / _FOLDER)}
    notes = {name: note for name, note in notes_of(root).items() if name in kept} | {fresh.name: note}
    _write_notes(root, {name: asdict(note) for name, note in notes.items()})


def shrink(catalogue: Path, lock: int) -> None:
    """Give the catalogue's free pages back to the disk, unless another connection is just reading. The commit lock is held.

    Raises:
        WarehouseError: SQLite cannot; the catalogue is as it was.
    """
    command = [sys.executable, "-I", "-S", "-c", _SHRINK, str(catalogue)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, pass_fds=(lock,))  # noqa: S603 our own interpreter and text
    if done.returncode:
        reason = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
        raise WarehouseError(f"{catalogue}: its free pages stay ({reason}), all else is done; mend that and run again: hsrl gc")


def outdate_copy(root: Path) -> None:
    """Note that the newest copy is no measure of the catalogue any more: it is about to change without a commit; renewing mends it."""
    notes, newest = notes_of(root), newest_copy(root)
    if newest is not None and newest.name in notes:
        notes[newest.name] = replace(notes[newest.name], is_current=False)
    _write_notes(root, {name: asdict(note) for name, note in notes.items()})


def _write_notes(root: Path, notes: dict[str, dict[str, object]]) -> None:
    draft = root / f".{_NOTES}.draft"
    draft.write_text(json.dumps(notes, indent=1), encoding="utf-8")
    draft.replace(root / _NOTES)


def notes_of(root: Path) -> dict[str, Note]:
    """Name in ``readers/`` → what was noted of that copy; {} where the notes are gone or damaged, as copies tell more than they do."""
    try:
        noted = json.loads((root / _NOTES).read_text(encoding="utf-8"))
        return {
            str(name): Note(str(note["sha256"]), int(note["bytes"]), int(note["snapshot"]), note["is_current"] is True)
            for name, note in noted.items()
        }
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return {}


def copies_of(root: Path) -> list[Path]:
    """The copies that readers may attach, the newest first; those whose size is not what was noted are left out.

    They never change, and stay for an hour at least after a newer copy came.

    ``readers.sqlite`` is the same as the newest, but under a name that is replaced: DuckLake opens its catalogue by name several
    times in one statement, and would mix what it finds before and after. So it is the last resort.
    """
    notes = notes_of(root)
    named = [*reversed(_numbered(root / _FOLDER)), *([root / COPY] if (root / COPY).is_file() else [])]
    return [path for path in named if path.name not in notes or path.stat().st_size == notes[path.name].bytes]


def newest_copy(root: Path) -> Path | None:
    """The last copy by its number, whole or not; None where there is none."""
    return next(reversed(numbered_copies(root)), None)


def numbered_copies(root: Path) -> list[Path]:
    """All numbered copies, whole or not, the oldest first."""
    return _numbered(root / _FOLDER)


def current_copy(root: Path) -> Path:
    """The first of ``copies_of``; ``readers.sqlite`` where there is none."""
    return next(iter(copies_of(root)), root / COPY)


def whole_copy(root: Path) -> Path | None:
    """The newest copy whose bytes are those that were written; ``readers.sqlite`` where that is the same. None: there is none."""
    notes = notes_of(root)
    for path in copies_of(root):
        if is_whole(path, notes.get(path.name)):
            same = root / COPY
            return same if path != same and same.is_file() and sha256_of(same) == sha256_of(path) else path
    return None


def is_whole(copy: Path, note: Note | None) -> bool:
    """Whether a copy's bytes are those that were noted; without a note, whether SQLite finds no fault in it."""
    if note is not None:
        return sha256_of(copy) == note.sha256
    command = [sys.executable, "-I", "-S", "-c", _CHECK, str(copy)]
    return not subprocess.run(command, capture_output=True, check=False).returncode  # noqa: S603 our own interpreter and text


def _numbered(folder: Path) -> list[Path]:
    return sorted(folder.glob("?????????.sqlite"))
