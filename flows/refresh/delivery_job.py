"""A delivery to stage, what it finds, and the counts of its rows."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from pathlib import Path

import polars as pl

from flows.refresh.forgotten import NOBODY, Forgotten
from pipeline.ingest.config import IngestConfig
from pipeline.ingest.ids import IdKinds
from pipeline.ingest.reject_limit import RejectLimit
from pipeline.ingest.source import Delivery, Source
from pipeline.records.config import RecordsConfig
from pipeline.warehouse.stored_files import StoredFile


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
        replaces: earlier deliveries whose events go.
        forgotten: whose rows are left out.
    """

    source: Source
    delivery: Delivery
    ingest_id: str
    ingest: IngestConfig
    records: RecordsConfig
    decided: Decided = Decided()
    latest: datetime | None = None
    replaces: tuple[str, ...] = ()
    forgotten: Forgotten = NOBODY

    @property
    def reject_limit(self) -> RejectLimit:
        """The limit on rejected rows of the delivery."""
        since = self.decided.since if self.decided.kinds else ""
        return RejectLimit(self.source.name, self.delivery.id, self.ingest.quarantine_limit, since)


@dataclass(frozen=True)
class EarlierData:
    """What was there before the delivery: files that name their bucket (``of_bucket``), and the catalogue and users as frames."""

    events: Sequence[StoredFile]
    state: Sequence[Path]
    items: pl.DataFrame
    users: pl.DataFrame


@dataclass(frozen=True)
class RowCounts:
    """Rows of a delivery, or of one of its buckets: n_rows = n_accepted + n_rejected + n_known.

    ``n_records`` is how many more there are, ``n_late`` how many events came before some that were stored,
    ``n_rebuilt`` how many users were laid out anew.
    """

    n_rows: int = 0
    n_accepted: int = 0
    n_rejected: int = 0
    n_known: int = 0
    n_late: int = 0
    n_rebuilt: int = 0
    n_records: int = 0
    n_short: int = 0
    n_positives: int = 0
    n_users: int = 0
    n_new_users: int = 0
    n_items: int = 0
    n_new_items: int = 0

    def __add__(self, other: "RowCounts") -> "RowCounts":
        """Both together; items are to be counted apart, as several buckets have the same ones."""
        return RowCounts(*(getattr(self, each.name) + getattr(other, each.name) for each in fields(self)))
