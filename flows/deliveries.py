"""From a delivery of raw files to staged Parquet: events, records and user states, one file a user bucket.

A delivery is read once, in chunks; its rows are spilled by user bucket; then each bucket is ordered and cut into records by
itself. So memory is bounded by a chunk and a bucket, never by the log.
"""

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import polars as pl

from flows.steps import Steps
from pipeline.contracts import ITEMS, RAW_EVENTS, REJECTS, USER_STATE, USERS
from pipeline.errors import QuarantineError
from pipeline.ingest.catalogue import merge_items, merge_users, note_sightings, note_users
from pipeline.ingest.ordering import bucket_of, order_events
from pipeline.ingest.source import Delivery, Source
from pipeline.records.slates import build_records

# Rows rejected while reading that are enough to know a file is wrong, and still few enough to hold.
_REJECTS_TO_STOP = 200_000


@dataclass(frozen=True)
class Plan:
    """Which delivery, and how it is cut up."""

    source: str
    delivery: Delivery
    ingest_id: str
    n_buckets: int
    slate_size: int
    history_length: int
    quarantine_limit: float


@dataclass(frozen=True)
class Before:
    """What was there before the delivery. Files name their bucket (``of_bucket``)."""

    events: Sequence[Path]
    state: Sequence[Path]
    items: pl.DataFrame
    users: pl.DataFrame


@dataclass(frozen=True)
class Counts:
    """Rows of a delivery, or of one of its buckets: n_rows = n_accepted + n_rejected + n_known."""

    n_rows: int = 0
    n_accepted: int = 0
    n_rejected: int = 0
    n_known: int = 0
    n_records: int = 0
    n_short: int = 0


@dataclass(frozen=True)
class BucketDone:
    """What a bucket's task hands back: its rejects, when each item was seen, whose events they are, and its counts."""

    rejects: pl.DataFrame
    items: pl.DataFrame
    users: pl.DataFrame
    counts: Counts


def bucket_file(folder: Path, ingest_id: str, bucket: int) -> Path:
    """Where a bucket's Parquet lies; the name is unique in the warehouse and tells the bucket."""
    return folder / f"{ingest_id}-b{bucket:04}.parquet"


def of_bucket(files: Sequence[Path], bucket: int) -> list[Path]:
    """Those of ``files`` that hold the users of ``bucket``."""
    return [file for file in files if file.stem.endswith(f"-b{bucket:04}")]


def read_bucket(files: Sequence[Path], bucket: int, empty: pl.DataFrame) -> pl.DataFrame:
    """All rows of a bucket; ``empty`` where there are none."""
    mine = of_bucket(files, bucket)
    return pl.read_parquet(mine).select(empty.columns) if mine else empty


def stage_delivery(source: Source, plan: Plan, before: Before, folder: Path, steps: Steps) -> Counts:
    """Write everything the delivery becomes under ``folder``; return its counts.

    Raises:
        QuarantineError: too many rows were rejected.
        SourceError: a file is refused as a whole.
    """
    for kind in ("spill", "events", "records", "state"):
        (folder / kind).mkdir(parents=True)
    n_rows, listed_items, listed_users, rejects = _spill(source, plan, folder / "spill")
    items = merge_items(before.items, listed_items, is_whole=source.has_catalogue)
    known_items = items["item_id"] if source.has_catalogue else None
    job = partial(_stage_bucket, plan=plan, before=before, folder=folder, known_items=known_items)
    done = steps.map(f"records of {plan.delivery.id}", job, range(plan.n_buckets))
    shutil.rmtree(folder / "spill")
    rejects = pl.concat([rejects, *(bucket.rejects for bucket in done)])
    refuse_above_limit(plan, rejects, n_rows)
    note_sightings(items, pl.concat([bucket.items for bucket in done])).write_parquet(folder / "items.parquet")
    users = merge_users(before.users, listed_users)
    note_users(users, pl.concat([bucket.users for bucket in done])).write_parquet(folder / "users.parquet")
    rejects.write_parquet(folder / "rejects.parquet")
    counts = Counts(
        n_rows=n_rows,
        n_accepted=sum(bucket.counts.n_accepted for bucket in done),
        n_rejected=rejects.height,
        n_known=sum(bucket.counts.n_known for bucket in done),
        n_records=sum(bucket.counts.n_records for bucket in done),
        n_short=sum(bucket.counts.n_short for bucket in done),
    )
    pl.DataFrame([counts]).write_parquet(folder / "counts.parquet")
    return counts


