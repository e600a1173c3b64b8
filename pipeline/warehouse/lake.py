"""The one module that opens the DuckLake: for the writer, pinned to a release, and for readers."""

import json
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import duckdb

from pipeline.errors import WarehouseError
from pipeline.warehouse.extensions import EXTENSIONS, are_as_installed, extension_path, load_extensions
from pipeline.warehouse.lock import locked
from pipeline.warehouse.readers import COPY, current_copy, renew_copy

if TYPE_CHECKING:
    import polars as pl

# Tables and schema bring Polars along, which takes longer to import than a question to answer: they are imported where they are used.

_CATALOGUE = "catalog.sqlite"
# Write-ahead logging lets other processes read during a commit; the mode stays with the file.
_WRITE_AHEAD = ("META_JOURNAL_MODE 'WAL'",)
# Commits take milliseconds to minutes; a process that died does not hold the lock.
_COMMIT_TIMEOUT_SECONDS = 3600.0
# Bytes with which a catalogue can always be opened.
_ROOM = 1 << 20
# For clients other than hsrl, run in the warehouse's folder; paths are relative to it.
_ATTACH = """-- The last release for any DuckDB {version} client, read-only, in this folder:  duckdb -init attach.sql
-- The copy it names never changes and goes an hour after a newer one came; run this file again for the release of then.
SET autoinstall_known_extensions = false;
{loads}
SET TimeZone = 'UTC';
ATTACH 'ducklake:sqlite:{copy}' AS lake (DATA_PATH 'data/', OVERRIDE_DATA_PATH true, READ_ONLY);
USE lake;
"""


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

    The data path is given anew each time, so that a moved warehouse opens where it now lies.

    Raises:
        WarehouseError: the catalogue is damaged or cannot be read.
    """
    given = [f"DATA_PATH {quoted(f'{root}/data/')}", "OVERRIDE_DATA_PATH true", *options]
    try:
        connection.execute(f"ATTACH {quoted(f'ducklake:sqlite:{root / catalogue}')} AS {alias} ({', '.join(given)})")
    except duckdb.Error as error:
        reason, free = str(error).splitlines()[0], shutil.disk_usage(root).free
        # A catalogue in good order is refused with the same words where its log cannot be made.
        mend = "restore it from a copy of the folder" if free > _ROOM else f"the disk has {free:,} bytes left: free some room"
        raise WarehouseError(f"{root / catalogue}: cannot be opened ({reason}); {mend}") from error


def open_readers(root: Path) -> duckdb.DuckDBPyConnection:
    """A connection to the readers' copy: the last release, whole, while a writer is at work, also from a folder that cannot be written.

    Raises:
        WarehouseError: there is no warehouse at ``root``.
    """
    root = root.absolute()
    _require(root / COPY, os.R_OK)
    connection = connect()
    attach(connection, root, "lake", str(current_copy(root).relative_to(root)), "READ_ONLY")
    connection.execute("USE lake")
    return connection


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
        """Open the warehouse of a folder for writing; make it first if there is none.

        Raises:
            WarehouseError: the folder holds a copy of a catalogue but not the catalogue, or a warehouse of another layout.
        """
        root = root.absolute()
        try:
            (root / "data" / "main").mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise WarehouseError(f"{root}: no warehouse can be made here ({error.strerror}); give another --warehouse") from error
        with locked(root / "commit.lock", "making the warehouse", _COMMIT_TIMEOUT_SECONDS) as lock:
            if not (root / _CATALOGUE).exists() and (root / COPY).exists():
                # A write-ahead log that outlived its catalogue would be applied to the copy.
                mend = f"cd {root} && rm -f {_CATALOGUE}-wal {_CATALOGUE}-shm && cp {COPY} {_CATALOGUE}"
                raise WarehouseError(f"{root}: {_CATALOGUE} is missing but its copy is there; restore it: {mend}")
            if not (root / _CATALOGUE).exists():
                _create(root, lock)
        return cls.open(root, memory_limit_mb)

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
        from pipeline.warehouse.schema import check_layout

        lake = cls._attached(root, memory_limit_mb, *([] if snapshot_id is None else [f"SNAPSHOT_VERSION {snapshot_id}"]))
        check_layout(lake.connection, str(root))
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
        """Whether a folder holds a warehouse."""
        return (root / COPY).is_file()

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
            before = self.last_snapshot()
            self.connection.execute("BEGIN")
            try:
                yield
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
        attach(connection, root, "lake", draft.name, *_WRITE_AHEAD)
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
    _write_attach(root)


def _write_attach(root: Path) -> None:
    """Keep ``attach.sql`` right for this machine: it names the extension files that are installed here."""
    loads = "\n".join(f"LOAD {quoted(extension_path(name))};" for name in EXTENSIONS)
    text = _ATTACH.format(version=duckdb.__version__, loads=loads, copy=current_copy(root).relative_to(root))
    path = root / "attach.sql"
    if not path.exists() or path.read_text(encoding="utf-8") != text:
        draft = root / ".attach.sql.draft"
        draft.write_text(text, encoding="utf-8")
        draft.rename(path)


def _require(catalogue: Path, rights: int) -> None:
    try:
        is_there = catalogue.is_file()
    except OSError as error:
        raise WarehouseError(
            f"{catalogue.parent}: {error.strerror}; grant this user the folder, or give another --warehouse"
        ) from error
    if not is_there:
        raise WarehouseError(f"no warehouse at {catalogue.parent}; make one with: hsrl demo")
    if not os.access(catalogue, rights):
        told = "written" if os.access(catalogue, os.R_OK) else "read"
        raise WarehouseError(
            f"{catalogue}: may not be {told} by this user; grant the folder and its files, or give another --warehouse"
        )


def quoted(text: object) -> str:
    """A SQL literal, for statements (ATTACH, SET, LOAD) that take no bound parameter."""
    return "'" + str(text).replace("'", "''") + "'"
