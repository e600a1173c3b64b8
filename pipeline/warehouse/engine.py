"""Engines with the catalogue of a warehouse attached: for a writer, pinned to a snapshot, or the copy for readers."""

import os
import re
import shutil
import sys
from pathlib import Path
from typing import Any

import duckdb

from pipeline.errors import WarehouseError, reason_of
from pipeline.warehouse.bucket import let_in
from pipeline.warehouse.extensions import are_as_installed, load_extensions
from pipeline.warehouse.literals import quoted
from pipeline.warehouse.postgres import SCHEMA, load_client, unreachable
from pipeline.warehouse.readers import copies_of, is_whole, newest_copy, notes_of
from pipeline.warehouse.storage import Storage, storage_of
from pipeline.warehouse.traces import CATALOGUE, has_catalogue, refuse_traces, restoring

# DuckLake's own default is to make a catalogue where none is.
MAKING, _NOT_MAKING = "CREATE_IF_NOT_EXISTS true", "CREATE_IF_NOT_EXISTS false"
# Bytes with which a catalogue can always be opened.
_ROOM = 1 << 20
# DuckLake's own words.
_FORMATS = re.compile(r"catalog version is ([\d.]+), but the extension requires version ([\d.]+)\. ")


class LayoutError(WarehouseError):
    """Its tables are not those of this version."""


class NewerFormatError(WarehouseError):
    """The catalogue is in a format of DuckLake that came after this version; no copy of it would be in another."""


def connect(spill: Path | None = None, memory_limit_mb: int | None = None) -> duckdb.DuckDBPyConnection:
    """An engine in memory with the extensions of the installed wheels; nothing is fetched and nothing written to the home folder.

    Args:
        spill: folder for what does not fit into memory; None = fail instead.
        memory_limit_mb: memory of the engine in MB; None = DuckDB's own, four fifths of the machine.
    """
    config: dict[str, Any] = {"autoinstall_known_extensions": False, "autoload_known_extensions": False}
    # What has been compared with its wheel need not have its signature looked at again, connection after connection.
    connection = duckdb.connect(config={**config, "allow_unsigned_extensions": are_as_installed()})
    load_extensions(connection)
    # A name in SQL is never a variable of the calling code.
    connection.execute("SET python_enable_replacements = false")
    connection.execute("SET TimeZone = 'UTC'")
    # It goes to standard output after two seconds, into the JSON of a slow answer.
    connection.execute("SET enable_progress_bar = false")
    connection.execute(f"SET temp_directory = {quoted(spill or '')}")
    if memory_limit_mb is not None:
        connection.execute(f"SET memory_limit = '{memory_limit_mb}MB'")
    return connection


def attach(
    connection: duckdb.DuckDBPyConnection,
    root: Path,
    alias: str,
    catalogue: str = CATALOGUE,
    *options: str,
    storage: Storage | None = None,
) -> None:
    """Attach the lake of ``root`` as ``alias``.

    The data path is given each time, so that a moved warehouse opens where it lies now. A catalogue is made only where the options
    say so. ``storage``: where catalogue and data are; None = as the folder notes.

    Raises:
        WarehouseError: the catalogue is damaged or cannot be read.
    """
    storage = storage_of(root) if storage is None else storage
    is_served = storage.dsn is not None and catalogue == CATALOGUE
    where = f"ducklake:postgres:{storage.dsn}" if is_served else f"ducklake:sqlite:{root / catalogue}"
    if is_served:
        load_client(connection)
        if storage.data is not None:
            let_in(connection, storage.data)
        options = tuple(option for option in options if not option.startswith("META_JOURNAL_MODE"))
        if not any(option.startswith("META_SCHEMA") for option in options):
            options = (f"META_SCHEMA '{SCHEMA}'", *options)
    given = [
        f"DATA_PATH {quoted(storage.data_path(root))}",
        "OVERRIDE_DATA_PATH true",
        *(options if MAKING in options else (_NOT_MAKING, *options)),
    ]
    try:
        connection.execute(f"ATTACH {quoted(where)} AS {alias} ({', '.join(given)})")
    except duckdb.Error as error:
        if is_served:
            raise unreachable(storage.dsn or "", error) from error
        reason = reason_of(error)
        if (formats := _FORMATS.search(reason)) and float(formats[1]) > float(formats[2]):
            raise NewerFormatError(
                f"{root}: made by a newer hsrl, in format {formats[1]} of DuckLake, and this one reads {formats[2]}; upgrade hsrl"
            ) from error
        raise WarehouseError(f"{root / catalogue}: cannot be opened ({reason}); {_mend(root, reason)}") from error


