"""Where a warehouse keeps its catalogue and its data files, if not in its folder: noted in the file ``storage.json`` of the folder."""

import json
import re
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from pipeline.errors import WarehouseError, reason_of

STORAGE = "storage.json"
POSTGRES = "postgres:"
# The last commit that was made from this folder to a catalogue elsewhere.
COMMITTED = "committed.json"
# What libpq would take from the text, and what belongs into the environment.
_SECRET = re.compile(r"\b(password|passfile|sslpassword)\s*=|://[^@/\s]*:[^@/\s]*@", re.IGNORECASE)


@dataclass(frozen=True)
class Storage:
    """Where the catalogue and the data files are.

    Attributes:
        catalog: ``postgres:`` and a libpq connection string without a password; None = ``catalog.sqlite`` in the folder.
        data: an S3 URL that ends with a slash; None = ``data/`` in the folder.
    """

    catalog: str | None = None
    data: str | None = None

    @property
    def is_embedded(self) -> bool:
        """Whether all is in the folder."""
        return self.catalog is None and self.data is None

    @property
    def dsn(self) -> str | None:
        """The connection string of PostgreSQL; the password comes from PGPASSWORD or the user's password file."""
        return None if self.catalog is None else self.catalog.removeprefix(POSTGRES)

    def data_path(self, root: Path) -> str:
        """What every path of a data file begins with; ends with a slash."""
        return self.data or f"{root}/data/"


EMBEDDED = Storage()


def fault_of(catalog: str | None, data: str | None) -> str | None:
    """What is wrong with two settings; None = nothing. Never says what they hold where that may be a secret."""
    if catalog is not None and (not catalog.startswith(POSTGRES) or "=" not in catalog):
        return "catalog is no 'postgres:' with a connection string, as in 'postgres:host=db.example dbname=hsrl user=hsrl'"
    if catalog is not None and _SECRET.search(catalog):
        return "catalog holds a password, which would be saved with every run; leave it out and set PGPASSWORD"
    if data is not None and not re.fullmatch(r"s3://[^/@\s]+(/[^@\s]*)?", data):
        return "data is no 's3://BUCKET/PREFIX/'; keys belong into AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
    if data is not None and catalog is None:
        return "data in S3 wants the catalogue in PostgreSQL: set catalog too"
    return None


def storage_of(root: Path) -> Storage:
    """Where the warehouse of a folder keeps its parts.

    Raises:
        WarehouseError: ``storage.json`` is damaged, or this user may not read it.
    """
    path = root / STORAGE
    try:
        storage = Storage(**json.loads(path.read_text(encoding="utf-8")))
        fault = fault_of(storage.catalog, storage.data)
        if storage.data is not None:  # a person may have written it
            storage = replace(storage, data=f"{storage.data.rstrip('/')}/")
    except FileNotFoundError:
        return Storage()
    except NotADirectoryError as error:
        raise WarehouseError(f"{root}: a file where a warehouse's folder was expected; give another --warehouse") from error
    except PermissionError as error:
        raise WarehouseError(f"{root}: {reason_of(error)}; grant this user the folder, or give another --warehouse") from error
    except (ValueError, TypeError, AttributeError, OSError):
        storage, fault = Storage(), "is damaged"
    if fault:
        raise WarehouseError(
            f'{path}: {fault}; write {{"catalog": "postgres:host=… dbname=…", "data": null}} as it was, see docs/scale.md'
        )
    return storage


def note_storage(root: Path, storage: Storage) -> None:
    """Note where the parts are; from here on the folder holds a warehouse."""
    draft = root / f".{STORAGE}.draft"
    draft.write_text(json.dumps(asdict(storage), indent=1) + "\n", encoding="utf-8")
    draft.replace(root / STORAGE)


def require_same_storage(root: Path, asked: Storage) -> None:
    """Refuse settings that ask for another place than where the warehouse is; no settings ask for none.

    Raises:
        WarehouseError: they do.
    """
    found = storage_of(root)
    if asked.is_embedded or asked == found:
        return
    for name, mine, theirs in (("catalog", asked.catalog, found.catalog), ("data", asked.data, found.data)):
        if mine != theirs:
            raise WarehouseError(
                f"{root}: engine.{name} is {mine!r}, but the warehouse was made with {theirs or 'that of its folder'!r}; "
                "leave it out, or name another --warehouse"
            )


def note_commit(root: Path, snapshot: int) -> None:
    """Note the last commit; the commit lock is held."""
    draft = root / f".{COMMITTED}.draft"
    draft.write_text(json.dumps({"snapshot": snapshot}), encoding="utf-8")
    draft.replace(root / COMMITTED)


def refuse_older_dump(root: Path, last_snapshot: int) -> None:
    """Refuse a catalogue that lacks commits of this folder, as a dump of yesterday does; a folder without a note has made none.

    Raises:
        WarehouseError: it does.
    """
    try:
        noted = int(json.loads((root / COMMITTED).read_text(encoding="utf-8"))["snapshot"])
    except (OSError, ValueError, TypeError, KeyError):
        return
    if last_snapshot < noted:
        raise WarehouseError(
            f"{root}: the catalogue ends with commit {last_snapshot}, but {noted} were made here; put back a newer dump, or remove "
            f"{root / COMMITTED} to go on from the older state: hsrl gc then removes the files of the commits that are lost"
        )
