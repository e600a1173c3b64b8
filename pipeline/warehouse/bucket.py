"""Data files and artifacts in S3, which hold, and their copies in the warehouse's folder, which Python reads and which may go at any time."""

import hashlib
import json
import os
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb

from pipeline.drafts import drafted
from pipeline.errors import WarehouseError, reason_of
from pipeline.warehouse.artifacts import sha256_of_files
from pipeline.warehouse.extensions import load_extension
from pipeline.warehouse.literals import quoted
from pipeline.warehouse.storage import storage_of

if TYPE_CHECKING:
    from pyarrow.fs import S3FileSystem

_CHUNK = 1 << 20
_DATA = "data/"
ARTIFACTS = "artifacts"
OWNER = "warehouse.json"
_APART = "give every warehouse a prefix of its own in engine.data, or empty it first"
_ARTIFACT_DEPTH = 3  # artifacts, the kind, the name
_REGION = "us-east-1"
_OTHER_VARIABLES = ("AWS_SESSION_TOKEN", "AWS_REGION", "AWS_ENDPOINT_URL")
_KEYS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")


@dataclass(frozen=True)
class Bucket:
    """The files of a warehouse in S3.

    A file is known by where its copy lies in the warehouse's folder: ``data/main/TABLE/…`` is ``main/TABLE/…`` below the URL, and
    ``artifacts/KIND/NAME/…`` is there what it is here.

    Attributes:
        root: folder of the warehouse.
        url: ``s3://BUCKET/PREFIX/``, DuckLake's data path.
        files: the client.
    """

    root: Path
    url: str
    files: "S3FileSystem"

    @classmethod
    def of(cls, root: Path) -> "Bucket | None":
        """The bucket of a warehouse; None where its data files are in its folder.

        Raises:
            WarehouseError: the environment lacks the keys.
        """
        url = storage_of(root).data
        return None if url is None else cls.at(root, url)

    @classmethod
    def at(cls, root: Path, url: str) -> "Bucket":
        """The bucket at a URL, also before the folder notes it.

        Raises:
            WarehouseError: the environment lacks the keys.
        """
        return cls(root, url, _client(*_keys(), *map(os.environ.get, _OTHER_VARIABLES)))

    def local(self, path: str) -> Path:
        """Where the copy of a data file lies, given its URL."""
        return self.root / _DATA / path.removeprefix(self.url)

    def url_of(self, copy: Path) -> str:
        """The URL of a file or folder, given its copy."""
        return f"{self.url}{str(copy.relative_to(self.root)).removeprefix(_DATA)}"

    def put(self, copies: Iterable[Path]) -> None:
        """Upload copies; an object is there whole or not at all.

        Raises:
            WarehouseError: S3 does not take one.
        """
        for copy in copies:
            try:
                with copy.open("rb") as source, self.files.open_output_stream(self._key(copy)) as target:
                    while chunk := source.read(_CHUNK):
                        target.write(chunk)
            except OSError as error:
                raise WarehouseError(
                    f"{self.url_of(copy)}: cannot be written ({reason_of(error):.200}); mend that and run it again"
                ) from error

    def fetched(self, copies: Iterable[Path]) -> list[Path]:
        """The copies, those that are not there downloaded first.

        Raises:
            WarehouseError: a file is missing in S3 or cannot be read.
        """
        wanted = list(copies)
        for copy in wanted:
            if not copy.exists():
                copy.parent.mkdir(parents=True, exist_ok=True)
                with drafted(copy) as draft:
                    self.download(copy, draft)
        return wanted

    def download(self, copy: Path, to: Path) -> None:
        """Write the bytes that are in S3 into a new file ``to``, which need not be where the copy lies.

        Raises:
            WarehouseError: the file is missing in S3 or cannot be read.
        """
        to.parent.mkdir(parents=True, exist_ok=True)
        try:
            with self.files.open_input_stream(self._key(copy)) as source, to.open("wb") as target:
                while chunk := source.read(_CHUNK):
                    target.write(chunk)
        except OSError as error:
            raise self._unreadable(copy, error) from error

    def sizes(self, folder: Path | None = None) -> dict[Path, int]:
        """Copy → bytes in S3 of every file that is there, below a folder; None = data files."""
        from pyarrow.fs import FileSelector

        folder = folder or self.root / _DATA / "main"
        prefix = self._key(folder)
        selector = FileSelector(prefix, recursive=True, allow_not_found=True)
        try:
            found = self.files.get_file_info(selector)
        except OSError as error:
            raise WarehouseError(f"{self.url}: cannot be listed ({reason_of(error):.200}); mend that and run it again") from error
        return {folder / info.path.removeprefix(f"{prefix}/"): info.size for info in found if info.is_file}

    def artifact_sizes(self) -> dict[Path, int]:
        """Folder of an artifact → bytes of its files in S3."""
        found: dict[Path, int] = {}
        for file, size in self.artifact_files().items():
            found[self.artifact_of(file)] = found.get(self.artifact_of(file), 0) + size
        return found

    def artifact_files(self) -> dict[Path, int]:
        """Copy → bytes in S3 of every file of an artifact; what else lies there is not hsrl's."""
        found = self.sizes(self.root / ARTIFACTS)
        return {file: size for file, size in found.items() if len(file.relative_to(self.root).parts) > _ARTIFACT_DEPTH}

    def artifact_of(self, file: Path) -> Path:
        """The folder of the artifact to which a file belongs."""
        return self.root.joinpath(*file.relative_to(self.root).parts[:_ARTIFACT_DEPTH])

    def sha256(self, copy: Path) -> str:
        """SHA-256 of the bytes that are in S3, of a file or of an artifact's folder; as ``sha256_of`` takes it of what is here."""
        if copy.is_relative_to(self.root / ARTIFACTS) and (files := self.sizes(copy)):
            return sha256_of_files({str(file.relative_to(copy)): self.sha256_of_object(file) for file in sorted(files)})
        return self.sha256_of_object(copy)

    def sha256_of_object(self, copy: Path) -> str:
        """SHA-256 of the bytes of one file that is in S3."""
        digest = hashlib.sha256()
        try:
            with self.files.open_input_stream(self._key(copy)) as source:
                while chunk := source.read(_CHUNK):
                    digest.update(chunk)
        except OSError as error:
            raise self._unreadable(copy, error) from error
        return digest.hexdigest()

    def remove(self, copies: Iterable[Path]) -> None:
        """Remove files that are there from S3; copies stay.

        Raises:
            WarehouseError: S3 does not let this user.
        """
        for copy in copies:
            try:
                self.files.delete_file(self._key(copy))
            except OSError as error:
                raise WarehouseError(
                    f"{self.url_of(copy)}: cannot be removed ({reason_of(error):.200}); let these keys delete there, and run it again"
                ) from error

    def require_there(self) -> None:
        """Refuse a bucket that is not there, or that these keys may not list.

        Raises:
            WarehouseError: says which.
        """
        from pyarrow.fs import FileType

        name = self.url.removeprefix("s3://").partition("/")[0]
        try:
            found = self.files.get_file_info(name)
        except OSError as error:
            raise WarehouseError(f"{self.url}: cannot be listed ({reason_of(error):.200}); mend that and run it again") from error
        if found.type == FileType.NotFound:
            raise WarehouseError(f"{self.url}: there is no bucket {name}; make it, or mend engine.data, and run it again")

    def require_free(self) -> None:
        """Refuse a prefix that another warehouse has, or files of hsrl without an owner, before a catalogue is made for it.

        Raises:
            WarehouseError: says whose it is.
        """
        if owner := self._owner():
            raise self._anothers(owner)
        if found := [*self.sizes(), *self.artifact_files()]:
            raise WarehouseError(
                f"{self.url}: holds {len(found):,} files of a warehouse, such as {self.url_of(found[0])}; {_APART}"
            )

    def claim(self, lake: str, catalog: str | None) -> None:
        """Make sure that the prefix is this warehouse's: the first that writes there notes itself in ``warehouse.json``.

        Two catalogues over one prefix would each take the other's files for orphans.

        Args:
            lake: what tells this catalogue from every other.
            catalog: where it is, for people.

        Raises:
            WarehouseError: another catalogue's warehouse has the prefix.
        """
        owner = self._owner()
        if owner is None:
            with self.files.open_output_stream(self._key(self.root / OWNER)) as target:
                target.write(json.dumps({"lake": lake, "catalog": catalog}).encode())
        elif owner["lake"] != lake:
            raise self._anothers(owner)

    def _owner(self) -> dict[str, str] | None:
        note = self.root / OWNER
        try:
            with self.files.open_input_stream(self._key(note)) as source:
                owner = json.loads(source.read())
                return {"lake": str(owner["lake"]), "catalog": str(owner["catalog"])}
        except FileNotFoundError:
            return None
        except OSError as error:
            raise self._unreadable(note, error) from error
        except (ValueError, KeyError, TypeError) as error:
            raise WarehouseError(f"{self.url_of(note)}: does not say whose the prefix is; put back a copy of it") from error

    def _anothers(self, owner: dict[str, str]) -> WarehouseError:
        return WarehouseError(f"{self.url}: belongs to the warehouse whose catalogue is {owner['catalog']}; {_APART}")

    def _unreadable(self, copy: Path, error: OSError) -> WarehouseError:
        reason = reason_of(error)
        is_closed = any(
            word in reason for word in ("ACCESS_DENIED", "FORBIDDEN", "EXPIRED_TOKEN", "INVALID_ACCESS_KEY_ID", "code 403")
        )
        mend = "let these keys read it, or renew them, and run it again" if is_closed else "put it back, see docs/recovery.md"
        return WarehouseError(f"{self.url_of(copy)}: cannot be read ({reason:.200}); {mend}")

    def _key(self, copy: Path) -> str:
        return self.url_of(copy).removeprefix("s3://")


