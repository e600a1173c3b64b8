"""From a delivery of raw files to staged Parquet: events, records and user states, one file a user bucket.

A delivery is read once, in chunks; its rows are spilled by user bucket; then each bucket is ordered and cut into records by
itself. So memory is bounded by a chunk and a bucket, never by the log.
"""

import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path

import polars as pl

from flows.refresh.limit import Quarantined, count_by_file, nothing_quarantined, part_known, refuse_above_limit, whole_files
from flows.runtime.steps import Steps
from pipeline.contracts import FILE_LINES, ITEMS, RAW_EVENTS, REJECTS, USER_STATE, USERS
from pipeline.ingest.catalogue import merge_items, merge_users, note_sightings, note_users
from pipeline.ingest.identity import FLOOR, LEAST_LARGEST_ORDER, ORDER_FACTOR, Bounds
from pipeline.ingest.ids import IdKinds, OtherKinds
from pipeline.ingest.ordering import ANSWER, NTH, Rules, bucket_of, order_events
from pipeline.ingest.source import Delivery, Source
from pipeline.records.slates import build_records

# Rows rejected while reading that are enough to know a file is wrong, and still few enough to hold.
_REJECTS_TO_STOP = 200_000


@dataclass(frozen=True)
class Plan:
    """Which delivery, and how it is read and cut up.

    Attributes:
        kinds: what ids are; None where this delivery decides it.
        counts_own_time: whether times count from a start of their own; None where this delivery decides it.
        earliest: no time lies before it; None: ``FLOOR``, where times are of the calendar.
        latest: no time lies after it.
        holds_since: what the error says of kinds that were decided earlier.
    """

    source: str
    delivery: Delivery
    ingest_id: str
    n_buckets: int
    slate_size: int
    history_length: int
    quarantine_limit: float
    kinds: IdKinds | None = None
    counts_own_time: bool | None = None
    earliest: datetime | None = None
    latest: datetime | None = None
    holds_since: str = ""


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
    n_positives: int = 0
    n_users: int = 0
    n_new_users: int = 0
    n_items: int = 0
    n_new_items: int = 0


@dataclass(frozen=True)
class Spilled:
    """A delivery as it was read: its events lie by bucket, the rest is here.

    Attributes:
        n_rows: events and rejects.
        items, users: ITEMS and USERS as listed.
        rejects: REJECTS of the reading.
        lines: FILE_LINES, a row for each file and content.
        kinds: what ids are.
        counts_own_time: whether times count from a start of their own; None without times.
        usual_order: 99 % of the places lie below, in most chunks; None without places.
    """

    n_rows: int
    items: pl.DataFrame
    users: pl.DataFrame
    rejects: pl.DataFrame
    lines: pl.DataFrame
    kinds: IdKinds
    counts_own_time: bool | None
    usual_order: int | None


@dataclass(frozen=True)
class BucketDone:
    """What a bucket's task hands back.

    Attributes:
        rejects: REJECTS.
        known: file, n_known: rows that the warehouse had already.
        items: item_id, first_seen, last_seen.
        users: user_id of its events.
        counts: of the bucket.
    """

    rejects: pl.DataFrame
    known: pl.DataFrame
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


def stage_delivery(
    source: Source, plan: Plan, before: Before, folder: Path, steps: Steps, quarantined: Quarantined = nothing_quarantined
) -> Counts:
    """Write everything the delivery becomes under ``folder``; return its counts.

    Args:
        source: reads the delivery.
        plan: which, and how it is cut up.
        before: what was there.
        folder: where to; empty.
        steps: runs the buckets.
        quarantined: given names of files, file, raw, reason and n of the rows that releases put into quarantine: a file that
            grows brings them again, and they are known, as its events are.

    Raises:
        QuarantineError: too many of a file's new rows were rejected.
        SourceError: a file is refused as a whole.
    """
    for kind in ("spill", "events", "records", "state"):
        (folder / kind).mkdir(parents=True)
    spilled = _spill_as_it_is(source, plan, folder / "spill", quarantined)
    items = merge_items(before.items, spilled.items, is_whole=source.has_catalogue)
    known_items = items["item_id"] if source.has_catalogue else None
    rules = Rules(source.identity, bounds_of(plan, spilled))
    job = partial(_stage_bucket, plan=plan, before=before, folder=folder, known_items=known_items, rules=rules)
    done = steps.map(f"records of {plan.delivery.id}", job, range(plan.n_buckets))
    shutil.rmtree(folder / "spill")
    rejects, rejected_before = part_known(pl.concat([spilled.rejects, *(bucket.rejects for bucket in done)]), quarantined)
    known = pl.concat([rejected_before, *(bucket.known for bucket in done)])
    lines = count_by_file(spilled.lines, rejects, known)
    _refuse_above_limit(plan, lines, rejects)
    seen = pl.concat([bucket.items for bucket in done])
    note_sightings(items, seen).write_parquet(folder / "items.parquet")
    users = merge_users(before.users, spilled.users)
    note_users(users, pl.concat([bucket.users for bucket in done])).write_parquet(folder / "users.parquet")
    rejects.write_parquet(folder / "rejects.parquet")
    lines.write_parquet(folder / "lines.parquet")
    counts = Counts(
        n_rows=spilled.n_rows,
        n_accepted=sum(bucket.counts.n_accepted for bucket in done),
        n_rejected=rejects.height,
        n_known=int(known["n_known"].sum()),
        n_records=sum(bucket.counts.n_records for bucket in done),
        n_short=sum(bucket.counts.n_short for bucket in done),
        n_positives=sum(bucket.counts.n_positives for bucket in done),
        n_users=sum(bucket.counts.n_users for bucket in done),
        n_new_users=sum(bucket.counts.n_new_users for bucket in done),
        n_items=seen["item_id"].n_unique(),
        n_new_items=seen.select("item_id").unique().join(before.items, on="item_id", how="anti").height,
    )
    meaning = {"user": spilled.kinds.user, "item": spilled.kinds.item, "counts_own_time": spilled.counts_own_time}
    (folder / "meaning.json").write_text(json.dumps(meaning))
    pl.DataFrame([counts]).write_parquet(folder / "counts.parquet")
    return counts


