"""Copies of a warehouse whose catalogue is in PostgreSQL: the folder, the database by CREATE DATABASE … TEMPLATE, and what is in S3."""

import shutil
from pathlib import Path

from pyarrow.fs import FileSelector

from pipeline.warehouse.bucket import Bucket
from pipeline.warehouse.engine import connect
from pipeline.warehouse.literals import quoted
from pipeline.warehouse.postgres import attach_server
from pipeline.warehouse.storage import POSTGRES, Storage, note_storage

# In the scratch folder: the server's connection string, where catalogues are to be in PostgreSQL.
SERVER = "server"
# There too: the URL under which warehouses have their data files, where these are to be in S3.
DATA = "data-url"


def catalogue_for(home: Path, root: Path) -> str | None:
    """The setting of a warehouse of the scratch folder ``home``; None = the embedded catalogue."""
    server = home / SERVER
    return f"{POSTGRES}{server.read_text()} dbname={_database(root)}" if server.exists() else None


def data_for(home: Path, root: Path) -> str | None:
    """The setting of a warehouse's data files; None = its folder."""
    url = home / DATA
    return f"{url.read_text().rstrip('/')}/{root.name}/" if url.exists() else None


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
    _copy_objects(home, source, target)
    if source.exists():
        note_storage(target, Storage(catalogue, data_for(home, target)))


def _copy_objects(home: Path, source: Path, target: Path) -> None:
    """Make the objects of ``target`` those of ``source``."""
    if (url := data_for(home, target)) is None:
        return
    target.mkdir(exist_ok=True)
    note_storage(target, Storage(catalogue_for(home, target), url))
    old = Bucket.of(target)
    assert old is not None
    for found in old.files.get_file_info(FileSelector(url.removeprefix("s3://"), recursive=True, allow_not_found=True)):
        if found.is_file:  # the note of whose the prefix was among them
            old.files.delete_file(found.path)
    if source.exists() and (from_bucket := Bucket.of(source)):
        for copy in (*from_bucket.sizes(), *from_bucket.artifact_files()):
            mine = target / copy.relative_to(source)
            from_bucket.files.copy_file(*(each.removeprefix("s3://") for each in (from_bucket.url_of(copy), old.url_of(mine))))
    else:
        shutil.rmtree(target)


def _database(root: Path) -> str:
    return f"hsrl_crash_{root.name}"
