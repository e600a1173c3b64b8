"""A content-addressed store: a folder per fingerprint, written whole and then renamed, so that what is there is complete."""

import errno
import hashlib
import json
import os
import re
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.drafts import own_folder
from pipeline.errors import WarehouseError
from pipeline.fingerprints import short_sha256

if TYPE_CHECKING:
    from pipeline.warehouse.remote_artifacts import RemoteArtifacts

_CHUNK = 1 << 20
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.=-]*")


def fingerprint(*parts: object) -> str:
    """16 hexadecimal digits that stand for ``parts``: texts, numbers, booleans, None, and lists and dicts of them.

    Equal parts give equal fingerprints on every machine; the order within a dict does not matter, that of a list does.

    Raises:
        TypeError: a part is anything else, whose text might differ from run to run.
    """
    text = json.dumps(parts, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return short_sha256([text.encode()])


def sha256_of(path: Path) -> str:
    """SHA-256 of a file's bytes; of a folder: of the names and hashes of all files in it, in the order of their names."""
    if path.is_dir():
        return sha256_of_files({str(file.relative_to(path)): sha256_of(file) for file in _files(path)})
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while chunk := stream.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def sha256_of_files(hashes: Mapping[str, str]) -> str:
    """SHA-256 of a folder, given name → SHA-256 of all files in it, in the order of their names."""
    return hashlib.sha256("".join(f"{name} {sha256}\n" for name, sha256 in hashes.items()).encode()).hexdigest()


def bytes_of(path: Path) -> int:
    """Size of a file, or of all files of a folder, in bytes."""
    return sum(file.stat().st_size for file in _files(path)) if path.is_dir() else path.stat().st_size


def refuse_unreadable(path: Path) -> None:
    """Say that this user may not read a file, where it is so; safetensors would say that there is none.

    Raises:
        PermissionError: names it.
    """
    if path.exists() and not os.access(path, os.R_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))


def inside(root: Path, path: str) -> Path:
    """``root / path``, where ``path`` comes from a table: a catalogue that was tampered with must not lead out of the folder.

    Raises:
        WarehouseError: it would.
    """
    found = root / path
    if not found.resolve().is_relative_to(root.resolve()):
        raise WarehouseError(f"{path!r}: a stored path that leads out of {root}; restore the catalogue, see docs/recovery.md")
    return found


class ArtifactStore:
    """Folders ``root/kind/fingerprint``; one that exists is complete.

    Attributes:
        root: the folder.
        withdrawn: fingerprints that a rollback took back: what has them is not used again.
        remote: where what releases have entered is fetched from; None = all there is is here.
    """

    def __init__(self, root: Path, withdrawn: frozenset[str] = frozenset(), remote: "RemoteArtifacts | None" = None) -> None:
        self.root = root
        self.withdrawn = withdrawn
        self.remote = remote

    def not_withdrawn_id(self, name: str) -> str:
        """``name``, or, where a rollback took that back, the next fingerprint derived from it, so that it is computed again."""
        while name in self.withdrawn:
            name = fingerprint(name, "withdrawn")
        return name

    def path(self, kind: str, name: str) -> Path:
        """Where the artifact ``name`` (a fingerprint) lies or would lie; what is in S3 and not here is fetched first.

        Raises:
            WarehouseError: ``kind`` or ``name`` could lead out of the store, or what is in S3 is not what was written.
        """
        for part in (kind, name):
            if not _NAME.fullmatch(part):
                raise WarehouseError(f"artifact {part!r}: expected letters, digits and _.=- only, as in policy/0123456789abcdef")
        folder = self.root / kind / name
        if self.remote and not folder.is_dir():
            self.remote.fetch(folder)
        return folder

    def exists(self, kind: str, name: str) -> bool:
        """Whether it is there, and so complete, after it was fetched if need be."""
        return self.path(kind, name).is_dir()

    @contextmanager
    def writing(self, kind: str, name: str) -> Iterator[Path]:
        """Hand out an empty folder to fill; when the block ends well it becomes the artifact in one rename.

        When the block fails nothing is left. What a killed process left is removed by the next one that writes the same artifact;
        one that is already there is kept as it is (equal fingerprint, equal content), also where it came while the block ran.
        """
        target = self.path(kind, name)
        with own_folder(target) as draft:
            yield draft
            for file in _files(draft):
                file.chmod(
                    draft.stat().st_mode & 0o666
                )  # safetensors lets only the owner read its files, whatever the umask says
                _flush(file)
            try:
                draft.rename(target)
            except OSError:
                if not target.is_dir():
                    raise

    def discard(self, kind: str, name: str) -> None:
        """Remove it, if it is there; it loses its name first, as what has a name is complete."""
        path = self.path(kind, name)
        gone = path.with_name(f".{name}.gone")
        shutil.rmtree(gone, ignore_errors=True)
        with suppress(FileNotFoundError):  # never there, or another process was faster
            path.rename(gone)
        shutil.rmtree(gone, ignore_errors=True)

    def discard_all(self, kind: str) -> None:
        """Remove all of a kind, drafts too; for a kind that nobody else writes meanwhile."""
        folder = self.path(kind, "any").parent
        for path in folder.iterdir() if folder.is_dir() else ():
            if not path.name.startswith("."):
                self.discard(kind, path.name)
        shutil.rmtree(folder, ignore_errors=True)


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def _flush(path: Path) -> None:
    """Write the bytes to the disk before the rename says that they are there."""
    with path.open("rb") as stream:
        os.fsync(stream.fileno())
