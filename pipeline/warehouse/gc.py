"""Garbage collection: DuckLake's expiry and clean-up with a retention, and the folders that nothing leads to any more."""

import json
import re
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from pipeline.warehouse.artifacts import bytes_of
from pipeline.warehouse.bucket import Bucket
from pipeline.warehouse.config import RetentionConfig
from pipeline.warehouse.garbage_folders import remove_folder, stale, stray_objects, superseded
from pipeline.warehouse.literals import quoted
from pipeline.warehouse.lock import living
from pipeline.warehouse.making import renew
from pipeline.warehouse.own_files import enter_hashes, own_files
from pipeline.warehouse.postgres import inlined_tables
from pipeline.warehouse.readers import outdate_copy, shrink
from pipeline.warehouse.schema import INLINE_ROWS
from pipeline.warehouse.small_files import Batch, find_small_files, merge
from pipeline.warehouse.storage import storage_of
from pipeline.warehouse.tables import BULK
from pipeline.warehouse.traces import CATALOGUE
from pipeline.warehouse.warehouse import Warehouse

# A file with at least this share of deleted rows is written again without them.
_MOSTLY_DEAD = 0.5
# Below data/main/: a registered file, or one of DuckLake's own.
_OWN = re.compile(r"[a-z_]+/(r\d{6}/[^/]+|ducklake-[^/]+)\.parquet")
# Data files and delete files that began and ended between two kept snapshots, or wait for their deletion already.
_UNNEEDED = """
SELECT path, file_size_bytes FROM {meta}.ducklake_data_file AS file
WHERE end_snapshot IS NOT NULL AND NOT EXISTS
    (SELECT 1 FROM (SELECT unnest($kept) AS kept) WHERE kept >= file.begin_snapshot AND kept < file.end_snapshot)
UNION ALL
SELECT path, file_size_bytes FROM {meta}.ducklake_delete_file AS file
WHERE end_snapshot IS NOT NULL AND NOT EXISTS
    (SELECT 1 FROM (SELECT unnest($kept) AS kept) WHERE kept >= file.begin_snapshot AND kept < file.end_snapshot)
UNION ALL
SELECT path, 0 FROM {meta}.ducklake_files_scheduled_for_deletion
"""


# Columns that may name a user or an item.
_NAMING = """
SELECT "table".table_id, "column".column_id, coalesce(outer_column.column_name, "column".column_name) AS named,
    CASE WHEN outer_column.column_id IS NULL THEN 'FROM "' || "table".table_name || '"'
    ELSE 'FROM (SELECT unnest("' || named || '") AS "' || named || '" FROM "' || "table".table_name || '")' END
FROM {meta}.ducklake_column AS "column" INNER JOIN {meta}.ducklake_table AS "table" ON "table".table_id = "column".table_id
LEFT JOIN {meta}.ducklake_column AS outer_column -- the elements of a list are a column of their own
    ON outer_column.table_id = "column".table_id AND outer_column.column_id = "column".parent_column AND outer_column.end_snapshot IS NULL
WHERE "column".end_snapshot IS NULL AND "table".end_snapshot IS NULL AND (
    (outer_column.column_id IS NULL AND "column".column_name IN
        ('user_id', 'item_id', 'raw_id', 'record_id', 'title', 'raw', 'attributes', 'request_id', 'session_id'))
    OR outer_column.column_name = 'examples')
"""


@dataclass(frozen=True)
class Garbage:
    """What a collection takes away, found before anything is touched.

    Attributes:
        releases: numbers of the releases that can no longer be opened as they were; ``sids_at`` still answers for them.
        snapshots: DuckLake's snapshots that expire: theirs, and those of ledger entries.
        n_files: data files that only expired snapshots need.
        orphans: files in the data folder that no snapshot names, and files of artifacts in S3 that no release has entered.
        folders: artifacts and staged stages that nothing leads to.
        bytes: of everything that is deleted.
        to_merge: small files of a user bucket, which become one.
        to_flush: small tables of which more rows, alive or dead, lie in the catalogue than one commit may put there; they go into files.
    """

    releases: list[int]
    snapshots: list[int]
    n_files: int
    orphans: list[Path]
    folders: list[Path]
    bytes: int
    to_flush: list[str] = field(default_factory=list)
    to_merge: list[Batch] = field(default_factory=list)


