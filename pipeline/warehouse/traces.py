"""What a folder holds before a warehouse is made or opened there: nothing of worth, a warehouse, or what is left of one."""

import shlex
from collections.abc import Iterator
from pathlib import Path

from pipeline.errors import WarehouseError
from pipeline.warehouse.readers import COPY, copies_of, notes_of, whole_copy
from pipeline.warehouse.storage import COMMITTED, STORAGE

CATALOGUE = "catalog.sqlite"
# The folders in which hsrl writes and clears up.
_FOLDERS = ("data", "readers", "artifacts", "staging")
_FILES = (
    CATALOGUE,
    f"{CATALOGUE}-wal",
    f"{CATALOGUE}-shm",
    COPY,
    STORAGE,
    "committed.json",
    "readers.json",
    "raw_files.json",
    "attach.sql",
    "attach-elsewhere.sql",
)
# Marks of living runs, and what their engines spill: of no worth to anyone else.
_PASSING = (".alive", ".spill")
_ANEW = "make a new warehouse from the raw logs with: hsrl refresh --warehouse NEW_FOLDER"


def has_catalogue(root: Path) -> bool:
    """Whether there is a catalogue to open, here or in PostgreSQL; an empty file is none, as DuckLake would make a new one of it."""
    path = root / CATALOGUE
    return (path.is_file() and path.stat().st_size > 0) or (root / STORAGE).is_file()


def refuse_traces(root: Path) -> None:
    """Refuse to make a warehouse over what an earlier one, or another program, left.

    Files of other names are no hindrance: hsrl touches none of them.

    Raises:
        WarehouseError: there is no catalogue, but other files that hsrl would take for its own; says how to get the catalogue back.
    """
    traces = sorted(set(_traces(root)))
    # In this order: where another process is just making one, the catalogue is there before anything else has its name.
    if traces and not has_catalogue(root):
        raise WarehouseError(lost(root, traces))


def refuse_inside_another(root: Path) -> None:
    """Refuse a folder that lies in those which another warehouse clears up.

    Raises:
        WarehouseError: it does.
    """
    for parent in root.resolve().parents:
        mine = root.resolve().relative_to(parent).parts[0]
        if mine in _FOLDERS and any((parent / name).is_file() for name in (CATALOGUE, COPY, STORAGE)):
            raise WarehouseError(f"{root}: lies inside the warehouse {parent}, which only hsrl writes; give another --warehouse")


def lost(root: Path, traces: list[str] | None = None) -> str:
    """The line for a folder without a catalogue, in which there are ``traces``."""
    if (root / COMMITTED).exists():
        return (
            f'{root}: {STORAGE} is missing, which says where its catalogue is; write {{"catalog": "postgres:host=… dbname=…", "data": null}} '
            "into it as it was (attach.sql names both), see docs/scale.md"
        )
    is_empty = (root / CATALOGUE).is_file() and not (root / CATALOGUE).stat().st_size
    state = f"{CATALOGUE} is {'empty' if is_empty else 'missing'}"
    if command := restoring(root):
        return f"{root}: {state} but its copy is there; restore it: {command}"
    found = traces if traces is not None else sorted(set(_traces(root)))
    if any((root / name).exists() for name in (COPY, "readers")):
        return f"{root}: {state} and no copy of it is whole ({', '.join(found)}); put back a copy of the folder, or {_ANEW}"
    return (
        f"{root}: {state}, but there is {', '.join(found)}, which a new warehouse would take for its own; "
        "give another --warehouse, or put back a copy of the folder"
    )


def restoring(root: Path) -> str | None:
    """The command that restores the catalogue from its newest whole copy; None where none is whole."""
    copy = whole_copy(root)
    if copy is None:
        return None
    # A write-ahead log that outlived its catalogue would be applied to the copy.
    logs = f"{CATALOGUE}-wal {CATALOGUE}-shm"
    return f"cd {shlex.quote(str(root))} && rm -f {logs} && cp {copy.relative_to(root)} {CATALOGUE}"


def refuse_behind(root: Path, last_snapshot: int) -> None:
    """Refuse a catalogue that is older than its own copy: its write-ahead log was lost, or an old one was put in its place.

    Raises:
        WarehouseError: it is, and the copy is whole.
    """
    newest = next(iter(copies_of(root)), None)
    note = notes_of(root).get(newest.name) if newest else None
    if note is not None and last_snapshot < note.snapshot and (command := restoring(root)):
        raise WarehouseError(
            f"{root}: {CATALOGUE} ends with commit {last_snapshot} but its copy with {note.snapshot}, so that {note.snapshot - last_snapshot} "
            f"of them were lost; restore it: {command}"
        )


def _traces(root: Path) -> Iterator[str]:
    for name in _FILES:
        if (root / name).exists() or (root / name).is_symlink():
            yield name
    for name in _FOLDERS:
        folder = root / name
        if folder.is_file() or (folder.is_dir() and any(_files(folder))):
            yield f"{name}/"


def _files(folder: Path) -> Iterator[Path]:
    """Files below a folder; folders without any are what a creation that was killed leaves."""
    for path in sorted(folder.iterdir()):
        if path.name in _PASSING:
            continue
        if path.is_dir() and not path.is_symlink():
            yield from _files(path)
        else:
            yield path
