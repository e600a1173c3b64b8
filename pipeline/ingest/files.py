"""Raw files: opened by what they are, refused in one line when they are missing, shut or damaged."""

import gzip
import lzma
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import BinaryIO, cast

from pipeline.errors import SourceError

DAMAGED = (EOFError, lzma.LZMAError, zlib.error, gzip.BadGzipFile, zipfile.BadZipFile)


@contextmanager
def refusing(path: Path) -> Iterator[None]:
    """Turn what the system says of ``path`` into one line for people.

    Raises:
        SourceError: the file is missing, a folder, not readable by this user, or truncated or damaged inside.
    """
    try:
        yield
    except FileNotFoundError as error:
        raise SourceError(f"{path}: no such file; check the path in the source's configuration") from error
    except PermissionError as error:
        raise SourceError(f"{path}: may not be read by this user; grant read permission on it and its folder") from error
    except (IsADirectoryError, NotADirectoryError) as error:
        raise SourceError(f"{path}: a folder where a file was expected, or the other way round; check the path") from error
    except DAMAGED as error:
        raise SourceError(f"{path}: truncated or damaged ({error}); fetch the file again") from error


def open_raw(path: Path) -> BinaryIO:
    """Open a plain, gzip or xz file, told apart by its first bytes and not by its name.

    Raises:
        SourceError: the file is missing, may not be read, or is empty.
    """
    with refusing(path):
        with path.open("rb") as file:
            magic = file.read(6)
        if not magic:
            raise SourceError(f"{path}: empty, 0 bytes; expected rows")
        if magic[:2] == b"\x1f\x8b":
            return cast(BinaryIO, gzip.open(path, "rb"))
        if magic == b"\xfd7zXZ\x00":
            return cast(BinaryIO, lzma.open(path, "rb"))
        return path.open("rb")


class Archive:
    """A zip or a folder whose members are known by base name; nothing is ever unpacked to disk.

    Attributes:
        path: the zip or folder.
        members: base name → place inside; of two members of one name the first.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        with refusing(path):
            self.is_zip = path.is_file()
            if self.is_zip:
                with zipfile.ZipFile(path) as archive:
                    places = [info.filename for info in archive.infolist() if not info.is_dir()]
            elif path.exists():
                places = [str(place.relative_to(path)) for place in sorted(path.iterdir()) if place.is_file()]
            else:
                raise FileNotFoundError(path)
        self.members = {PurePosixPath(place).name: place for place in reversed(places)}

    def require(self, name: str) -> None:
        """Raise SourceError if there is no such member."""
        if name not in self.members:
            raise SourceError(f"{self.path}: has no {name}, only {', '.join(sorted(self.members)[:8])}; fetch it again")

    def file(self, name: str) -> Path:
        """The file on disk that holds the member."""
        return self.path if self.is_zip else self.path / self.members[name]

    def open(self, name: str) -> BinaryIO:
        """Open a member for reading.

        Raises:
            SourceError: the archive has no such member, or is damaged.
        """
        self.require(name)
        if not self.is_zip:
            return open_raw(self.file(name))
        with refusing(self.path), zipfile.ZipFile(self.path) as archive:  # an open member keeps the file open
            if not archive.getinfo(self.members[name]).file_size:
                raise SourceError(f"{self.path}: its {name} is empty, 0 bytes; expected rows")
            return cast(BinaryIO, archive.open(self.members[name]))
