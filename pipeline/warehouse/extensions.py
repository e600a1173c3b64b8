"""DuckDB's extensions as the installed wheels brought them: where they are, and whether they are still what was installed."""

import base64
import hashlib
from functools import cache
from importlib.resources import files as package_files
from pathlib import Path

import duckdb

EXTENSIONS = ("sqlite_scanner", "ducklake")


def extension_path(name: str) -> Path:
    """The file of an extension for the running version of DuckDB."""
    return (
        Path(str(package_files(f"duckdb_extension_{name}")))
        / "extensions"
        / f"v{duckdb.__version__}"
        / f"{name}.duckdb_extension"
    )


def load_extensions(connection: duckdb.DuckDBPyConnection) -> None:
    """Load them into an engine, and let no other extension without a signature in after them."""
    for name in EXTENSIONS:
        connection.execute(f"LOAD '{str(extension_path(name)).replace(chr(39), chr(39) * 2)}'")
    connection.execute("SET allow_unsigned_extensions = false")


def load_extension(connection: duckdb.DuckDBPyConnection, name: str) -> None:
    """Load an extension that only some warehouses need; DuckDB looks at its signature.

    Raises:
        ModuleNotFoundError: its wheel, which an extra brings, is not installed.
    """
    connection.execute(f"LOAD '{str(extension_path(name)).replace(chr(39), chr(39) * 2)}'")


def are_as_installed() -> bool:
    """Whether every extension file has the SHA-256 that its wheel recorded at installation.

    DuckDB's own check of a signature takes .2 CPU seconds a file and connection; this one takes .03, once a process. Where it fails,
    for whatever reason, the caller leaves the check to DuckDB.
    """
    for name in EXTENSIONS:
        path = extension_path(name)
        try:
            state = path.stat()
            if not _is_as_installed(path, state.st_size, state.st_mtime_ns, state.st_ino):
                return False
        except OSError:
            return False
    return True


@cache
def _is_as_installed(path: Path, size: int, changed_ns: int, inode: int) -> bool:
    """Whether a file, in the state that the other arguments describe, is what a RECORD beside its package names."""
    packages, package = path.parents[3], path.parents[2].name
    line_begins = f"{path.relative_to(packages).as_posix()},sha256="
    recorded = {
        line.removeprefix(line_begins).split(",")[0]
        for record in packages.glob(f"{package}-*.dist-info/RECORD")
        for line in record.read_text(encoding="utf-8").splitlines()
        if line.startswith(line_begins)
    }
    if len(recorded) != 1:
        return False
    with path.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode() in recorded
