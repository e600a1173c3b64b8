"""From a delivery of raw files to staged Parquet: events, records and user states, one file a user bucket.

A delivery is read once, in batches; its rows are spilled by user bucket; then each bucket is ordered and cut into records by
itself. So memory is bounded by a batch and a bucket, never by the log.
"""

import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import polars as pl

from flows.runtime.steps import Steps
from pipeline.contracts import RAW_EVENTS, USER_STATE
from pipeline.drafts import drafted
from pipeline.ingest.catalogue import merge_items, merge_users, note_sightings, note_users, sightings
from pipeline.ingest.config import IngestConfig
from pipeline.ingest.ids import IdKinds, OtherKinds
from pipeline.ingest.ordering import Origin, Rules, bucket_of, order_events, stored_among
from pipeline.ingest.read_delivery import ReadDelivery, Reading
from pipeline.ingest.reject_limit import RejectLimit, count_by_file, split_known
from pipeline.ingest.source import Delivery, Source
from pipeline.records.config import RecordsConfig
from pipeline.records.slates import build_records

# Rows rejected while reading that are enough to know a file is wrong, and still few enough to hold.
_REJECTS_TO_STOP = 200_000

# Given names of files: file, raw, reason and n of the rows that published deliveries put into quarantine.
Quarantined = Callable[[Sequence[str]], pl.DataFrame]


@dataclass(frozen=True)
class Decided:
    """What earlier deliveries of the source decided for good.

    Attributes:
        kinds: what ids are; None where this delivery decides it.
        counts_own_time: whether times count from a start of their own; None where this delivery decides it.
        since: since when ids are so, as a part of a sentence: "since release 3".
    """

    kinds: IdKinds | None = None
    counts_own_time: bool | None = None
    since: str = ""


@dataclass(frozen=True)
class DeliveryJob:
    """A delivery to stage, and how it is read and cut up.

    Attributes:
        source: reads it.
        delivery: its files.
        ingest_id: its id in the warehouse.
        ingest: buckets, limits and the earliest time.
        records: how records are cut.
        decided: what holds from earlier deliveries.
        latest: no time lies after it.
    """

    source: Source
    delivery: Delivery
    ingest_id: str
    ingest: IngestConfig
    records: RecordsConfig
    decided: Decided = Decided()
    latest: datetime | None = None

    @property
    def reject_limit(self) -> RejectLimit:
        """The limit on rejected rows of the delivery."""
        since = self.decided.since if self.decided.kinds else ""
        return RejectLimit(self.source.name, self.delivery.id, self.ingest.quarantine_limit, since)


@dataclass(frozen=True)
class EarlierData:
    """What was there before the delivery: files that name their bucket (``of_bucket``), and the catalogue and users as frames."""

    events: Sequence[Path]
    state: Sequence[Path]
    items: pl.DataFrame
    users: pl.DataFrame


@dataclass(frozen=True)
class RowCounts:
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
class BucketResult:
    """What staging a bucket hands back.

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
    counts: RowCounts


def bucket_file(folder: Path, ingest_id: str, bucket: int) -> Path:
    """The path of a bucket's Parquet file; its name is unique in the warehouse and holds the bucket."""
    return folder / f"{ingest_id}-b{bucket:04}.parquet"


def of_bucket(files: Sequence[Path], bucket: int) -> list[Path]:
    """Those of ``files`` that hold the users of ``bucket``."""
    return [file for file in files if file.stem.endswith(f"-b{bucket:04}")]


def read_bucket(files: Sequence[Path], bucket: int, empty: pl.DataFrame) -> pl.DataFrame:
    """All rows of a bucket; ``empty`` where there are none."""
    mine = of_bucket(files, bucket)
    return pl.read_parquet(mine).select(empty.columns) if mine else empty


def stage_delivery(job: DeliveryJob, earlier: EarlierData, folder: Path, steps: Steps, quarantined: Quarantined) -> RowCounts:
    """Write everything the delivery becomes under ``folder``; return its counts.

    Args:
        job: the delivery, and how it is cut up.
        earlier: what was there.
        folder: an empty folder, which is written to.
        steps: runs the buckets.
        quarantined: what releases put into quarantine of files: a file that grows brings these rows again, and they are known,
            as its events are.

    Raises:
        QuarantineError: too many of a file's new rows were rejected.
        SourceError: a file is refused as a whole.
    """
    for kind in ("spill", "events", "records", "state"):
        (folder / kind).mkdir(parents=True)
    read = _spill_by_kinds(job, folder / "spill", quarantined)
    items = merge_items(earlier.items, read.items, is_whole=job.source.has_catalogue)
    known_items = items["item_id"] if job.source.has_catalogue else None
    rules = Rules(job.source.identity, read.bounds(job.ingest.earliest, job.latest), known_items)
    buckets = steps.map(
        f"records of {job.delivery.id}", _BucketStaging(job, earlier, folder, rules).stage, range(job.ingest.buckets)
    )
    shutil.rmtree(folder / "spill")
    rejects, known_rejects = _split_known(pl.concat([read.rejects, *(bucket.rejects for bucket in buckets)]), quarantined)
    known = pl.concat([known_rejects, *(bucket.known for bucket in buckets)])
    lines = count_by_file(read.lines, rejects, known)
    job.reject_limit.require(lines, rejects)
    seen = pl.concat([bucket.items for bucket in buckets])
    users = note_users(merge_users(earlier.users, read.users), pl.concat([bucket.users for bucket in buckets]))
    counts = _total(
        read, buckets, n_rejected=rejects.height, n_known=int(known["n_known"].sum()), n_new_items=_n_new(seen, earlier.items)
    )
    frames = {"items": note_sightings(items, seen), "users": users, "rejects": rejects, "lines": lines}
    for name, frame in (frames | {"counts": pl.DataFrame([counts])}).items():
        frame.write_parquet(folder / f"{name}.parquet")
    meaning = {"user": read.kinds.user, "item": read.kinds.item, "counts_own_time": read.counts_own_time}
    (folder / "meaning.json").write_text(json.dumps(meaning))
    return counts


