"""A catalogue in PostgreSQL: made aside and renamed, and locks that two machines see."""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import duckdb

from pipeline.errors import WarehouseError, reason_of
from pipeline.warehouse.extensions import load_extension
from pipeline.warehouse.literals import quoted
from pipeline.warehouse.storage import Storage, storage_of

# The schema that DuckLake's tables are in, and where they are while they are made.
SCHEMA, DRAFT = "hsrl", "hsrl_draft"
# Locks of one database: the first number is ours, the second says which.
_OURS = 0x6873726C
_NUMBERS = {"making": 1, "writer": 2, "commit": 3}
_IS_LOCK = "held.granted AND held.locktype = 'advisory' AND held.classid = {} AND held.objid = {}"
# A lock is held for as long as a night takes, which limits of the database or of its user would cut off. Some versions have fewer of them.
_WITHOUT_TIME_LIMITS = (
    "SELECT set_config(name, '0', true) FROM pg_settings WHERE name IN ('idle_in_transaction_session_timeout', 'idle_session_timeout', "
    "'transaction_timeout', 'statement_timeout')"
)
_POLL_SECONDS = 0.25
_CONNECT_SECONDS = "10"


def load_client(connection: duckdb.DuckDBPyConnection) -> None:
    """Load the client of PostgreSQL, which gives up a server that does not answer; PGCONNECT_TIMEOUT says when, in seconds."""
    os.environ.setdefault("PGCONNECT_TIMEOUT", _CONNECT_SECONDS)  # libpq reads it as it connects, and waits for ever without
    load_extension(connection, "postgres_scanner")


def attach_server(connection: duckdb.DuckDBPyConnection, dsn: str, alias: str, *options: str) -> None:
    """Attach the database itself, unless it is attached under this alias already.

    Raises:
        WarehouseError: it does not answer, or does not let this user in.
    """
    load_client(connection)
    try:
        connection.execute(f"ATTACH IF NOT EXISTS {quoted(dsn)} AS {alias} ({', '.join(('TYPE postgres', *options))})")
    except duckdb.Error as error:
        raise unreachable(dsn, error) from error


def unreachable(dsn: str, error: Exception) -> WarehouseError:
    """The line for a database that cannot be opened."""
    # libpq's own words stand last, behind the connection string, which the line has already.
    whole = reason_of(error)
    reason = whole[max(whole.rfind("connection to server"), 0) :]
    if "Schema with name" in reason or ("does not exist" in reason and "hsrl" in reason and "database" not in reason):
        reason = f"it has no schema {SCHEMA}"
    return WarehouseError(
        f"catalogue postgres:{dsn}: cannot be opened ({reason:.300}); start PostgreSQL or mend the connection string, set PGPASSWORD, "
        "or put back a dump of it"
    )


def make_catalogue(connection: duckdb.DuckDBPyConnection, root: Path, storage: Storage, make: Callable[[str], None]) -> None:
    """Make the catalogue in a schema of its own and rename that, so that it is either there and whole, or not there.

    Args:
        connection: an engine.
        root: folder of the warehouse.
        storage: where the catalogue is to be.
        make: given the name of the schema, makes everything in it.

    Raises:
        WarehouseError: the database holds the catalogue of another warehouse, or does not answer.
    """
    dsn = storage.dsn or ""
    attach_server(connection, dsn, "server")
    with held(connection.cursor(), "server", "making", f"making {root}", 600.0):
        if _query(connection, "server", f"SELECT 1 FROM pg_namespace WHERE nspname = '{SCHEMA}'"):
            ask = f"SELECT value FROM {SCHEMA}.ducklake_metadata WHERE key = 'data_path'"
            [(data_path,)] = _query(connection, "server", ask) or [("nothing that is known",)]
            if data_path != storage.data_path(root):
                raise WarehouseError(
                    f"catalogue postgres:{dsn}: holds the warehouse whose files are in {data_path}; give every warehouse a database of its own"
                )
            return  # made by a process that died before it could note it in the folder
        _execute(connection, f"DROP SCHEMA IF EXISTS {DRAFT} CASCADE; CREATE SCHEMA {DRAFT}")
        make(DRAFT)
        _execute(connection, f"ALTER SCHEMA {DRAFT} RENAME TO {SCHEMA}")