def refuse_above_limit(plan: Plan, rejects: pl.DataFrame, n_rows: int) -> None:
    """Stop before anything is published where the share of rejected rows says that the file or its mapping is wrong.

    Raises:
        QuarantineError: the share is above the limit.
    """
    if rejects.height <= plan.quarantine_limit * n_rows:
        return
    reason, n_most = rejects.group_by("reason").len().sort("len", "reason", descending=[True, False]).row(0)
    first = rejects.filter(pl.col("reason") == reason).sort("file", "line").row(0, named=True)
    raise QuarantineError(
        f"{plan.source}: {rejects.height:,} of {n_rows:,} rows of delivery {plan.delivery.id} were rejected, above the limit of "
        f"{plan.quarantine_limit:.1%}; most: {reason} ({n_most:,}), first at {first['file']}:{first['line']}: "
        f"{first['raw']:.80}; "
        "mend the source or its mapping, or raise ingest.quarantine_limit",
        rejects,
    )


def _spill(source: Source, plan: Plan, folder: Path) -> tuple[int, pl.DataFrame, pl.DataFrame, pl.DataFrame]:
    """Write the delivery's rows by bucket; return the number of raw rows, the listed items and users, and the rejects."""
    n_rows, items, users, rejects = 0, [ITEMS.empty()], [USERS.empty()], [REJECTS.empty()]
    for number, batch in enumerate(source.read(plan.delivery)):
        keyed = batch.events.with_columns(bucket=bucket_of(pl.col("user_id"), plan.n_buckets))
        for (bucket,), rows in keyed.partition_by("bucket", as_dict=True, include_key=False).items():
            rows.write_ipc(folder / f"{number:06}-b{bucket:04}.arrow")
        n_rows += batch.events.height + batch.rejects.height
        items.append(batch.items)
        users.append(batch.users)
        rejects.append(batch.rejects)
        if sum(part.height for part in rejects) > _REJECTS_TO_STOP:
            refuse_above_limit(plan, pl.concat(rejects), n_rows)
    return n_rows, pl.concat(items), pl.concat(users), pl.concat(rejects)


def _stage_bucket(bucket: int, plan: Plan, before: Before, folder: Path, known_items: pl.Series | None) -> BucketDone:
    """Order one user bucket of the delivery and cut it into records."""
    state = read_bucket(before.state, bucket, USER_STATE.empty())
    stored = _stored(before.events, bucket)
    # The raw rows are handed over, not kept: they would stay in memory until the bucket is done.
    ordered = order_events(_spilled(folder, bucket), state, known_items, stored, plan.source, plan.ingest_id)
    built = build_records(ordered.events, state, plan.slate_size, plan.history_length)
    for kind, frame in (("events", ordered.events), ("records", built.records), ("state", built.state)):
        if frame.height:
            frame.write_parquet(bucket_file(folder / kind, plan.ingest_id, bucket))
    counts = Counts(
        n_accepted=ordered.events.height, n_known=ordered.n_known, n_records=built.records.height, n_short=built.n_short
    )
    at = pl.col("occurred_at")
    items = ordered.events.group_by("item_id").agg(at.min().alias("first_seen"), at.max().alias("last_seen"))
    return BucketDone(ordered.rejects, items, ordered.events.select("user_id").unique(), counts)


def _spilled(folder: Path, bucket: int) -> pl.DataFrame:
    """RAW_EVENTS of a bucket as ``_spill`` left them."""
    files = of_bucket(sorted((folder / "spill").iterdir()), bucket)
    return pl.concat(pl.read_ipc(file) for file in files) if files else RAW_EVENTS.empty()


def _stored(files: Sequence[Path], bucket: int) -> Callable[[pl.DataFrame], pl.DataFrame]:
    """Which of some suspicious rows the warehouse already holds; the bucket's events are only read when asked."""

    def known_among(keys: pl.DataFrame) -> pl.DataFrame:
        mine = of_bucket(files, bucket)
        if not mine:
            return keys.clear()
        stored = pl.scan_parquet(mine).select("user_id", "item_id", "occurred_at", order="user_seq")
        return keys.lazy().join(stored, on=keys.columns, how="semi", nulls_equal=True).collect()

    return known_among
