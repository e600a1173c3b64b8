"""Artifacts of a warehouse whose files are in S3: written here, uploaded before the commit that names them, fetched where they lack."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pipeline.drafts import own_folder
from pipeline.errors import WarehouseError, reason_of
from pipeline.warehouse.artifacts import sha256_of
from pipeline.warehouse.bucket import Bucket


@dataclass(frozen=True)
class RemoteArtifacts:
    """What releases have entered, and where it is fetched from. It is pickled without keys, which each process takes of its environment.

    Attributes:
        root: folder of the warehouse.
        hashes: folder of an artifact, relative to ``root`` → its SHA-256 in the table ``artifacts``.
    """

    root: Path
    hashes: Mapping[str, str]

    def fetch(self, folder: Path) -> None:
        """Download an artifact that a release has entered; nothing where no release has, or where gc has removed it.

        Raises:
            WarehouseError: what is in S3 is not what was written, or this user may not write the folder.
        """
        sha256, bucket = self.hashes.get(str(folder.relative_to(self.root))), Bucket.of(self.root)
        files = bucket.sizes(folder) if sha256 and bucket else {}
        if not files or not bucket:
            return
        try:
            with own_folder(folder) as draft:
                for file in files:
                    bucket.download(file, draft / file.relative_to(folder))
                if sha256_of(draft) != sha256:
                    raise WarehouseError(
                        f"{bucket.url_of(folder)}/: {len(files)} files in S3 are not the bytes that were written; "
                        "put them back there, see docs/recovery.md"
                    )
                try:
                    draft.rename(folder)
                except OSError:  # another process was faster
                    if not folder.is_dir():
                        raise
        except OSError as error:
            raise WarehouseError(
                f"{folder}: cannot be fetched from S3 ({reason_of(error)}); grant this user the folder, or make room"
            ) from error

    def upload(self, folder: Path) -> None:
        """Upload the files of an artifact that are not in S3 in their size; the writer's lock is held, so that gc takes none of them.

        Raises:
            WarehouseError: S3 does not take one.
        """
        if bucket := Bucket.of(self.root):
            there = bucket.sizes(folder)
            files = sorted(path for path in folder.rglob("*") if path.is_file())
            bucket.put(file for file in files if there.get(file) != file.stat().st_size)
