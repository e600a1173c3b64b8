"""Copies of a warehouse whose catalogue is in PostgreSQL: the folder, and the database by CREATE DATABASE … TEMPLATE."""

import shutil
from pathlib import Path

from pipeline.warehouse.engine import connect
from pipeline.warehouse.literals import quoted
from pipeline.warehouse.postgres import attach_server
from pipeline.warehouse.storage import POSTGRES, Storage, note_storage

# In the scratch folder: the server's connection string, where catalogues are to be in PostgreSQL.
SERVER = "server"


def catalogue_for(home: Path, root: Path) -> str | None:
    """The setting of a warehouse of the scratch folder ``home``; None = the embedded catalogue."""
    server = home / SERVER
    return f"{POSTGRES}{server.read_text()} dbname={_database(root)}" if server.exists() else None


def copy_warehouse(home: Path, source: Path, target: Path) -> None:
    """Make ``target`` what ``source`` is: a warehouse, or nothing."""
    shutil.rmtree(target, ignore_errors=True)
    if source.exists():
        shutil.copytree(source, target)
    if (catalogue := catalogue_for(home, target)) is None:
        return
    template = f" TEMPLATE {_database(source)}" if source.exists() else ""
    # A killed run's connection may not have been missed yet.
    for statement in (
        f"DROP DATABASE IF EXISTS {_database(target)} WITH (FORCE)",
        f"CREATE DATABASE {_database(target)}{template}",
    ):
        with connect() as connection:
            attach_server(connection, f"{(home / SERVER).read_text()} dbname=postgres", "server")
            connection.execute(f"CALL postgres_execute('server', {quoted(statement)}, use_transaction => false)")
    if source.exists():
        note_storage(target, Storage(catalogue))


def _database(root: Path) -> str:
    return f"hsrl_crash_{root.name}"
