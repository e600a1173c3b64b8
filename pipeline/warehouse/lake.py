"""The one module that opens the DuckLake: for the writer, pinned to a release, and for readers."""

import json
import os
import shutil
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import duckdb

from pipeline.errors import WarehouseError, reason_of
from pipeline.warehouse.attach_files import quoted, write_attach_files
from pipeline.warehouse.catalogue_check import require_catalogue
from pipeline.warehouse.extensions import are_as_installed, load_extensions
from pipeline.warehouse.lock import locked
from pipeline.warehouse.readers import copies_of, is_whole, newest_copy, notes_of, renew_copy
from pipeline.warehouse.traces import CATALOGUE as _CATALOGUE
from pipeline.warehouse.traces import has_catalogue, refuse_behind, refuse_inside_another, refuse_traces, restoring

if TYPE_CHECKING:
    import polars as pl

    from pipeline.contracts import Table

# Tables and schema bring Polars along, which takes longer to import than a question to answer: they are imported where they are used.

# Write-ahead logging lets other processes read during a commit; the mode stays with the file.
_WRITE_AHEAD = ("META_JOURNAL_MODE 'WAL'",)
# DuckLake's own default is to make a catalogue where none is.
_MAKING, _NOT_MAKING = "CREATE_IF_NOT_EXISTS true", "CREATE_IF_NOT_EXISTS false"
# Commits take milliseconds to minutes; a process that died does not hold the lock.
_COMMIT_TIMEOUT_SECONDS = 3600.0
# Bytes with which a catalogue can always be opened.
_ROOM = 1 << 20


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


def attach(connection: duckdb.DuckDBPyConnection, root: Path, alias: str, catalogue: str = _CATALOGUE, *options: str) -> None:
    """Attach the lake of ``root`` as ``alias``.

    The data path is given anew each time, so that a moved warehouse opens where it now lies. A catalogue is never made, unless the
    options say so.

    Raises:
        WarehouseError: the catalogue is damaged or cannot be read.
    """
    given = [
        f"DATA_PATH {quoted(f'{root}/data/')}",
        "OVERRIDE_DATA_PATH true",
        *(options if _MAKING in options else (_NOT_MAKING, *options)),
    ]
    try:
        connection.execute(f"ATTACH {quoted(f'ducklake:sqlite:{root / catalogue}')} AS {alias} ({', '.join(given)})")
    except duckdb.Error as error:
        reason = reason_of(error)
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
    copies, notes = _readable_copies(root), notes_of(root)
    refused = None
    for copy in copies:
        name = copy.relative_to(root)
        try:
            if copy.name in notes and not is_whole(copy, notes[copy.name]):
                raise WarehouseError(f"{copy}: not the bytes that were written")
            connection = connect()
            attach(connection, root, "lake", str(name), "READ_ONLY")
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
        _require(root / _CATALOGUE, os.R_OK)  # else a creation or its first commit was killed
    for copy in copies[:1]:
        _require(copy, os.R_OK)
    return copies


_said: set[str] = set()


def _say_once(line: str) -> None:
    if line not in _said:
        _said.add(line)
        sys.stderr.write(f"{line}\n")


