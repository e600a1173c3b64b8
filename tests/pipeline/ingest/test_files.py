"""Raw files that are missing, shut or damaged are refused in one line."""

import gzip
import lzma
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.errors import SourceError
from pipeline.ingest.files import Archive, open_raw, refusing

CONTENT = b"1::2::3::4\n" * 1000


def read(path: Path) -> bytes:
    with refusing(path), open_raw(path) as file:
        return file.read()


# The functions and not their output: gzip writes the second into its header, and a test's name holds its parameter, so
# the workers of one run would collect tests of different names.
@pytest.mark.parametrize("pack", [bytes, gzip.compress, lzma.compress])
def test_a_file_is_opened_by_what_it_is_not_by_its_name(tmp_path: Path, pack: Callable[[bytes], bytes]) -> None:
    path = tmp_path / "log"
    path.write_bytes(pack(CONTENT))
    assert read(path) == CONTENT


@pytest.mark.parametrize("pack", [gzip.compress, lzma.compress])
def test_a_truncated_file_is_named(tmp_path: Path, pack: Callable[[bytes], bytes]) -> None:
    path = tmp_path / "log"
    path.write_bytes(pack(CONTENT)[:-20])
    with pytest.raises(SourceError, match=r"log: truncated or damaged .*; fetch the file again$"):
        read(path)


def test_missing_empty_and_shut_files_and_folders_are_named(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="gone: no such file"):
        read(tmp_path / "gone")
    (tmp_path / "empty").touch()
    with pytest.raises(SourceError, match="empty: empty, 0 bytes"):
        read(tmp_path / "empty")
    with pytest.raises(SourceError, match="a folder where a file was expected"):
        read(tmp_path)
    with pytest.raises(SourceError, match="may not be read by this user"), refusing(tmp_path):
        raise PermissionError(13, "Permission denied")


def test_members_are_known_by_base_name_in_a_zip_and_in_a_folder(tmp_path: Path) -> None:
    """A hostile place inside the zip is a key to read by, never a path to write to."""
    (tmp_path / "u.data").write_bytes(CONTENT)
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("../../etc/u.data", CONTENT)
    for path in (tmp_path, tmp_path / "a.zip"):
        with Archive(path).open("u.data") as member:
            assert member.read() == CONTENT
    assert sorted(file.name for file in tmp_path.parent.rglob("u.data")) == ["u.data"]


def test_a_damaged_zip_and_a_missing_or_empty_member_are_named(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("u.item", b"")
    with pytest.raises(SourceError, match=r"a\.zip: has no u\.data, only u\.item"):
        Archive(path).open("u.data")
    with pytest.raises(SourceError, match=r"a\.zip: its u\.item is empty"):
        Archive(path).open("u.item")
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(SourceError, match=r"a\.zip: truncated or damaged"):
        Archive(path)
    with pytest.raises(SourceError, match=r"b\.zip: no such file"):
        Archive(tmp_path / "b.zip")