@contextmanager
def held_everywhere(
    connection: duckdb.DuckDBPyConnection,
    root: Path,
    name: str,
    owner: str,
    timeout_seconds: float,
    on_wait: Callable[[str], None] | None = None,
) -> Iterator[Callable[[], bool]]:
    """Hold a lock of the warehouse's database while the block runs; where the catalogue is embedded, the lock of the folder is enough.

    The database releases it when the connection ends, however the process does: a network or an operator may end it at any time.

    Args:
        connection: an engine; the lock lives in a connection of its own.
        root: folder of the warehouse.
        name: ``writer`` or ``commit``.
        owner: the run that asks.
        timeout_seconds: how long to wait.
        on_wait: called once with a line, if there is anyone to wait for.

    Yields:
        Whether it is held still.

    Raises:
        WarehouseError: another process, here or elsewhere, held it all the time.
    """
    dsn = storage_of(root).dsn
    if dsn is None:
        yield lambda: True
        return
    attach_server(connection, dsn, "postgres_locks", "READ_ONLY")
    with held(connection.cursor(), "postgres_locks", name, owner, timeout_seconds, on_wait) as is_held:
        yield is_held


@contextmanager
def held(
    cursor: duckdb.DuckDBPyConnection,
    server: str,
    name: str,
    owner: str,
    timeout_seconds: float,
    on_wait: Callable[[str], None] | None = None,
) -> Iterator[Callable[[], bool]]:
    """Hold an advisory lock of an attached database until the transaction of ``cursor`` ends; see ``held_everywhere``."""
    lock, give_up_at = f"{_OURS}, {_NUMBERS[name]}", time.monotonic() + timeout_seconds
    held_here = f"SELECT 1 FROM pg_locks AS held WHERE held.pid = pg_backend_pid() AND {_IS_LOCK.format(_OURS, _NUMBERS[name])}"

    def is_held() -> bool:
        try:
            return bool(_query(cursor, server, held_here))
        except duckdb.Error:
            return False

    cursor.execute("BEGIN")
    try:
        _query(cursor, server, _WITHOUT_TIME_LIMITS)
        while _query(cursor, server, f"SELECT pg_try_advisory_xact_lock({lock})") != [(True,)]:
            if time.monotonic() >= give_up_at:
                raise WarehouseError(
                    f"{_holder(cursor, server, name)} is writing, so {owner} waited {timeout_seconds:g} s for it; try again when it has ended"
                )
            if on_wait:
                on_wait(f"waiting for {_holder(cursor, server, name)}, which is writing")
                on_wait = None
            time.sleep(_POLL_SECONDS)
        yield is_held
    finally:
        with suppress(duckdb.Error):  # its connection is gone, and the lock with it
            cursor.execute("ROLLBACK")
        cursor.close()


def _holder(cursor: duckdb.DuckDBPyConnection, server: str, name: str) -> str:
    rows = _query(
        cursor,
        server,
        "SELECT coalesce(host(client_addr), 'here'), activity.pid, to_char(backend_start, 'YYYY-MM-DD HH24:MI') FROM pg_locks AS held "
        f"INNER JOIN pg_stat_activity AS activity ON activity.pid = held.pid WHERE {_IS_LOCK.format(_OURS, _NUMBERS[name])}",
    )
    return "another run (from {}, connection {}, since {})".format(*rows[0]) if rows else "another run"


def inlined_tables(connection: duckdb.DuckDBPyConnection, meta: str) -> list[str]:
    """Tables of the catalogue by name; DuckDB lists those of PostgreSQL only once they were asked for."""
    ask = f"SELECT table_name::text FROM information_schema.tables WHERE table_schema = '{SCHEMA}'"
    return [str(name) for (name,) in _query(connection, meta, ask)]


def _query(connection: duckdb.DuckDBPyConnection, server: str, sql: str) -> list[Any]:
    return connection.execute(f"FROM postgres_query({quoted(server)}, {quoted(sql)})").fetchall()


def _execute(connection: duckdb.DuckDBPyConnection, sql: str) -> None:
    connection.execute(f"CALL postgres_execute('server', {quoted(sql)})")
