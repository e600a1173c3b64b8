"""The warehouse as flows use it: one folder, one writer, releases."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Self

from pipeline.errors import WarehouseError
from pipeline.warehouse.artifacts import ArtifactStore
from pipeline.warehouse.bucket import ARTIFACTS, Bucket
from pipeline.warehouse.engine import LayoutError
from pipeline.warehouse.lake import Lake
from pipeline.warehouse.lock import locked
from pipeline.warehouse.postgres import held_everywhere
from pipeline.warehouse.publish import publish_release
from pipeline.warehouse.release import Changes, Release, ReleaseDraft
from pipeline.warehouse.remote_artifacts import RemoteArtifacts
from pipeline.warehouse.statements import Statement, statement, statements
from pipeline.warehouse.storage import storage_of


class Warehouse(Lake):
    """A DuckLake with releases.

    Attributes:
        artifacts: models and checkpoints by fingerprint.
        staging: what a run has finished but not published; a killed run resumes from it.
    """

    _is_writer: Callable[[], bool] | None = None

    @property
    def artifacts(self) -> ArtifactStore:
        """Models and checkpoints, ``artifacts/<kind>/<fingerprint>/``."""
        taken_back, remote = self.query(statement("withdrawn_artifacts")), None
        if storage_of(self.root).data is not None:
            remote = RemoteArtifacts(
                self.root, dict(self.query(statement("stored_artifacts")).select("path", "sha256").iter_rows())
            )
        return ArtifactStore(self.root / ARTIFACTS, frozenset(taken_back["artifact_id"]), remote)

    @property
    def staging(self) -> ArtifactStore:
        """Finished stages of a run that has not published yet, ``staging/<kind>/<fingerprint>/``."""
        return ArtifactStore(self.root / "staging")

    @classmethod
    def open_release(cls, root: Path, release_id: int, memory_limit_mb: int = 1024) -> Self:
        """Open the warehouse as it was at a release, whatever is published meanwhile; nothing can be written.

        Raises:
            WarehouseError: there is no such release, its snapshot has expired, or its tables are those of before a migration.
        """
        with cls.open(root, memory_limit_mb) as latest:
            release = latest.release(release_id)
        if release.snapshot_id is None:
            raise WarehouseError(f"{root}: the snapshot of release {release_id} has expired; read sids_at({release_id}) instead")
        try:
            return cls.open(root, memory_limit_mb, release.snapshot_id)
        except LayoutError as error:
            raise WarehouseError(
                f"{root}: release {release_id} has the tables of an earlier version, as it is from before hsrl migrate; expected a later one, "
                f'see: hsrl sql "from releases"; its Semantic IDs are in sids_at({release_id})'
            ) from error

    @contextmanager
    def writer(self, run_id: str, timeout_seconds: float, on_wait: Callable[[str], None] | None = None) -> Iterator[None]:
        """Be the one writer while the block runs.

        A refresh holds this from reading the incumbent to its commit; a retrain pins a release and holds it only to publish.

        Args:
            run_id: who asks.
            timeout_seconds: how long to wait for another writer.
            on_wait: called once with a line that says who is writing.

        Raises:
            WarehouseError: another run was writing all the time, or its prefix in S3 is another warehouse's.
        """
        with (
            locked(self.root / "writer.lock", run_id, timeout_seconds, on_wait),
            held_everywhere(self.connection, self.root, "writer", run_id, timeout_seconds, on_wait) as is_held,
        ):
            self._is_writer = is_held
            try:
                self._claim_bucket()
                yield
            finally:
                self._is_writer = None

    def _claim_bucket(self) -> None:
        if bucket := Bucket.of(self.root):
            [(lake,)] = self.connection.execute(
                "SELECT schema_uuid::VARCHAR FROM __ducklake_metadata_lake.ducklake_schema ORDER BY schema_id LIMIT 1"
            ).fetchall()
            bucket.claim(lake, storage_of(self.root).catalog)

    def require_lock(self) -> None:
        """Make sure that the writer's lock is held still, before something becomes visible or goes.

        Raises:
            WarehouseError: the connection that held it was ended, so that another run may be writing.
        """
        if self._is_writer is None or not self._is_writer():
            raise WarehouseError(
                f"{self.root}: the connection to PostgreSQL that held the writer's lock ended, so that another run may be writing; nothing was "
                "published or deleted; run it again"
            )

    def latest_release(self) -> Release | None:
        """The last release, or None before the first."""
        row = self.connection.execute("SELECT max(release_id) FROM releases").fetchone()
        return None if row is None or row[0] is None else self.release(row[0])

    def next_release_id(self) -> int:
        """The number the next release will have; it holds as long as one is the writer."""
        latest = self.latest_release()
        return 1 if latest is None else latest.release_id + 1

    def release(self, release_id: int) -> Release:
        """A release by its number.

        Raises:
            WarehouseError: there is none.
        """
        row = self.connection.execute("SELECT run_id, kind FROM releases WHERE release_id = ?", [release_id]).fetchone()
        if row is None:
            raise WarehouseError(f'{self.root}: there is no release {release_id}; list them with: hsrl sql "from releases"')
        snapshot = self.connection.execute(
            "SELECT max(snapshot_id) FROM lake.snapshots() WHERE json_extract_string(commit_extra_info, '$.release') = ?",
            [str(release_id)],
        ).fetchone()
        return Release(release_id, snapshot[0] if snapshot else None, row[0], row[1])

    def open_releases(self) -> list[int]:
        """The releases that can still be opened as they were."""
        rows = self.connection.execute(
            "SELECT DISTINCT json_extract_string(commit_extra_info, '$.release')::BIGINT AS release_id FROM lake.snapshots() "
            "WHERE json_extract_string(commit_extra_info, '$.release') IS NOT NULL ORDER BY release_id"
        ).fetchall()
        return [number for (number,) in rows]

    def publish(self, draft: ReleaseDraft, changes: Changes, audits: Sequence[Statement] | None = None) -> Release | None:
        """Publish ``changes`` as the next release, in one transaction, after its audits.

        Args:
            draft: where it comes from.
            changes: the rows and files that change.
            audits: the audits to run; None = all of ``sql/audits``.

        Returns:
            The release; None where there is nothing to publish.

        Raises:
            ContractError: a frame or file breaks its table's contract.
            WarehouseError: the writer's lock is not held, a file is already registered, or the commit did not happen.
            AuditError: a blocking audit found offenders; nothing became visible.
        """
        if self._is_writer is None:
            raise WarehouseError(
                f"{self.root}: run {draft.run_id} is not the writer; publish inside warehouse.writer(run_id, timeout)"
            )
        if changes.is_empty:
            return None
        release_id = self.next_release_id()
        all_audits = list(statements("audits")) if audits is None else audits
        publish_release(self, draft, release_id, changes, all_audits, self.require_lock)
        return self.release(release_id)