def _refuse_above_limit(plan: Plan, lines: pl.DataFrame, rejects: pl.DataFrame) -> None:
    holds_since = plan.holds_since if plan.kinds else ""
    refuse_above_limit(plan.source, plan.delivery.id, plan.quarantine_limit, lines, rejects, holds_since)


def bounds_of(plan: Plan, spilled: Spilled) -> Bounds:
    """Where the times and places of a delivery have to lie."""
    largest = None if spilled.usual_order is None else max(LEAST_LARGEST_ORDER, ORDER_FACTOR * spilled.usual_order)
    if spilled.counts_own_time and plan.earliest is None:
        return Bounds(None, FLOOR, latest_is_floor=True, largest_order=largest)
    return Bounds(plan.earliest or FLOOR, plan.latest, largest_order=largest)


def _spill_as_it_is(source: Source, plan: Plan, folder: Path, quarantined: Quarantined) -> Spilled:
    """Spill the delivery; again where it turns out that its ids are of another kind than they were read as."""
    kinds = plan.kinds or source.kinds(plan.delivery)
    while True:
        try:
            return _spill(source, plan, kinds, folder, quarantined)
        except OtherKinds as others:
            kinds = others.kinds
            shutil.rmtree(folder)
            folder.mkdir()


def _spill(source: Source, plan: Plan, kinds: IdKinds, folder: Path, quarantined: Quarantined) -> Spilled:
    """Write the delivery's rows by bucket."""
    n_rows, items, users, rejects, lines = 0, [ITEMS.empty()], [USERS.empty()], [REJECTS.empty()], [FILE_LINES.empty()]
    n_timed, n_before_floor, orders = 0, 0, []
    for number, batch in enumerate(source.read(plan.delivery, kinds)):
        keyed = batch.events.with_columns(bucket=bucket_of(pl.col("user_id"), plan.n_buckets))
        for (bucket,), rows in keyed.partition_by("bucket", as_dict=True, include_key=False).items():
            rows.write_ipc(folder / f"{number:06}-b{bucket:04}.arrow")
        n_rows += batch.events.height + batch.rejects.height
        n_timed += batch.events.height - batch.events["occurred_at"].null_count()
        n_before_floor += int((batch.events["occurred_at"] < FLOOR).sum())
        orders += [batch.events["order"].quantile(0.99, "lower")]
        items.append(batch.items)
        users.append(batch.users)
        rejects.append(batch.rejects)
        lines.append(batch.lines)
        if sum(part.height for part in rejects) > _REJECTS_TO_STOP:
            new, known = part_known(pl.concat(rejects), quarantined)
            _refuse_above_limit(plan, count_by_file(whole_files(lines), new, known), new)
    told = sorted(int(order) for order in orders if order is not None)
    own_time = plan.counts_own_time
    if own_time is None and n_timed:
        own_time = 2 * n_before_floor > n_timed
    usual_order = told[(len(told) - 1) // 2] if told else None
    return Spilled(
        n_rows,
        pl.concat(items),
        pl.concat(users),
        pl.concat(rejects),
        whole_files(lines),
        kinds,
        own_time,
        usual_order,
    )


def _stage_bucket(
    bucket: int, plan: Plan, before: Before, folder: Path, known_items: pl.Series | None, rules: Rules
) -> BucketDone:
    """Order one user bucket of the delivery and cut it into records."""
    state = read_bucket(before.state, bucket, USER_STATE.empty())
    stored = _stored(before.events, bucket)
    # The raw rows are handed over, not kept: they would stay in memory until the bucket is done.
    ordered = order_events(_spilled(folder, bucket), state, known_items, stored, plan.source, plan.ingest_id, rules)
    built = build_records(ordered.events, state, plan.slate_size, plan.history_length)
    for kind, frame in (("events", ordered.events), ("records", built.records), ("state", built.state)):
        if frame.height:
            frame.write_parquet(bucket_file(folder / kind, plan.ingest_id, bucket))
    users = ordered.events.select("user_id").unique()
    counts = Counts(
        n_accepted=ordered.events.height,
        n_known=ordered.n_known,
        n_records=built.records.height,
        n_short=built.n_short,
        n_positives=int(ordered.events["feedback"].sum()),
        n_users=users.height,
        n_new_users=users.join(state, on="user_id", how="anti").height,
    )
    at = pl.col("occurred_at")
    items = ordered.events.group_by("item_id").agg(at.min().alias("first_seen"), at.max().alias("last_seen"))
    return BucketDone(ordered.rejects, ordered.known, items, users, counts)


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
        stored = pl.scan_parquet(mine).with_columns(ANSWER, order="user_seq")
        if NTH in keys.columns:
            told = [name for name in keys.columns if name != NTH]
            stored = stored.select(told).with_columns(pl.int_range(pl.len()).over(told).alias(NTH))
        stored = stored.select(keys.columns)
        return keys.lazy().join(stored, on=keys.columns, how="semi", nulls_equal=True).collect()

    return known_among
