"""A delivery once it is read: all of it but its events, which go to their user buckets while it is read."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

import polars as pl

from pipeline.contracts import FILE_LINES, ITEMS, REJECTS, USERS
from pipeline.ingest.identity import FLOOR, LEAST_LARGEST_ORDER, ORDER_FACTOR, Bounds
from pipeline.ingest.ids import IdKinds
from pipeline.ingest.source import EMPTY, RawBatch


@dataclass(frozen=True)
class ReadDelivery:
    """What a delivery holds but its events.

    Attributes:
        n_rows: events and rejects.
        items, users: ITEMS and USERS, each as it was listed last.
        rejects: REJECTS of the reading.
        lines: FILE_LINES, a row for each file and content.
        kinds: what ids are.
        counts_own_time: whether times count from a start of their own; None without times.
        usual_order: 99 % of the orders lie below, in most batches; None without orders.
    """

    n_rows: int
    items: pl.DataFrame
    users: pl.DataFrame
    rejects: pl.DataFrame
    lines: pl.DataFrame
    kinds: IdKinds
    counts_own_time: bool | None
    usual_order: int | None

    def bounds(self, earliest: datetime | None, latest: datetime | None) -> Bounds:
        """Where the times and orders of its events have to lie.

        Args:
            earliest: no time lies before it; None: ``FLOOR``, where times are of the calendar.
            latest: no time lies after it.
        """
        largest = None if self.usual_order is None else max(LEAST_LARGEST_ORDER, ORDER_FACTOR * self.usual_order)
        if self.counts_own_time and earliest is None:
            return Bounds(None, FLOOR, latest_is_floor=True, largest_order=largest)
        return Bounds(earliest or FLOOR, latest, largest_order=largest)


# Rows of items or users, beyond twice those that differ, above which the rows that later ones replace are let go.
_ROWS_TO_COMPACT = 200_000


@dataclass
class _Listed:
    """Items or users as the batches list them, in memory that grows with how many differ and not with the batches."""

    key: str
    frames: list[pl.DataFrame]
    n_rows: int = 0
    n_latest: int = 0

    def add(self, frame: pl.DataFrame) -> None:
        """Keep the rows of a batch."""
        self.frames.append(frame)
        self.n_rows += frame.height
        if self.n_rows > _ROWS_TO_COMPACT + 2 * self.n_latest:
            self.frames = [self.latest()]
            self.n_rows = self.n_latest = self.frames[0].height

    def latest(self) -> pl.DataFrame:
        """One row for each, as it was listed last."""
        return pl.concat(self.frames).unique(self.key, keep="last", maintain_order=True)


@dataclass
class Reading:
    """Adds up the batches of a delivery while they are read; the events themselves are not kept."""

    n_rows: int = 0
    n_rejected: int = 0
    _items: _Listed = field(default_factory=lambda: _Listed("item_id", [ITEMS.empty()]))
    _users: _Listed = field(default_factory=lambda: _Listed("user_id", [USERS.empty()]))
    _rejects: list[pl.DataFrame] = field(default_factory=lambda: [REJECTS.empty()])
    _lines: list[pl.DataFrame] = field(default_factory=lambda: [FILE_LINES.empty()])
    _n_timed: int = 0
    _n_before_floor: int = 0
    _usual_orders: list[int] = field(default_factory=list)

    def add(self, batch: RawBatch) -> None:
        """Count a batch and keep its items, users, rejects and lines."""
        times, order = batch.events["occurred_at"], batch.events["order"].quantile(0.99, "lower")
        self.n_rows += batch.events.height + batch.rejects.height
        self.n_rejected += batch.rejects.height
        self._items.add(batch.items)
        self._users.add(batch.users)
        self._rejects.append(batch.rejects)
        self._lines.append(batch.lines)
        self._n_timed += batch.events.height - times.null_count()
        self._n_before_floor += int((times < FLOOR).sum())
        self._usual_orders += [] if order is None else [int(order)]

    @property
    def rejects(self) -> pl.DataFrame:
        """REJECTS so far."""
        return pl.concat(self._rejects)

    @property
    def lines(self) -> pl.DataFrame:
        """FILE_LINES so far, a row for each file and content."""
        return whole_files(self._lines)

    def result(self, kinds: IdKinds, counts_own_time: bool | None) -> ReadDelivery:
        """The delivery, when all of it is read.

        Args:
            kinds: what its ids were read as.
            counts_own_time: what earlier deliveries decided; None where this one decides it, by most of its times.
        """
        if counts_own_time is None and self._n_timed:
            counts_own_time = 2 * self._n_before_floor > self._n_timed
        orders = sorted(self._usual_orders)
        return ReadDelivery(
            n_rows=self.n_rows,
            items=self._items.latest(),
            users=self._users.latest(),
            rejects=self.rejects,
            lines=self.lines,
            kinds=kinds,
            counts_own_time=counts_own_time,
            usual_order=orders[(len(orders) - 1) // 2] if orders else None,
        )


def whole_files(lines: Sequence[pl.DataFrame]) -> pl.DataFrame:
    """FILE_LINES with one row for each file and content, in the order of reading, from those of its batches."""
    keys = ["file", "path", "content"]
    batches = pl.concat(lines)
    return batches.group_by(keys, maintain_order=True).agg(pl.exclude(keys).sum()).select(list(FILE_LINES.schema))


def remarks(lines: pl.DataFrame, settle_hours: float) -> list[str]:
    """What a person should know of the files that were read, a sentence each.

    Args:
        lines: FILE_LINES.
        settle_hours: how long an open last line waits.
    """
    found = []
    for row in lines.rows(named=True):
        if row["content"] == EMPTY:
            found.append(f"{row['file']}: no rows; passed over")
        if row["n_open"]:
            found.append(
                f"{row['file']}: the last line has no line end; it waits in quarantine until the file is written on or has not "
                f"changed for {settle_hours:g} hours (ingest.settle_hours)"
            )
        if row["n_continued"]:
            found.append(f"{row['file']}: {row['n_continued']:,} lines continue a field of the line before (multiline = true)")
        if row["n_header"] > 1:
            found.append(f"{row['file']}: its header stands in it {row['n_header']:,} times; these lines are no rows")
    return found
