"""Small nights in a row, with a collection each week: data files, rows of the catalogue, and how long a full scan takes.

    python -m benchmarks.small_files --nights 60 --folder SCRATCH             # as hsrl gc does
    python -m benchmarks.small_files --nights 60 --folder SCRATCH --unmerged  # as it did before it merged small files

Every night publishes a file of events and one of records for each of ``--buckets`` user buckets, made up and not audited: what a
refresh of a small delivery adds. Two audits that a refresh runs are timed by themselves. Prints a table in Markdown, times in CPU seconds.
"""

import argparse
import os
import sqlite3
import sys
import time
from contextlib import closing
from pathlib import Path

import polars as pl

from flows.maintenance.gc import collect_garbage
from flows.runtime.run import Run
from pipeline.contracts import EVENTS, RECORD_ROWS
from pipeline.warehouse import small_files
from pipeline.warehouse.audits import run_audits
from pipeline.warehouse.config import RetentionConfig
from pipeline.warehouse.release import Changes, ReleaseDraft
from pipeline.warehouse.statements import SQL_ROOT, read_statement
from pipeline.warehouse.tables import INGESTS
from pipeline.warehouse.traces import CATALOGUE
from pipeline.warehouse.warehouse import Warehouse

_N_USERS, _N_EVENTS = 8, 10
_WEEK, _KEPT = 7, 7
_SCAN = "SELECT count(*), sum(hash(events)) FROM events"
_AUDITS = ("registered_complete", "ingest_conservation")
_COLUMNS = ("night", "files in use", "files", "MB", "catalogue rows", "artifacts", "scan", "two audits", "publish", "gc")


def _cpu_seconds() -> float:
    spent = os.times()
    return spent.user + spent.system


def _rows_of_catalogue(root: Path) -> int:
    """Rows of DuckLake's tables about files, in a catalogue that nobody has open."""
    of_files = "SELECT name FROM sqlite_master WHERE type = 'table' AND name GLOB 'ducklake_*file*'"
    with closing(sqlite3.connect(f"file:{root / CATALOGUE}?mode=ro", uri=True)) as catalogue:
        tables = [name for (name,) in catalogue.execute(of_files)]
        return sum(catalogue.execute(f'SELECT count(*) FROM "{name}"').fetchone()[0] for name in tables)


def _state(root: Path) -> tuple[object, ...]:
    data = list((root / "data").rglob("*.parquet"))
    with Warehouse.open(root) as warehouse:
        in_use = sum(len(warehouse.files(table)) for table in ("events", "record_rows"))
        n_artifacts = warehouse.query("SELECT count(path) AS n FROM artifacts").item()
        began = _cpu_seconds()
        warehouse.query(_SCAN)
        scanned = _cpu_seconds()
        run_audits(warehouse.connection, [read_statement(SQL_ROOT / "audits" / f"{name}.sql") for name in _AUDITS])
        audited = _cpu_seconds()
    megabytes = sum(path.stat().st_size for path in data) / 1e6
    figures = (f"{seconds:.2f}" for seconds in (scanned - began, audited - scanned))
    return in_use, len(data), f"{megabytes:.1f}", _rows_of_catalogue(root), n_artifacts, *figures


def _bucket(n: int, bucket: int, n_buckets: int) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Night ``n`` of a bucket: a slate for each user, and its events."""
    users, ingest = [bucket + n_buckets * number for number in range(_N_USERS)], f"{hash(n) % 97:02}-night-{n}"
    items = [[(user + n * place) % 500 for place in range(_N_EVENTS)] for user in users]
    answers = [[item % 2 for item in slate] for slate in items]
    records = pl.DataFrame({"user_id": users, "exposed_items": items, "feedback": answers}).with_columns(
        record_id=pl.format("{}-{}", "user_id", pl.lit(n - 1)),
        record_index=pl.lit(n - 1),
        sequence_id=pl.lit(n - 1),
        history=pl.col("exposed_items"),
        ingest_id=pl.lit(ingest),
    )
    places = pl.DataFrame({"user_seq": range((n - 1) * _N_EVENTS, n * _N_EVENTS)})
    events = records.select("user_id", "ingest_id", source=pl.lit("made up")).join(places, how="cross")
    events = events.with_columns(item_id=pl.col("user_seq") % 500, feedback=pl.col("user_seq") % 2)
    return _of(EVENTS.schema, events), _of(RECORD_ROWS.schema, records)


def _of(schema: pl.Schema, frame: pl.DataFrame) -> pl.DataFrame:
    missing = [pl.lit(None).alias(name) for name in schema if name not in frame.columns]
    return frame.with_columns(missing).select(list(schema)).cast(dict(schema))


def _publish(root: Path, staged: Path, n: int, n_buckets: int) -> float:
    """Publish night ``n``; the CPU seconds it took."""
    files: dict[str, list[Path]] = {"events": [], "record_rows": []}
    for bucket in range(n_buckets):
        for (table, paths), frame in zip(files.items(), _bucket(n, bucket, n_buckets), strict=True):
            paths.append(staged / f"{table}-{n}-b{bucket:04}.parquet")
            frame.write_parquet(paths[-1])
    texts = {
        "ingest_id": f"{hash(n) % 97:02}-night-{n}",
        "source": "made up",
        "delivery_id": f"{n}",
        "replaces": [],
        "release_id": n,
    }
    row = {name: texts.get(name, 0 if dtype.is_integer() else None) for name, dtype in INGESTS.schema.items()}
    began = _cpu_seconds()
    with Warehouse.create_or_open(root) as warehouse, warehouse.writer("nights", 0):
        changes = Changes(register=files, append={"ingests": pl.DataFrame([row], schema=INGESTS.schema)})
        warehouse.publish(ReleaseDraft(f"night {n}", "refresh", "0", {}, 1, ()), changes, audits=[])
    spent = _cpu_seconds() - began
    for path in (path for paths in files.values() for path in paths):
        path.unlink()
    return spent


def _collected(root: Path) -> float:
    began = _cpu_seconds()
    collect_garbage(root, Run("gc"), RetentionConfig(keep_days=0, keep_releases=_KEPT), dry_run=False)
    return _cpu_seconds() - began


def main() -> None:
    """Run the nights and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nights", type=int, default=60)
    parser.add_argument("--buckets", type=int, default=32)
    parser.add_argument("--folder", type=Path, required=True, help="an empty folder")
    parser.add_argument("--unmerged", action="store_true")
    given = parser.parse_args()
    if given.unmerged:
        small_files.MOST = sys.maxsize
    root, staged = given.folder.absolute() / "warehouse", given.folder.absolute() / "staged"
    staged.mkdir(parents=True)
    began = time.monotonic()
    sys.stdout.write(f"| {' | '.join(_COLUMNS)} |\n|{' --: |' * len(_COLUMNS)}\n")
    for n in range(1, given.nights + 1):
        published, is_last = _publish(root, staged, n, given.buckets), n == given.nights
        collected = f"{_collected(root):.1f}" if n % _WEEK == 0 or is_last else ""
        if n % _WEEK in (0, _WEEK - 1) or is_last:
            cells = (n, *_state(root), f"{published:.1f}", collected)
            sys.stdout.write(f"| {' | '.join(map(str, cells))} |\n")
            sys.stdout.flush()
    sys.stderr.write(f"{time.monotonic() - began:.0f} seconds\n")


if __name__ == "__main__":
    main()
