"""Raw files: opened by what they are, refused in one line when they are missing, shut or damaged."""

import gzip
import hashlib
import io
import lzma
import stat
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO, cast

from pipeline.errors import EmptyFileError, SourceError
from pipeline.ingest.formats import HEAD_BYTES, TakenJson, refuse_other_formats
from pipeline.ingest.packing import unpacked

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


def open_raw(path: Path, n_bytes: int | None = None, *, takes_json: TakenJson = None) -> BinaryIO:
    """Open a file of text, plain or packed by gzip, xz, bzip2 or Zstandard; which of them, its first bytes say, not its name.

    Args:
        path: the file.
        n_bytes: read only so many of its bytes, those it had when it was hashed; a file may grow meanwhile.
        takes_json: which JSON the caller reads, if any.

    Raises:
        EmptyFileError: the file is empty.
        SourceError: the file is missing, may not be read, or is of another format than text.
    """
    with refusing(path):
        require_regular(path)
        raw = cast(BinaryIO, path.open("rb") if n_bytes is None else io.BufferedReader(_Begin(path, n_bytes)))
        return open_stream(raw, path, takes_json=takes_json)


def open_stream(raw: BinaryIO, path: Path, *, takes_json: TakenJson = None) -> BinaryIO:
    """The text that a buffered stream holds, unpacked; ``path`` is its file, for messages. See ``open_raw``."""
    if not raw.peek(1):  # type: ignore[attr-defined]  # it is buffered
        raw.close()
        raise EmptyFileError(f"{path}: empty, 0 bytes; expected rows")
    stream = unpacked(raw)
    try:
        head = stream.peek(HEAD_BYTES)[:HEAD_BYTES]  # type: ignore[attr-defined]  # whatever is opened here can peek
        if not head:
            raise EmptyFileError(f"{path}: empty, 0 bytes; expected rows")
        refuse_other_formats(head, path, takes_json=takes_json)
    except BaseException:
        stream.close()
        raise
    return stream


def require_regular(path: Path) -> None:
    """Refuse a folder, and a pipe or device, which would be waited for.

    Raises:
        SourceError: it is one.
    """
    mode = path.stat().st_mode
    if stat.S_ISDIR(mode):
        raise SourceError(f"{path}: a folder where a file was expected; name a file or a glob in it, such as {path / '*.csv'}")
    if not stat.S_ISREG(mode):
        raise SourceError(f"{path}: no regular file but a pipe or device; write it to a file first")


class _Begin(io.RawIOBase):
    """The first bytes of a file."""

    def __init__(self, path: Path, n_bytes: int) -> None:
        self.file = path.open("rb", buffering=0)
        self.n_left = n_bytes

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:  # Any: no name for buffers before Python 3.12
        view = memoryview(buffer)[: self.n_left]
        n_read = self.file.readinto(view) or 0 if len(view) else 0
        self.n_left -= n_read
        return n_read

    def close(self) -> None:
        self.file.close()
        super().close()


# Inode, size in bytes, time of writing and time of change (ns since 1970): by them a later change of a file is seen.
Stamp = tuple[int, int, int, int]


@dataclass(frozen=True)
class HashedFile:
    """The SHA-256 of all bytes of a file, and its stamp before they were read."""

    stamp: Stamp
    sha256: str


@dataclass(frozen=True)
class Snapshot:
    """A file as it was when it was hashed.

    Attributes:
        path: the file.
        n_bytes: its size.
        sha256: of these bytes.
        modified_at: when it was last written, seconds since 1970.
        stamp: of the file before it was read.
    """

    path: Path
    n_bytes: int
    sha256: str
    modified_at: float
    stamp: Stamp

    @classmethod
    def of(cls, path: Path, known: HashedFile | None = None) -> "Snapshot":
        """Hash the file as it is now; what ``known`` tells of it holds where its stamp is the same, and nothing is read.

        Raises:
            SourceError: the file is missing or may not be read.
        """
        with refusing(path):
            require_regular(path)
            stamp = _stamp(path)
            sha256, n_bytes = (known.sha256, stamp[1]) if known and known.stamp == stamp else _hash(path, None)
            return cls(path, n_bytes, sha256, path.stat().st_mtime, stamp)

    def goes_on_from(self, sha256: str, n_bytes: int) -> bool:
        """Whether the file is one of so many bytes and this hash, or that with whole lines behind its own.

        Raises:
            SourceError: the file is missing or may not be read.
        """
        if sha256 == self.sha256:
            return True
        if not 0 < n_bytes < self.n_bytes:
            return False
        with refusing(self.path):
            with self.path.open("rb") as file:
                file.seek(n_bytes - 1)
                if file.read(1) not in b"\r\n":  # a line that went on was another line
                    return False
            return _hash(self.path, n_bytes) == (sha256, n_bytes)

    def require_unchanged(self) -> None:
        """Refuse a file whose bytes are no longer those that were hashed; one that only grew still begins with them.

        Raises:
            SourceError: it was written over meanwhile.
        """
        with refusing(self.path):
            if _stamp(self.path) != self.stamp and _hash(self.path, self.n_bytes) != (self.sha256, self.n_bytes):
                raise SourceError(f"{self.path}: was written over while it was read; nothing of it was taken, run again")


def _stamp(path: Path) -> Stamp:
    status = path.stat()
    return status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns


def _hash(path: Path, n_bytes: int | None) -> tuple[str, int]:
    """SHA-256 of the file's first bytes (all of them if None), and how many there were."""
    digest, n_read = hashlib.sha256(), 0
    with path.open("rb") as file:
        while chunk := file.read(1 << 20 if n_bytes is None else min(1 << 20, n_bytes - n_read)):
            digest.update(chunk)
            n_read += len(chunk)
    return digest.hexdigest(), n_read


class Archive:
    """A zip or a folder whose members are known by base name; nothing is ever unpacked to disk.

    Attributes:
        path: the zip or folder.
        members: base name → path inside; of two members of the same name the first.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        with refusing(path):
            self.is_zip = path.is_file()
            if self.is_zip:
                with zipfile.ZipFile(path) as archive:
                    members = [info.filename for info in archive.infolist() if not info.is_dir()]
            elif path.exists():
                members = [str(member.relative_to(path)) for member in sorted(path.iterdir()) if member.is_file()]
            else:
                raise FileNotFoundError(path)
        self.members = {PurePosixPath(member).name: member for member in reversed(members)}

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
                raise EmptyFileError(f"{self.path}: its {name} is empty, 0 bytes; expected rows")
            return open_stream(cast(BinaryIO, archive.open(self.members[name])), self.path / name)