def let_in(connection: duckdb.DuckDBPyConnection, url: str) -> None:
    """Give an engine the keys of the environment for a bucket; before a lake is attached, or it would ask the public service.

    Raises:
        WarehouseError: the environment lacks the keys.
    """
    load_extension(connection, "httpfs")
    key, secret = _keys()
    options = {"KEY_ID": key, "SECRET": secret, "REGION": os.environ.get("AWS_REGION") or _REGION, "SCOPE": url}
    if token := os.environ.get("AWS_SESSION_TOKEN"):
        options["SESSION_TOKEN"] = token
    given = [f"{name} {quoted(value)}" for name, value in options.items()]
    if endpoint := os.environ.get("AWS_ENDPOINT_URL"):
        scheme, _, host = endpoint.rpartition("://")
        given += [
            f"ENDPOINT {quoted(host.rstrip('/'))}",
            f"USE_SSL {'false' if scheme == 'http' else 'true'}",
            "URL_STYLE 'path'",
        ]
    try:
        connection.execute(f"CREATE OR REPLACE SECRET hsrl_s3 (TYPE s3, {', '.join(given)})")
    except duckdb.Error:  # its text may repeat the statement, with the keys in it
        raise WarehouseError(f"{url}: DuckDB takes no keys as the environment has them; look at {' and '.join(_KEYS)}") from None


def _keys() -> tuple[str, str]:
    key, secret = (os.environ.get(name, "") for name in _KEYS)
    if not key or not secret:
        missing = " and ".join(name for name in _KEYS if not os.environ.get(name))
        raise WarehouseError(
            f"data in S3: the environment lacks {missing}; set it, and AWS_ENDPOINT_URL for a server of your own"
        )
    return key, secret


@lru_cache(maxsize=4)
def _client(key: str, secret: str, token: str | None, region: str | None, endpoint: str | None) -> "S3FileSystem":
    from pyarrow.fs import S3FileSystem

    scheme, _, host = (endpoint or "").rpartition("://")
    return S3FileSystem(
        access_key=key,
        secret_key=secret,
        session_token=token,
        region=region or _REGION,
        endpoint_override=host.rstrip("/") or None,
        scheme=scheme or "https",
        background_writes=False,
    )