def _split_known(rejects: pl.DataFrame, quarantined: Quarantined) -> tuple[pl.DataFrame, pl.DataFrame]:
    """See ``split_known``; the quarantine is only asked where there are rejects."""
    before = quarantined(rejects["file"].unique().to_list()) if rejects.height else rejects.clear()
    return split_known(rejects, before)


def _n_new(seen: pl.DataFrame, items: pl.DataFrame) -> int:
    """Items that were not in the catalogue before."""
    return seen.select("item_id").unique().join(items, on="item_id", how="anti").height


def _total(read: ReadDelivery, buckets: Sequence[BucketResult], *, n_rejected: int, n_known: int, n_new_items: int) -> RowCounts:
    """The counts of the delivery from those of its buckets."""
    return RowCounts(
        n_rows=read.n_rows,
        n_accepted=sum(bucket.counts.n_accepted for bucket in buckets),
        n_rejected=n_rejected,
        n_known=n_known,
        n_records=sum(bucket.counts.n_records for bucket in buckets),
        n_short=sum(bucket.counts.n_short for bucket in buckets),
        n_positives=sum(bucket.counts.n_positives for bucket in buckets),
        n_users=sum(bucket.counts.n_users for bucket in buckets),
        n_new_users=sum(bucket.counts.n_new_users for bucket in buckets),
        n_items=pl.concat([bucket.items for bucket in buckets])["item_id"].n_unique(),
        n_new_items=n_new_items,
    )


def _spill_by_kinds(job: DeliveryJob, folder: Path, quarantined: Quarantined) -> ReadDelivery:
    """Spill the delivery; again where it turns out that its ids are of another kind than they were read as."""
    kinds = job.decided.kinds or job.source.kinds(job.delivery)
    while True:
        try:
            return _spill(job, kinds, folder, quarantined)
        except OtherKinds as others:
            kinds = others.kinds
            shutil.rmtree(folder)
            folder.mkdir()


def _spill(job: DeliveryJob, kinds: IdKinds, folder: Path, quarantined: Quarantined) -> ReadDelivery:
    """Write the delivery's events by bucket, and stop where it already has far too many rejects."""
    reading = Reading()
    for number, batch in enumerate(job.source.read(job.delivery, kinds)):
        keyed = batch.events.with_columns(bucket=bucket_of(pl.col("user_id"), job.ingest.buckets))
        for (bucket,), rows in keyed.partition_by("bucket", as_dict=True, include_key=False).items():
            rows.write_ipc(folder / f"{number:06}-b{bucket:04}.arrow")
        reading.add(batch)
        if reading.n_rejected > _REJECTS_TO_STOP:
            new, known = _split_known(reading.rejects, quarantined)
            job.reject_limit.require(count_by_file(reading.lines, new, known), new)
    return reading.result(kinds, job.decided.counts_own_time)


@dataclass(frozen=True)
class _BucketStaging:
    """Orders the buckets of a spilled delivery and cuts them into records; each by itself, from files to files."""

    job: DeliveryJob
    earlier: EarlierData
    folder: Path
    rules: Rules

    def stage(self, bucket: int) -> BucketResult:
        """Write the events, records and states of one user bucket."""
        state = read_bucket(self.earlier.state, bucket, USER_STATE.empty())
        origin = Origin(self.job.source.name, self.job.ingest_id)
        # The raw rows are handed over, not kept: they would stay in memory until the bucket is done.
        ordered = order_events(self._spilled(bucket), state, origin, self.rules, self._stored(bucket))
        built = build_records(ordered.events, state, self.job.records.slate_size, self.job.records.history_length)
        for kind, frame in (("events", ordered.events), ("records", built.records), ("state", built.state)):
            if frame.height:
                # Whole or not at all: a worker that a cluster took for lost may still be writing when another has done its bucket.
                with drafted(bucket_file(self.folder / kind, self.job.ingest_id, bucket)) as draft:
                    frame.write_parquet(draft)
        users = ordered.events.select("user_id").unique()
        counts = RowCounts(
            n_accepted=ordered.events.height,
            n_known=ordered.n_known,
            n_records=built.records.height,
            n_short=built.n_short,
            n_positives=int(ordered.events["feedback"].sum()),
            n_users=users.height,
            n_new_users=users.join(state, on="user_id", how="anti").height,
        )
        return BucketResult(ordered.rejects, ordered.known, sightings(ordered.events), users, counts)

    def _spilled(self, bucket: int) -> pl.DataFrame:
        """RAW_EVENTS of a bucket as ``_spill`` left them."""
        files = of_bucket(sorted((self.folder / "spill").iterdir()), bucket)
        return pl.concat(pl.read_ipc(file) for file in files) if files else RAW_EVENTS.empty()

    def _stored(self, bucket: int) -> Callable[[pl.DataFrame], pl.DataFrame]:
        """Which of some rows the warehouse already holds; the bucket's events are only read when asked."""
        mine = of_bucket(self.earlier.events, bucket)
        return lambda keys: stored_among(keys, pl.scan_parquet(mine)) if mine else keys.clear()
