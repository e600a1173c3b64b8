"""Making a catalogue, in a file or in PostgreSQL, and renewing what readers attach."""

from pathlib import Path

from pipeline.warehouse.attach_files import write_attach_files
from pipeline.warehouse.bucket import Bucket
from pipeline.warehouse.engine import MAKING, attach, connect
from pipeline.warehouse.postgres import make_catalogue
from pipeline.warehouse.readers import renew_copy
from pipeline.warehouse.storage import Storage, note_storage, storage_of
from pipeline.warehouse.traces import CATALOGUE

# Write-ahead logging lets other processes read during a commit; the mode stays with the file.
WRITE_AHEAD = ("META_JOURNAL_MODE 'WAL'",)


def make_catalogue_file(root: Path, lock: int) -> None:
    """Make the catalogue aside and rename it, so that a warehouse is either there and whole, or not there."""
    from pipeline.warehouse.schema import create_schema

    draft = root / f".{CATALOGUE}.draft"
    for leftover in root.glob(f"{draft.name}*"):
        leftover.unlink()
    with connect() as connection:
        attach(connection, root, "lake", draft.name, MAKING, *WRITE_AHEAD)
        connection.execute("USE lake")
        create_schema(connection)
    draft.rename(root / CATALOGUE)
    renew(root, lock)


def make_served_catalogue(root: Path, storage: Storage) -> None:
    """Make a catalogue in PostgreSQL, then note in the folder where it is.

    Raises:
        WarehouseError: the database cannot be opened or is another's, the bucket is not there, or its prefix is
            another's.
    """
    from pipeline.warehouse.schema import create_schema

    if storage.data is not None:
        Bucket.at(root, storage.data).require_there()

    def make(schema: str) -> None:
        if storage.data is not None:
            Bucket.at(root, storage.data).require_free()
        attach(connection, root, "lake", CATALOGUE, MAKING, f"META_SCHEMA '{schema}'", storage=storage)
        connection.execute("USE lake")
        create_schema(connection)
        connection.execute("USE memory")
        connection.execute("DETACH lake")

    with connect() as connection:
        make_catalogue(connection, root, storage, make)
    note_storage(root, storage)
    write_attach_files(root)


def renew(root: Path, lock: int) -> None:
    """Renew what readers attach: the copy, and the file by which other clients find it. The commit lock is held.

    Raises:
        WarehouseError: the copy could not be written; what was committed stands.
    """
    if storage_of(root).dsn is None:
        renew_copy(root / CATALOGUE, lock)
    write_attach_files(root)
