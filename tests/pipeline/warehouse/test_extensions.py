"""An extension is loaded without DuckDB's look at its signature only where it is byte for byte what its wheel brought."""

import base64
import hashlib
import shutil
from pathlib import Path

import duckdb
import pytest

from pipeline.warehouse import engine, extensions

NAME = "duckdb_extension_x"


def installed(packages: Path, content: bytes, recorded: bytes | None) -> Path:
    """A package with one extension file, and a RECORD that names the hash of other bytes or of none."""
    path = packages / NAME / "extensions" / "v1" / "x.duckdb_extension"
    path.parent.mkdir(parents=True)
    path.write_bytes(content)
    if recorded is not None:
        digest = base64.urlsafe_b64encode(hashlib.sha256(recorded).digest()).rstrip(b"=").decode()
        (packages / f"{NAME}-1.dist-info").mkdir()
        (packages / f"{NAME}-1.dist-info" / "RECORD").write_text(
            f"{NAME}/__init__.py,sha256=x,0\n{NAME}/extensions/v1/x.duckdb_extension,sha256={digest},{len(content)}\n"
        )
    return path


@pytest.mark.parametrize(("recorded", "is_same"), [(b"code", True), (b"cod3", False), (None, False)])
def test_a_file_is_compared_with_its_record(tmp_path: Path, recorded: bytes | None, is_same: bool) -> None:
    path = installed(tmp_path, b"code", recorded)
    state = path.stat()
    assert extensions._is_as_installed(path, state.st_size, state.st_mtime_ns, state.st_ino) is is_same


def test_a_file_that_changed_is_compared_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = installed(tmp_path, b"code", b"code")
    monkeypatch.setattr(extensions, "EXTENSIONS", ("x",))
    monkeypatch.setattr(extensions, "extension_path", lambda _: path)
    assert extensions.are_as_installed()
    path.write_bytes(b"c0de")
    assert not extensions.are_as_installed()
    path.unlink()
    assert not extensions.are_as_installed()


def test_a_changed_extension_is_not_loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One byte differs from the wheel's: the look at the signature is left to DuckDB, which refuses it."""
    real = extensions.extension_path("ducklake")
    changed = tmp_path / "duckdb_extension_ducklake" / "extensions" / "v1" / "ducklake.duckdb_extension"
    changed.parent.mkdir(parents=True)
    shutil.copy(real, changed)
    with changed.open("r+b") as file:
        file.seek(5_000_000)
        byte = file.read(1)
        file.seek(5_000_000)
        file.write(bytes([byte[0] ^ 1]))
    monkeypatch.setattr(extensions, "extension_path", lambda _: changed)
    monkeypatch.setattr(extensions, "EXTENSIONS", ("ducklake",))
    with pytest.raises(duckdb.Error, match="signature"):
        engine.connect()


def test_after_its_own_extensions_an_engine_takes_signed_ones_only() -> None:
    with engine.connect() as connection:
        assert connection.execute("SELECT current_setting('allow_unsigned_extensions')").fetchone() == (False,)
        with pytest.raises(duckdb.Error, match="Cannot change allow_unsigned_extensions"):
            connection.execute("SET allow_unsigned_extensions = true")