class Lake:
    """The catalogue and data of one warehouse folder, attached as ``lake``. For one thread.

    Attributes:
        root: the folder, absolute.
        connection: DuckDB, in the lake's name space; for statements this package does not cover.
    """

    def __init__(self, root: Path, connection: duckdb.DuckDBPyConnection) -> None:
        self.root = root
        self.connection = connection

    @classmethod
    def create_or_open(cls, root: Path, memory_limit_mb: int = 1024) -> Self:
        """Open the warehouse of a folder for writing; make it first if there is none, and no trace of one.

        Raises:
            WarehouseError: the folder holds what is left of a warehouse, or of another program, but no catalogue; it lies inside the
                folders of another warehouse; or a warehouse of another layout is there.
        """
        root = root.absolute()
        cls.require_room(root)
        try:
            root.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise WarehouseError(
                f"{root}: no warehouse can be made here ({reason_of(error)}); give another --warehouse"
            ) from error
        if not has_catalogue(root):
            with locked(root / "commit.lock", "making the warehouse", _COMMIT_TIMEOUT_SECONDS) as lock:
                if not has_catalogue(root):
                    (root / "data" / "main").mkdir(parents=True, exist_ok=True)
                    _create(root, lock)
        return cls.open(root, memory_limit_mb)

    @classmethod
    def require_room(cls, root: Path) -> None:
        """Refuse a folder in which a warehouse neither is nor may be made; touches nothing.

        Raises:
            WarehouseError: see ``create_or_open``.
        """
        try:
            refuse_inside_another(root)
            if root.is_dir():
                refuse_traces(root)
        except OSError as error:
            raise WarehouseError(
                f"{root}: {reason_of(error)}; grant this user the folder, or give another --warehouse"
            ) from error

    @classmethod
    def open(cls, root: Path, memory_limit_mb: int = 1024, snapshot_id: int | None = None) -> Self:
        """Open the warehouse of a folder.

        Args:
            root: the folder.
            memory_limit_mb: memory of the engine, MB.
            snapshot_id: read this snapshot and no other, and write nothing; None = the latest, and writing is possible.

        Raises:
            WarehouseError: there is none, it is damaged, or of another layout.
        """
        root = root.absolute()
        _require(root / _CATALOGUE, os.R_OK | os.W_OK)
        if snapshot_id is None:
            require_catalogue(root)
        from pipeline.warehouse.schema import check_layout

        lake = cls._attached(root, memory_limit_mb, *([] if snapshot_id is None else [f"SNAPSHOT_VERSION {snapshot_id}"]))
        try:
            check_layout(lake.connection, str(root))
            if snapshot_id is None:
                refuse_behind(root, lake.last_snapshot())
        except BaseException:
            lake.close()
            raise
        return lake

    @classmethod
    def open_copy(cls, root: Path) -> Self:
        """Open the readers' copy: the last release, and nothing can be written, also in a folder that this user cannot write.

        Raises:
            WarehouseError: there is none, it is damaged, or of another layout.
        """
        from pipeline.warehouse.schema import check_layout

        lake = cls(root.absolute(), open_readers(root))
        check_layout(lake.connection, str(root))
        return lake

    @classmethod
    def is_at(cls, root: Path) -> bool:
        """Whether a folder holds a warehouse that can be read."""
        return bool(copies_of(root))

    @classmethod
    def _attached(cls, root: Path, memory_limit_mb: int, *options: str) -> Self:
        connection = connect(root / "staging" / ".spill", memory_limit_mb)
        attach(connection, root, "lake", _CATALOGUE, *options, *_WRITE_AHEAD)
        connection.execute("USE lake")
        return cls(root, connection)

    def close(self) -> None:
        """Give the catalogue back."""
        self.connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def query(self, sql: str, parameters: Sequence[Any] | dict[str, Any] | None = None) -> "pl.DataFrame":
        """The rows of a trusted query; text from outside is bound by ``parameters``, or goes to ``run_sql``."""
        return self.connection.execute(sql, parameters).pl()

    def read(self, table: "Table", sql: str, parameters: Sequence[Any] | dict[str, Any] | None = None) -> "pl.DataFrame":
        """Rows of a trusted query that has the columns of ``table``, in the types of its contract."""
        return self.query(sql, parameters).cast(table.schema)

    def files(self, table: str) -> list[Path]:
        """The Parquet files behind a bulk table, in the order in which they were registered.

        Raises:
            WarehouseError: the table is not a bulk table: its rows are not all in files.
        """
        from pipeline.warehouse.tables import BULK

        if table not in {bulk.name for bulk in BULK}:
            raise WarehouseError(f"{table} is not kept as registered files; read it with a query")
        rows = self.connection.execute("SELECT data_file FROM ducklake_list_files('lake', ?)", [table]).fetchall()
        return sorted(Path(path) for (path,) in rows)

    @contextmanager
    def transaction(self, message: str, extra: dict[str, Any]) -> Iterator[None]:
        """Run the block in one transaction, commit it under ``message``, and renew the readers' copy.

        Any error rolls everything back. Takes the commit lock, which is held for one transaction only (the writer's lock is held for
        a whole refresh; ledgers must not wait for that).

        Args:
            message: for the snapshot's log.
            extra: what ties the snapshot to run and release; stored as JSON.

        Raises:
            WarehouseError: the commit changed nothing, although DuckLake raised nothing.
        """
        with locked(self.root / "commit.lock", message, _COMMIT_TIMEOUT_SECONDS) as lock:
            from pipeline.warehouse.own_files import enter_hashes, own_files

            before, written_before = self.last_snapshot(), own_files(self.root)
            self.connection.execute("BEGIN")
            try:
                yield
                enter_hashes(self.connection, self.root, written_before, str(extra.get("run", "")))
                author, note = "hsrl", json.dumps(extra)
                self.connection.execute("CALL lake.set_commit_message(?, ?, extra_info => ?)", [author, message, note])
                self.connection.execute("COMMIT")
            except BaseException:
                self._roll_back()
                raise
            if self.last_snapshot() == before:
                # COMMIT of a transaction that was aborted raises nothing and commits nothing.
                raise WarehouseError(f"{message}: nothing was committed, snapshot {before} is still the last; run it again")
            renew(self.root, lock)

    def last_snapshot(self) -> int:
        """Number of the last committed snapshot, by whichever process."""
        row = self.connection.execute("SELECT id FROM lake.current_snapshot()").fetchone()
        return int(row[0]) if row else -1

    def _roll_back(self) -> None:
        try:
            self.connection.execute("ROLLBACK")
        except duckdb.TransactionException:  # a COMMIT that failed has ended the transaction already
            return


def _create(root: Path, lock: int) -> None:
    """Make the catalogue aside and rename it, so that a warehouse is either there and whole, or not there."""
    from pipeline.warehouse.schema import create_schema

    draft = root / f".{_CATALOGUE}.draft"
    for leftover in root.glob(f"{draft.name}*"):
        leftover.unlink()
    with connect() as connection:
        attach(connection, root, "lake", draft.name, _MAKING, *_WRITE_AHEAD)
        connection.execute("USE lake")
        create_schema(connection)
    draft.rename(root / _CATALOGUE)
    renew(root, lock)


def renew(root: Path, lock: int) -> None:
    """Renew what readers attach: the copy, and the file by which other clients find it. The commit lock is held.

    Raises:
        WarehouseError: the copy could not be written; what was committed stands.
    """
    renew_copy(root / _CATALOGUE, lock)
    write_attach_files(root)


def _require(catalogue: Path, rights: int) -> None:
    try:
        is_there = catalogue.is_file()
    except OSError as error:
        raise WarehouseError(
            f"{catalogue.parent}: {reason_of(error)}; grant this user the folder, or give another --warehouse"
        ) from error
    root = catalogue.parent
    if not is_there or (catalogue.name == _CATALOGUE and not has_catalogue(root)):
        if root.is_dir():
            refuse_traces(root)
        raise WarehouseError(f"no warehouse at {root}; make one with: hsrl demo")
    if not os.access(catalogue, rights):
        right = "written" if os.access(catalogue, os.R_OK) else "read"
        raise WarehouseError(
            f"{catalogue}: may not be {right} by this user; grant the folder and its files, or give another --warehouse"
        )