def find_garbage(warehouse: Warehouse, retention: RetentionConfig, run_id: str, now: datetime | None = None) -> Garbage:
    """What may go. The writer's lock is held, so that no refresh is at work; staged files of a living retrain are left alone.

    Args:
        warehouse: the warehouse.
        retention: what is kept.
        run_id: the run that collects.
        now: the time to count back from; None = now.
    """
    now = now or datetime.now(UTC)
    with warehouse.commit_lock(run_id):
        kept, releases, snapshots = _retained(warehouse, retention, now)
        unneeded = _unneeded(warehouse, [*kept.values(), warehouse.last_snapshot()])
        orphans = _orphans(warehouse)
        to_flush, to_merge = _to_flush(warehouse), find_small_files(warehouse)
    others = living(warehouse.root) - {run_id}
    orphans = [*orphans, *stray_objects(warehouse)]
    folders = [*stale(warehouse, retention, now, bool(others)), *superseded(warehouse, kept)]
    size = sum(size for _, size in unneeded) + _bytes(warehouse.root, [*orphans, *folders])
    return Garbage(releases, snapshots, len(unneeded), orphans, folders, size, to_flush, to_merge)


def collect(warehouse: Warehouse, garbage: Garbage, run_id: str) -> None:
    """Delete what ``find_garbage`` found. Killed in the middle, it leaves more garbage and nothing else; the last release is never touched."""
    # First, as it makes a snapshot: the files that it replaces go as soon as the releases that they are of expire.
    merge(warehouse, garbage.to_merge, run_id)
    is_served = storage_of(warehouse.root).dsn is not None
    with warehouse.commit_lock(run_id) as lock:
        _outdate(warehouse)
        if garbage.snapshots:
            _call(warehouse, "ducklake_expire_snapshots", f"versions => {garbage.snapshots}")
        renew(warehouse.root, lock)  # from here on readers ask for nothing that is about to go
        _outdate(warehouse)
        _reclaim(warehouse)
        renew(warehouse.root, lock)
    # Only now: a flush writes dead rows into files as well.
    if to_flush := sorted(set(garbage.to_flush) & set(_to_flush(warehouse))):
        _flush(warehouse, to_flush, run_id)
    with warehouse.commit_lock(run_id) as lock:
        warehouse.require_lock()
        _outdate(warehouse)
        _call(warehouse, "ducklake_cleanup_old_files", "cleanup_all => true")
        if bucket := Bucket.of(warehouse.root):
            bucket.remove(set(garbage.orphans).intersection([*_orphans(warehouse), *stray_objects(warehouse)]))
            _forget_copies(warehouse.root, bucket)
        else:
            for orphan in set(garbage.orphans).intersection(_orphans(warehouse)):
                orphan.unlink(missing_ok=True)
        renew(warehouse.root, lock)
        if not is_served:  # PostgreSQL clears up after itself
            shrink(warehouse.root / CATALOGUE, lock)
    for folder in garbage.folders:
        remove_folder(warehouse.root, folder)
    for folder in sorted((warehouse.root / "data" / "main").glob("*/r*")):
        if folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()


def _bytes(root: Path, paths: list[Path]) -> int:
    """Of files and folders, in S3 where they are there."""
    bucket = Bucket.of(root)
    away = {**bucket.sizes(), **bucket.artifact_files(), **bucket.artifact_sizes()} if bucket else {}
    return sum(away[path] if path in away else bytes_of(path) for path in paths if path in away or path.exists())


def _orphans(warehouse: Warehouse) -> list[Path]:
    """Files that no snapshot names, of those that hsrl (a folder a release) or DuckLake wrote; DuckLake's own clean-up takes any.

    Of data in S3: where their copies are, or would be.
    """
    listed = _call(warehouse, "ducklake_delete_orphaned_files", "dry_run => true, cleanup_all => true")
    data_folder = f"{storage_of(warehouse.root).data_path(warehouse.root)}main/"
    names = [path.removeprefix(data_folder) for (path,) in listed if path.startswith(data_folder)]
    return [warehouse.root / "data" / "main" / name for name in names if _OWN.fullmatch(name)]


def _forget_copies(root: Path, bucket: Bucket) -> None:
    """Remove the copies of files that are gone from S3."""
    there = bucket.sizes()
    for copy in (root / "data" / "main").rglob("*.parquet"):
        if copy not in there:
            copy.unlink()


def _to_flush(warehouse: Warehouse) -> list[str]:
    meta = "__ducklake_metadata_lake"
    inlined = warehouse.query(
        f'SELECT "table".table_name, "table".table_id, inlined.table_name AS rows_in FROM {meta}.ducklake_inlined_data_tables AS inlined '
        f'INNER JOIN {meta}.ducklake_table AS "table" ON "table".table_id = inlined.table_id ORDER BY ALL'
    ).rows()
    if storage_of(warehouse.root).dsn is not None:
        deletions = set(inlined_tables(warehouse.connection, meta))
    else:
        deletions = {
            name
            for (name,) in warehouse.query(
                f"SELECT table_name FROM duckdb_tables() WHERE database_name = '{meta}' AND table_name LIKE 'ducklake_inlined_delete_%'"
            ).rows()
        }
    counts: Counter[str] = Counter()
    for table, number, rows_in in inlined:
        for name in {rows_in, f"ducklake_inlined_delete_{number}"} & {rows_in, *deletions}:
            counts[table] += warehouse.query(f"SELECT count(*) AS n FROM {meta}.{name}").item()
    bulk = {table.name for table in BULK}
    return sorted(table for table, n in counts.items() if n > INLINE_ROWS and table not in bulk)


