"""The SQL by which DuckDB clients other than hsrl attach the last release; renewed by each commit."""

from collections.abc import Iterator
from pathlib import Path

import duckdb

from pipeline.warehouse.extensions import EXTENSIONS, extension_path
from pipeline.warehouse.literals import inside_quotes, quoted
from pipeline.warehouse.postgres import SCHEMA
from pipeline.warehouse.readers import current_copy
from pipeline.warehouse.storage import Storage, storage_of

HERE, ELSEWHERE = "attach.sql", "attach-elsewhere.sql"
_HEAD = """-- The last release for any DuckDB {version} client, read-only. {where}
-- {stays}
SET autoinstall_known_extensions = false;
{loads}
SET TimeZone = 'UTC';
-- Detached first: DuckDB {version} crashes where an attached lake is replaced, and nothing is detached that is in use.
ATTACH IF NOT EXISTS ':memory:' AS no_lake;
USE no_lake;
DETACH DATABASE IF EXISTS lake;
ATTACH 'ducklake:{copy}' AS lake ({meta}DATA_PATH '{data}', OVERRIDE_DATA_PATH true, READ_ONLY, CREATE_IF_NOT_EXISTS false);
USE lake;
"""
_COPY_STAYS = (
    "The copy it names never changes and goes an hour after a newer one came; run this file again for the release of then."
)
_WHERE_HERE = f"""On this machine, from any folder:  duckdb -init {{path}}
-- After the folder was moved or copied, or on another machine: {ELSEWHERE}, until the next commit there renews this file."""
_WHERE_ELSEWHERE = f"""For a folder that was moved or copied, in that folder:  duckdb -init {ELSEWHERE}
-- INSTALL fetches an extension once, and nothing where it is installed already; without a network, Python has them:
-- pip install duckdb-extension-ducklake=={{version}} duckdb-extension-sqlite-scanner=={{version}}, then
-- python -c "import duckdb_extensions as e; e.import_extension('ducklake'); e.import_extension('sqlite_scanner')\""""


def write_attach_files(root: Path) -> None:
    """Keep both right: one names this folder and the extension files installed here, the other neither. The commit lock is held."""
    for name, text in _texts(root).items():
        path = root / name
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            draft = root / f".{name}.draft"
            draft.write_text(text, encoding="utf-8")
            draft.rename(path)


def attach_states(root: Path) -> Iterator[tuple[str, str]]:
    """Each of the two that is not as a commit of now would leave it, and why."""
    for name, text in _texts(root).items():
        path = root / name
        written = path.read_bytes() if path.is_file() else None
        if written is None:
            yield name, "it is missing"
        elif name == HERE and quoted(storage_of(root).data_path(root)).encode() not in written:
            yield name, "it names another folder, as this one was moved or copied"
        elif written != text.encode():
            yield name, "it was changed, or written on another machine or beside a copy that is damaged now"


def _texts(root: Path) -> dict[str, str]:
    storage = storage_of(root)
    if storage.dsn is not None:
        return {HERE: _of_server(root, storage)}
    copy = current_copy(root).relative_to(root)
    loads = "\n".join(f"LOAD {quoted(extension_path(name))};" for name in EXTENSIONS)
    by_name = "\n".join(f"INSTALL {name};\nLOAD {name};" for name in ("sqlite", "ducklake"))
    parts = {
        HERE: (_WHERE_HERE.format(path=root / HERE), loads, f"sqlite:{root}/{copy}", f"{root}/data/"),
        ELSEWHERE: (_WHERE_ELSEWHERE.format(version=duckdb.__version__), by_name, f"sqlite:{copy}", "data/"),
    }
    return {
        name: _HEAD.format(
            version=duckdb.__version__,
            where=where,
            loads=loading,
            copy=inside_quotes(catalogue),
            data=inside_quotes(data),
            meta="",
            stays=_COPY_STAYS,
        )
        for name, (where, loading, catalogue, data) in parts.items()
    }


def _of_server(root: Path, storage: Storage) -> str:
    """For a catalogue in PostgreSQL: the same text here and elsewhere but for the extension files; no password stands in it."""
    names = (*EXTENSIONS[1:], "postgres_scanner", *(["httpfs"] if storage.data else []))
    return _HEAD.format(
        version=duckdb.__version__,
        where=f"The catalogue is in PostgreSQL: set PGPASSWORD, then  duckdb -init {root / HERE}",
        stays="Every statement sees the last commit of then.",
        loads="\n".join(f"LOAD {quoted(extension_path(name))};" for name in names),
        copy=inside_quotes(f"postgres:{storage.dsn}"),
        data=inside_quotes(storage.data_path(root)),
        meta=f"META_SCHEMA '{SCHEMA}', ",
    )
