"""From a delivery of raw files to staged Parquet: events, records and user states, one file a user bucket.

A delivery is read once, in batches; its rows are spilled by user bucket; then each bucket is ordered and cut into records by
itself. So memory is bounded by a batch and a bucket, never by the log.
"""

import json
import shutil
from collections.abc import Callable, Sequence
from contextlib import nullcontext, suppress
from pathlib import Path

import polars as pl

from flows.refresh.buckets import BucketResult, BucketStaging
from flows.refresh.delivery_job import DeliveryJob, EarlierData, RowCounts
from flows.refresh.spill import Spill
from flows.runtime.steps import Steps
from pipeline.errors import EmptyFileError
from pipeline.ingest.catalogue import merge_items, merge_users, note_sightings, note_users
from pipeline.ingest.ids import IdKinds, OtherKinds
from pipeline.ingest.ordering import Rules
from pipeline.ingest.read_delivery import ReadDelivery, Reading
from pipeline.ingest.reject_limit import count_by_file, split_known

# Rows rejected while reading that are enough to know a file is wrong, and still few enough to hold.
_REJECTS_TO_STOP = 200_000

# Given names of files: file, raw, reason and n of the rows that published deliveries put into quarantine.
Quarantined = Callable[[Sequence[str]], pl.DataFrame]


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
    items = merge_items(earlier.items, job.forgotten.without(read.items), is_whole=job.source.has_catalogue)
    known_items = items["item_id"] if job.source.has_catalogue else None
    rules = Rules(job.source.identity, read.bounds(job.ingest.earliest, job.latest), known_items)
    buckets = steps.map(
        f"records of {job.delivery.id}", BucketStaging(job, earlier, folder, rules).stage, range(job.ingest.buckets)
    )
    shutil.rmtree(folder / "spill")
    refused = pl.concat([read.rejects, *(bucket.rejects for bucket in buckets)])
    rejects, known_rejects = _split_known(refused, quarantined)
    known = pl.concat([known_rejects, *(bucket.known for bucket in buckets)])
    lines = count_by_file(read.lines, rejects, known)
    job.reject_limit.require(lines, rejects)
    seen = pl.concat([bucket.items for bucket in buckets])
    users = note_users(
        merge_users(earlier.users, job.forgotten.without(read.users)), pl.concat([bucket.users for bucket in buckets])
    )
    counts = _total(
        read, buckets, n_rejected=rejects.height, n_known=int(known["n_known"].sum()), n_new_items=_n_new(seen, earlier.items)
    )
    rebuilt = pl.concat([bucket.rebuilt for bucket in buckets])
    frames = {"items": note_sightings(items, seen), "users": users, "rejects": rejects, "lines": lines, "rebuilt": rebuilt}
    frames["refused"] = refused.select("file", "raw", "reason")
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
        n_late=sum(bucket.counts.n_late for bucket in buckets),
        n_rebuilt=sum(bucket.counts.n_rebuilt for bucket in buckets),
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
    reading, spill = Reading(), Spill(folder, job.ingest.buckets)
    with nullcontext() if not job.replaces else suppress(EmptyFileError):  # a corrected day may be empty: all that it had goes
        for batch in job.source.read(job.delivery, kinds):
            spill.add(batch.events)
            reading.add(batch)
            if reading.n_rejected > _REJECTS_TO_STOP:
                new, known = _split_known(reading.rejects, quarantined)
                job.reject_limit.require(count_by_file(reading.lines, new, known), new)
    spill.close()
    return reading.result(kinds, job.decided.counts_own_time)
