"""Staging a user bucket of a delivery: from the rows spilled for it to a file each of events, records and user states."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from flows.refresh.delivery_job import DeliveryJob, EarlierData, RowCounts
from flows.refresh.spill import Part, parts_of, spilled
from pipeline.contracts import EVENTS, USER_STATE
from pipeline.drafts import drafted
from pipeline.ingest.catalogue import sightings
from pipeline.ingest.ordering import Ordered, Origin, Rules, order_events, stored_among
from pipeline.records.slates import build_records
from pipeline.warehouse.stored_files import StoredFile, scan


@dataclass(frozen=True)
class BucketResult:
    """What staging a bucket hands back.

    Attributes:
        rejects: REJECTS.
        known: file, n_known: rows that the warehouse had already.
        items: item_id, first_seen, last_seen.
        users: user_id of its events.
        rebuilt: user_id of those whose events and records were laid out anew, all of them.
        counts: of the bucket.
    """

    rejects: pl.DataFrame
    known: pl.DataFrame
    items: pl.DataFrame
    users: pl.DataFrame
    rebuilt: pl.DataFrame
    counts: RowCounts

    @classmethod
    def of_parts(cls, parts: Sequence["BucketResult"]) -> "BucketResult":
        """The result of a bucket from those of its parts, which have no user in common."""
        frames = {
            name: pl.concat([getattr(part, name) for part in parts]) for name in ("rejects", "known", "items", "users", "rebuilt")
        }
        return cls(**frames, counts=sum((part.counts for part in parts), RowCounts()))


def bucket_file(folder: Path, name: str, bucket: int) -> Path:
    """The path of a Parquet file of a bucket's users; it is unique in the warehouse as ``name`` is, and ends with the bucket."""
    return folder / f"{name}-b{bucket:04}.parquet"


def in_bucket(files: Sequence[Path], bucket: int) -> list[Path]:
    """Those of ``files`` that hold the users of ``bucket``."""
    return [file for file in files if file.stem.endswith(f"-b{bucket:04}")]


def of_bucket(files: Sequence[StoredFile], bucket: int) -> list[StoredFile]:
    """Those of ``files`` that hold the users of ``bucket``."""
    return [file for file in files if file.path.stem.endswith(f"-b{bucket:04}")]


def read_bucket(files: Sequence[Path], bucket: int, empty: pl.DataFrame) -> pl.DataFrame:
    """All rows of a bucket; ``empty`` where there are none."""
    mine = in_bucket(files, bucket)
    return pl.read_parquet(mine).select(empty.columns) if mine else empty


@dataclass(frozen=True)
class BucketStaging:
    """Orders the buckets of a spilled delivery and cuts them into records; each by itself, from files to files."""

    job: DeliveryJob
    earlier: EarlierData
    folder: Path
    rules: Rules

    def stage(self, bucket: int) -> BucketResult:
        """Write the events, records and states of one user bucket; a large one is done in parts, so that it fits into memory."""
        parts = parts_of(self.folder / "spill", bucket, self.job.ingest.buckets)
        return BucketResult.of_parts([self._stage_part(part) for part in parts])

    def _stage_part(self, part: Part) -> BucketResult:
        state = part.of(read_bucket(self.earlier.state, part.bucket, USER_STATE.empty()))
        ordered, rebuilt, n_late = self._ordered(part, state)
        going_on = state.join(rebuilt, on="user_id", how="anti")
        built = build_records(ordered.events, going_on, self.job.records.slate_size, self.job.records.history_length)
        name = f"{self.job.ingest_id}-p{part.number:04}" if part.n > 1 else self.job.ingest_id
        for kind, frame in (("events", ordered.events), ("records", built.records), ("state", built.state)):
            if frame.height:
                # Whole or not at all: a worker that a cluster took for lost may still be writing when another has done its bucket.
                with drafted(bucket_file(self.folder / kind, name, part.bucket)) as draft:
                    frame.write_parquet(draft)
        own = ordered.events.filter(ingest_id=self.job.ingest_id)
        users = own.select("user_id").unique()
        counts = RowCounts(
            n_accepted=own.height,
            n_known=ordered.n_known,
            n_late=n_late,
            n_rebuilt=rebuilt.height,
            n_records=built.records.height - int(state.join(rebuilt, on="user_id", how="semi")["n_records"].sum()),
            n_short=built.n_short,
            n_positives=int(own["feedback"].sum()),
            n_users=users.height,
            n_new_users=users.join(state, on="user_id", how="anti").height,
        )
        known = pl.concat([ordered.known, self._left_out(part)])
        return BucketResult(ordered.rejects, known, sightings(own), users, rebuilt, counts)

    def _ordered(self, part: Part, state: pl.DataFrame) -> tuple[Ordered, pl.DataFrame, int]:
        """The part's events, the users of whom they are all that there are, and how many are late.

        Those are the users of late events, and of deliveries that this one replaces.
        """
        origin, mine = Origin(self.job.source.name, self.job.ingest_id), of_bucket(self.earlier.events, part.bucket)
        stored = scan(mine, EVENTS).filter(part.holds) if mine else None
        rebuilt = USER_STATE.empty().select("user_id")
        if stored is not None and self.job.replaces:
            goes = pl.col("ingest_id").is_in(self.job.replaces)
            rebuilt = stored.filter(goes).select("user_id").unique().sort("user_id").collect()
            stored = stored.filter(~goes)

        def order(rebuilt: pl.DataFrame) -> Ordered:
            known, whole, going_on = None, None, state
            if stored is not None:
                known = lambda keys: stored_among(keys, stored)  # noqa: E731
                if rebuilt.height:
                    whole = stored.join(rebuilt.lazy(), on="user_id", how="semi").collect()
                    emptied = rebuilt.join(whole, on="user_id", how="anti")
                    going_on = state.join(emptied, on="user_id", how="anti")
            # The raw rows are handed over, not kept: they would stay in memory until the bucket is done.
            return order_events(self._spilled(part), going_on, origin, self.rules, known, whole)

        ordered = order(rebuilt)
        if ordered.late.is_empty():
            return ordered, rebuilt, 0
        late = ordered.late
        rebuilt = pl.concat([rebuilt, late.select("user_id")]).unique().sort("user_id")
        return order(rebuilt), rebuilt, int(late["n_late"].sum())

    def _spilled(self, part: Part) -> pl.DataFrame:
        """RAW_EVENTS of a part as they were spilled, without those of the forgotten."""
        return self.job.forgotten.without(self._brought(part))

    def _brought(self, part: Part) -> pl.DataFrame:
        return spilled(self.folder / "spill", part)

    def _left_out(self, part: Part) -> pl.DataFrame:
        """file and n_known: rows of the forgotten."""
        if not self.job.forgotten.parts:
            return pl.DataFrame(schema={"file": pl.String, "n_known": pl.Int64})
        brought = self._brought(part)
        stays = self.job.forgotten.without(brought.with_row_index())["index"]
        left_out = brought.with_row_index().filter(~pl.col("index").is_in(stays.implode()))
        return left_out.group_by("file").agg(n_known=pl.len().cast(pl.Int64))
