"""The DuckLake of one warehouse folder: made, opened, read, and changed in one transaction at a time."""

import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import duckdb

from pipeline.errors import WarehouseError, reason_of
from pipeline.warehouse.bucket import Bucket
from pipeline.warehouse.catalogue_check import require_catalogue
from pipeline.warehouse.engine import attach, connect, open_readers, require_catalogue_file
from pipeline.warehouse.lock import locked
from pipeline.warehouse.making import WRITE_AHEAD, make_catalogue_file, make_served_catalogue, renew
from pipeline.warehouse.postgres import held_everywhere
from pipeline.warehouse.readers import copies_of
from pipeline.warehouse.storage import (
    EMBEDDED,
    Storage,
    note_commit,
    refuse_older_dump,
    require_same_storage,
    storage_of,
)
from pipeline.warehouse.traces import CATALOGUE, has_catalogue, refuse_behind, refuse_inside_another, refuse_traces

if TYPE_CHECKING:
    import polars as pl

    from pipeline.contracts import Table
    from pipeline.warehouse.stored_files import StoredFile

# Tables and schema bring Polars along, which takes longer to import than a question to answer: they are imported where they are used.

# Commits take milliseconds to minutes; a process that died does not hold the lock.
_COMMIT_TIMEOUT_SECONDS = 3600.0
_SPILL = Path("staging") / ".spill"
# Rows that are read at once where not all are.
_ROWS_AT_ONCE = 100_000


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
    def create_or_open(cls, root: Path, memory_limit_mb: int = 1024, storage: Storage = EMBEDDED) -> Self:
        """Open the warehouse of a folder for writing; make it first if there is none, and no trace of one.

        Args:
            root: the folder.
            memory_limit_mb: memory of the engine, MB.
            storage: where catalogue and data of a new warehouse are; of one that is there it must not ask for another place.

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
                    if storage.is_embedded:
                        make_catalogue_file(root, lock)
                    else:
                        make_served_catalogue(root, storage)
        require_same_storage(root, storage)
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
        require_catalogue_file(root / CATALOGUE, os.R_OK | os.W_OK)
        if snapshot_id is None and storage_of(root).dsn is None:
            require_catalogue(root)
        from pipeline.warehouse.schema import check_layout

        lake = cls._attached(root, memory_limit_mb, *([] if snapshot_id is None else [f"SNAPSHOT_VERSION {snapshot_id}"]))
        try:
            check_layout(lake.connection, str(root))
            if snapshot_id is None:
                refuse_behind(root, lake.last_snapshot())
                refuse_older_dump(root, lake.last_snapshot())
        except BaseException:
            lake.close()
            raise
        return lake

    @classmethod
    def open_any_layout(cls, root: Path) -> Self:
        """Open the warehouse of a folder for a migration, whatever version made it.

        Raises:
            WarehouseError: there is none, or it is damaged.
        """
        root = root.absolute()
        require_catalogue_file(root / CATALOGUE, os.R_OK | os.W_OK)
        require_catalogue(root)
        return cls._attached(root, 1024)

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
        return bool(copies_of(root)) or storage_of(root).dsn is not None

    @classmethod
    def _attached(cls, root: Path, memory_limit_mb: int, *options: str) -> Self:
        connection = connect(root / _SPILL, memory_limit_mb)
        attach(connection, root, "lake", CATALOGUE, *options, *WRITE_AHEAD)
        connection.execute("USE lake")
        return cls(root, connection)

    @property
    def spill(self) -> Path:
        """The folder for what does not fit into memory."""
        return self.root / _SPILL

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

    def stream(self, sql: str) -> "Iterator[pl.DataFrame]":
        """The same some rows at a time, for more than memory should hold; nothing else may be asked meanwhile."""
        import polars as pl

        for batch in self.connection.execute(sql).to_arrow_reader(_ROWS_AT_ONCE):
            yield pl.DataFrame(batch)

    def read(self, table: "Table", sql: str, parameters: Sequence[Any] | dict[str, Any] | None = None) -> "pl.DataFrame":
        """Rows of a trusted query that has the columns of ``table``, in the types of its contract."""
        return self.query(sql, parameters).select(list(table.schema)).cast(table.schema)

    def files(self, table: str) -> list[Path]:
        """The paths of ``stored_files``."""
        return [file.path for file in self.stored_files(table)]

    def stored_files(self, table: str, names: Sequence[str] | None = None) -> "list[StoredFile]":
        """The Parquet files behind a bulk table, in the order in which they were registered; of data in S3, their copies in the folder.

        Args:
            table: the table.
            names: only those that the lake names so; None = all.

        Raises:
            WarehouseError: the table is not a bulk table: its rows are not all in files.
        """
        from pipeline.warehouse.stored_files import StoredFile
        from pipeline.warehouse.tables import BULK

        if table not in {bulk.name for bulk in BULK}:
            raise WarehouseError(f"{table} is not kept as registered files; read it with a query")
        rows = self.connection.execute("SELECT data_file, delete_file FROM ducklake_list_files('lake', ?)", [table]).fetchall()
        bucket = Bucket.of(self.root)

        def local(name: str) -> Path:
            return bucket.fetched([bucket.local(name)])[0] if bucket else Path(name)

        only = None if names is None else frozenset(names)
        wanted = sorted(row for row in rows if only is None or row[0] in only)
        return [StoredFile(local(path), local(deleted) if deleted else None) for path, deleted in wanted]

    def name_of(self, file: Path) -> str:
        """How the lake names a file of ``files``."""
        bucket = Bucket.of(self.root)
        return bucket.url_of(file) if bucket else str(file)

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
        with self.commit_lock(message) as lock:
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
            if storage_of(self.root).dsn is not None:
                note_commit(self.root, self.last_snapshot())
            renew(self.root, lock)

    @contextmanager
    def commit_lock(self, owner: str) -> Iterator[int]:
        """Hold the commit lock, of the folder and of PostgreSQL where the catalogue is there.

        Args:
            owner: who asks, for those who wait.

        Yields:
            The descriptor of the folder's lock; see ``locked``.

        Raises:
            WarehouseError: another process held it for an hour.
        """
        timeout = _COMMIT_TIMEOUT_SECONDS
        with (
            locked(self.root / "commit.lock", owner, timeout) as lock,
            held_everywhere(self.connection, self.root, "commit", owner, timeout),
        ):
            yield lock

    def last_snapshot(self) -> int:
        """Number of the last committed snapshot, by whichever process."""
        row = self.connection.execute("SELECT id FROM lake.current_snapshot()").fetchone()
        return int(row[0]) if row else -1

    def _roll_back(self) -> None:
        try:
            self.connection.execute("ROLLBACK")
        except duckdb.Error:  # a COMMIT that failed has ended the transaction already, as has a server that is gone
            return
