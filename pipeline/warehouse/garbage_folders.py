"""Folders that nothing leads to any more: staged stages of dead runs, and artifacts that no kept release needs, here and in S3."""

import shutil
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

from pipeline.warehouse.artifacts import inside
from pipeline.warehouse.bucket import ARTIFACTS, Bucket
from pipeline.warehouse.config import RetentionConfig
from pipeline.warehouse.engine import attach, connect
from pipeline.warehouse.statements import statement
from pipeline.warehouse.traces import CATALOGUE
from pipeline.warehouse.warehouse import Warehouse


def stale(warehouse: Warehouse, retention: RetentionConfig, now: datetime, is_shared: bool) -> Iterator[Path]:
    """Staged stages and unpublished artifacts of runs that did not come back for them.

    While another run is alive (a retrain, which becomes the writer only to publish), its files cannot be told apart from those that a
    dead run left: all of them stay, except what only a refresh stages.
    """
    known = set(warehouse.query("SELECT artifact_id FROM artifacts")["artifact_id"])
    before = (now - timedelta(days=retention.resume_days)).timestamp()
    staging, store = warehouse.root / "staging", warehouse.root / "artifacts"
    kinds = [staging / "delivery", staging / "embeddings", staging / "rest", staging / "forget", staging / "merged"]
    if not is_shared:
        kinds += [staging / "training", *(path for path in sorted(store.glob("*")) if path.is_dir())]
    for kind in kinds:
        for folder in sorted(kind.glob("*")) if kind.is_dir() else ():
            if folder.is_symlink() or not folder.is_dir():  # nothing of hsrl's
                continue
            if folder.name.endswith(".gone") or (folder.name not in known and folder.stat().st_mtime < before):
                yield folder
    if not is_shared:
        yield from sorted(path for path in (staging / ".spill").glob("*") if path.is_dir())


def superseded(warehouse: Warehouse, kept: dict[int, int]) -> Iterator[Path]:
    """Published artifacts that no kept release, and no release to come, can ask for."""
    if not kept:
        return
    needed = {name for last in ("last_user_state", "last_like_sums") for name in warehouse.query(statement(last))["artifact_id"]}
    for snapshot in kept.values():
        with connect() as past:
            attach(past, warehouse.root, "lake", CATALOGUE, f"SNAPSHOT_VERSION {snapshot}", "READ_ONLY")
            past.execute("USE lake")
            needed |= {name for (name,) in past.execute(statement("artifacts_of_release")).fetchall()}
    away = Bucket.of(warehouse.root)
    in_bucket = away.artifact_sizes() if away else {}
    rows = warehouse.query(statement("stored_before_release"), {"release_id": min(kept)}).rows()
    for name, path in rows:
        folder = inside(warehouse.root, path)
        if name not in needed and (folder.is_dir() or folder in in_bucket):
            yield folder


def stray_objects(warehouse: Warehouse) -> list[Path]:
    """Where the copies of files of artifacts would lie that are in S3 and that no release has entered, as a run died before its commit.

    The writer's lock is held, without which nothing is uploaded.
    """
    bucket = Bucket.of(warehouse.root)
    if bucket is None:
        return []
    entered = {warehouse.root / path for path in warehouse.query(statement("stored_artifacts"))["path"]}
    return sorted(file for file in bucket.artifact_files() if bucket.artifact_of(file) not in entered)


def remove_folder(root: Path, folder: Path) -> None:
    """Remove a folder of the staging area or the store, of an artifact in S3 there too."""
    bucket = Bucket.of(root) if folder.is_relative_to(root / ARTIFACTS) else None
    if bucket:
        bucket.remove(bucket.sizes(folder))
    gone = folder.with_name(f".{folder.name.lstrip('.')}.gone")  # a folder with a name is complete, so it loses its name first
    if folder.is_dir() and folder != gone:
        shutil.rmtree(gone, ignore_errors=True)
        folder.rename(gone)
    if gone.is_dir():
        shutil.rmtree(gone)