def _flush(warehouse: Warehouse, tables: list[str], run_id: str) -> None:
    """Move rows of small tables from the catalogue into files, and rewrite the files of which most rows are deleted."""
    with warehouse.transaction(f"rows of {len(tables)} tables into files", {"run": run_id}):
        for table in tables:
            _call(warehouse, "ducklake_flush_inlined_data", f"table_name => {quoted(table)}")
    before = own_files(warehouse.root)
    with warehouse.commit_lock(run_id):
        for table in tables:
            # A commit of its own: DuckLake lets no transaction both change and rewrite.
            _call(warehouse, "ducklake_rewrite_data_files", f"{quoted(table)}, delete_threshold => {_MOSTLY_DEAD}")
    if own_files(warehouse.root) - before:
        with warehouse.transaction(f"hashes of the files of {len(tables)} tables", {"run": run_id}):
            enter_hashes(warehouse.connection, warehouse.root, before, run_id)


def _outdate(warehouse: Warehouse) -> None:
    """Readers of a catalogue in a file are to ask its copy anew; PostgreSQL needs none."""
    if storage_of(warehouse.root).dsn is None:
        outdate_copy(warehouse.root)


def _reclaim(warehouse: Warehouse) -> None:
    """Take out of the catalogue what DuckLake leaves there: rows that no snapshot shows any more, and extremes of the forgotten.

    The extremes of a column only ever widen, so that the id or the name of someone forgotten could still be read among them.
    """
    meta = "__ducklake_metadata_lake"
    [(oldest,)] = warehouse.connection.execute(f"SELECT min(snapshot_id) FROM {meta}.ducklake_snapshot").fetchall()
    for (name,) in warehouse.connection.execute(f"SELECT table_name FROM {meta}.ducklake_inlined_data_tables").fetchall():
        warehouse.connection.execute(f'DELETE FROM {meta}."{name}" WHERE end_snapshot <= ?', [oldest])
    if not warehouse.query("SELECT count(*) AS n FROM forgotten").item():
        return
    for table_id, column_id, column, source in warehouse.connection.execute(_NAMING.format(meta=meta)).fetchall():
        [extremes] = warehouse.connection.execute(
            f'SELECT min("{column}")::VARCHAR, max("{column}")::VARCHAR {source}'
        ).fetchall()
        warehouse.connection.execute(
            f"UPDATE {meta}.ducklake_table_column_stats SET min_value = ?, max_value = ? WHERE table_id = ? AND column_id = ?",
            [*extremes, table_id, column_id],
        )


def _retained(warehouse: Warehouse, retention: RetentionConfig, now: datetime) -> tuple[dict[int, int], list[int], list[int]]:
    """Release → snapshot of those that stay, the releases that go, and all snapshots that go."""
    commits = warehouse.query("SELECT snapshot_id, commit_extra_info FROM lake.snapshots() ORDER BY snapshot_id").rows()
    of_release: dict[int, int] = {}
    for snapshot, extra in commits:
        note = json.loads(extra) if extra else {}
        if note.get("release") is not None:
            of_release[int(note["release"])] = snapshot
    created = dict(warehouse.query("SELECT release_id, created_at FROM releases").rows())
    newest = sorted(of_release)[-retention.keep_releases :]
    since = now - timedelta(days=retention.keep_days)
    kept = {release: snapshot for release, snapshot in of_release.items() if release in newest or created[release] >= since}
    stay = {*kept.values(), warehouse.last_snapshot()}
    return kept, sorted(of_release.keys() - kept.keys()), [snapshot for snapshot, _ in commits if snapshot not in stay]


def _unneeded(warehouse: Warehouse, kept: list[int]) -> list[tuple[str, int]]:
    rows = warehouse.query(_UNNEEDED.format(meta="__ducklake_metadata_lake"), {"kept": kept}).rows()
    return [(path, size) for path, size in rows]


def _call(warehouse: Warehouse, function: str, arguments: str) -> list[tuple[str]]:
    return [row[:1] for row in warehouse.connection.execute(f"CALL {function}('lake', {arguments})").fetchall()]