def _mend(root: Path, reason: str) -> str:
    """What to do about a catalogue that cannot be opened."""
    free = shutil.disk_usage(root).free
    if "database is locked" in reason:
        return "another program has it open: try again when that has ended"
    if free <= _ROOM:
        # A catalogue in good order is refused with the same words where its log cannot be made.
        return f"the disk has {free:,} bytes left: free some room"
    if command := restoring(root):
        return f"restore it from its newest whole copy: {command}"
    return "restore it from a copy of the folder"


def open_readers(root: Path) -> duckdb.DuckDBPyConnection:
    """A connection to the readers' copy: the last release, whole, while a writer is at work, also from a folder that cannot be written.

    Where the newest copy is damaged, the one before answers, which is said once on standard error.

    Raises:
        WarehouseError: there is no warehouse at ``root``, or no copy of its catalogue can be opened.
    """
    root = root.absolute()
    if storage_of(root).dsn is not None:
        return _open_pinned(root)
    copies, notes = _readable_copies(root), notes_of(root)
    refused = None
    for copy in copies:
        name = copy.relative_to(root)
        try:
            if copy.name in notes and not is_whole(copy, notes[copy.name]):
                raise WarehouseError(f"{copy}: not the bytes that were written")
            connection = connect()
            attach(connection, root, "lake", str(name), "READ_ONLY")
        except NewerFormatError:
            raise
        except WarehouseError as error:
            refused = refused or error
            continue
        connection.execute("USE lake")
        newest = newest_copy(root)
        if newest is not None and copy != newest and newest.exists():
            _say_once(
                f"hsrl: {newest} is damaged, so {name} answers, which may be older; the next run that writes makes a new one"
            )
        return connection
    reason = f"the first: {refused}" if refused else "all are cut"
    raise WarehouseError(
        f"{root}: no copy of the catalogue for readers is whole ({reason}); make a new one with: hsrl gc"
    ) from refused


def _open_pinned(root: Path) -> duckdb.DuckDBPyConnection:
    """A catalogue in PostgreSQL as of its last commit, which stays as it is for readers while a writer is at work."""
    connection = connect()
    attach(connection, root, "latest", CATALOGUE, "READ_ONLY")
    row = connection.execute("SELECT id FROM latest.current_snapshot()").fetchone()
    connection.execute("DETACH latest")
    attach(connection, root, "lake", CATALOGUE, "READ_ONLY", f"SNAPSHOT_VERSION {row[0] if row else 0}")
    connection.execute("USE lake")
    return connection


def _readable_copies(root: Path) -> list[Path]:
    """The copies to try, the newest first.

    Raises:
        WarehouseError: there is no warehouse, or this user may not read it.
    """
    try:
        copies = copies_of(root)
        is_there = bool(copies) or newest_copy(root) is not None
    except OSError as error:
        raise WarehouseError(f"{root}: {reason_of(error)}; grant this user the folder, or give another --warehouse") from error
    if not is_there:
        require_catalogue_file(root / CATALOGUE, os.R_OK)  # else a creation or its first commit was killed
    for copy in copies[:1]:
        require_catalogue_file(copy, os.R_OK)
    return copies


_said: set[str] = set()


def _say_once(line: str) -> None:
    if line not in _said:
        _said.add(line)
        sys.stderr.write(f"{line}\n")


def require_catalogue_file(catalogue: Path, rights: int) -> None:
    """Refuse a catalogue, or a copy of it, that is not there or that this user may not open.

    Args:
        catalogue: the file.
        rights: ``os.R_OK``, or with it ``os.W_OK``.

    Raises:
        WarehouseError: says which of it, and what to do.
    """
    if catalogue.name == CATALOGUE and storage_of(catalogue.parent).dsn is not None:
        return  # who may open it is said by PostgreSQL
    try:
        is_there = catalogue.is_file()
    except OSError as error:
        raise WarehouseError(
            f"{catalogue.parent}: {reason_of(error)}; grant this user the folder, or give another --warehouse"
        ) from error
    root = catalogue.parent
    if not is_there or (catalogue.name == CATALOGUE and not has_catalogue(root)):
        if root.is_dir():
            refuse_traces(root)
        raise WarehouseError(f"no warehouse at {root}; make one with: hsrl demo")
    if not os.access(catalogue, rights):
        right = "written" if os.access(catalogue, os.R_OK) else "read"
        raise WarehouseError(
            f"{catalogue}: may not be {right} by this user; grant the folder and its files, or give another --warehouse"
        )
