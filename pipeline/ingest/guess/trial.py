"""A proposed source is tried: read by itself, some rows shown, all that it says counted as far as the look goes."""

from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import polars as pl

from pipeline.contracts import RAW_EVENTS, REJECTS, USER_STATE
from pipeline.errors import EmptyFileError, SourceError
from pipeline.ingest.ids import IdKinds, OtherKinds
from pipeline.ingest.ordering import Origin, Rules, order_events
from pipeline.ingest.read_delivery import Reading
from pipeline.ingest.registry import SECTION_OF_KIND
from pipeline.ingest.section import SourceSection
from pipeline.ingest.source import Delivery, RawBatch, Source

SHOWN_ROWS = 10
_LOOKED_AT = 1_000_000  # events after which the look ends
_CHUNK_ROWS = 100_000
_SHOWN = ("order", "occurred_at", "feedback", "value", "request_id", "session_id", "position", "behavior_policy_id", "propensity")


@dataclass(frozen=True)
class Trial:
    """What a source read.

    Attributes:
        rows: the first events, ``SHOWN_ROWS`` at most: the ids as the log has them, and each column that is filled.
        n_events: events read.
        n_rejected: rows rejected.
        rejects: REJECTS, of the reading first and then of those that were read and that a refresh refuses.
        n_left_out: how many the latter are.
        n_positive: positive events among those read.
        n_users, n_items: users and items of these events.
        usual_slate: events of most requests; None where the log has none.
        counted_as_no: answer → rows, of answers that are not positive and not spelt 0.
        is_whole: whether all of the log was read.
        events: user_id, item_id and feedback of the events that a refresh takes, by user and time.
    """

    rows: pl.DataFrame
    n_events: int
    n_rejected: int
    rejects: pl.DataFrame
    n_left_out: int
    n_positive: int
    n_users: int
    n_items: int
    usual_slate: int | None
    counted_as_no: Mapping[str, int]
    is_whole: bool
    events: pl.DataFrame

    def liked_in_training(self, slate_size: int) -> tuple[int, int]:
        """How many users and items have positives among those events that will likely be of training.

        Args:
            slate_size: K; of a user the first four fifths of its records are of training.
        """
        counted = self.events.with_columns(
            pl.len().over("user_id").alias("n"), pl.int_range(pl.len()).over("user_id").alias("at")
        )
        of_training = pl.col("at") < 4 * (pl.col("n") // slate_size) // 5 * slate_size
        liked = counted.filter(of_training & (pl.col("feedback") == 1))
        return liked["user_id"].n_unique(), liked["item_id"].n_unique()


def section_of(source: Mapping[str, Any]) -> SourceSection:
    """The section ``[source]`` with these settings.

    Raises:
        pydantic.ValidationError: they do not fit together.
    """
    return SECTION_OF_KIND[source["kind"]].model_validate(dict(source))


def tried(section: SourceSection, looked_at: int = _LOOKED_AT, latest: datetime | None = None) -> Trial:
    """Read the log by its source, until its end or until so many events were read.

    Args:
        section: the source, with absolute paths.
        looked_at: events after which to end.
        latest: a refresh refuses later times; None: it takes any.

    Raises:
        EmptyFileError: no file has rows.
        SourceError: a file is refused as a whole, or no row of it is read.
    """
    source = section.open(_CHUNK_ROWS)
    found, empty = _Found(source, latest), None
    for delivery in source.deliveries():
        try:
            found.add(_batches(source, delivery))
        except EmptyFileError as error:  # a refresh passes over it
            empty = error
        if found.n_events >= looked_at:
            break
    read = pl.concat(found.events) if found.events else pl.DataFrame()
    if read.is_empty() and empty and found.rejects.is_empty():
        raise empty
    if read.is_empty():
        first = found.rejects.head(1).rows(named=True)
        why = f", the first, line {first[0]['line']}, since {first[0]['reason']}" if first else ""
        raise SourceError(
            f"{section.path}: no row of it is read{why}; write the columns by hand in a copy of flows/configs/table.toml"
        )
    left_out = found.left_out
    no = read.filter((pl.col("feedback") == 0) & pl.col("behavior").is_not_null())["behavior"].value_counts(sort=True)
    return Trial(
        _shown(read.head(SHOWN_ROWS), found.names),
        read.height,
        found.rejects.height,
        pl.concat([found.rejects, left_out]),
        left_out.height,
        int(read["feedback"].sum()),
        read["user_id"].n_unique(),
        read["item_id"].n_unique(),
        _usual_slate(read),
        dict(no.iter_rows()),
        read.height < looked_at,
        pl.concat(found.kept),
    )


class _Found:
    """What the deliveries hold that were read so far, and which of their rows a refresh would refuse."""

    def __init__(self, source: Source, latest: datetime | None) -> None:
        self.source, self.latest = source, latest
        self.events: list[pl.DataFrame] = []
        self.kept: list[pl.DataFrame] = []
        self.n_events = 0
        self.names: dict[str, dict[int, str]] = {"users": {}, "items": {}}
        self.rejects, self.left_out = REJECTS.empty(), REJECTS.empty()
        self.counts_own_time: bool | None = None

    def add(self, batches: Sequence[RawBatch]) -> None:
        """Add the batches of a delivery, whose rows are looked at together as a refresh looks at them."""
        reading = Reading()
        for batch in batches:
            reading.add(batch)
        read = reading.result(IdKinds(), self.counts_own_time)
        self.counts_own_time = read.counts_own_time
        self.names["users"].update(read.users.select("user_id", "raw_id").iter_rows())
        self.names["items"].update(read.items.select("item_id", "raw_id").iter_rows())
        self.rejects = pl.concat([self.rejects, read.rejects])
        events = pl.concat([RAW_EVENTS.empty(), *(batch.events for batch in batches)])
        listed = read.items["item_id"] if self.source.has_catalogue else None
        rules = Rules(self.source.identity, read.bounds(None, self.latest), listed)
        ordered = order_events(events, USER_STATE.empty(), Origin("", ""), rules)
        self.left_out = pl.concat([self.left_out, ordered.rejects])
        self.kept.append(ordered.events.select("user_id", "item_id", "feedback"))
        self.events.append(events)
        self.n_events += events.height


def _batches(source: Source, delivery: Delivery) -> list[RawBatch]:
    """The batches of a delivery; read again, as a refresh does, as often as its ids turn out to be of other kinds."""
    kinds = None
    while True:
        try:
            return _batches_as(source, delivery, kinds)
        except OtherKinds as others:
            kinds = others.kinds


def _batches_as(source: Source, delivery: Delivery, kinds: IdKinds | None) -> list[RawBatch]:
    batches, n_events = [], 0
    with closing(source.read(delivery, kinds)) as reading:  # type: ignore[type-var]  # each is a generator
        for batch in reading:
            batches.append(batch)
            n_events += batch.events.height
            if n_events >= _LOOKED_AT:
                break
    return batches


def _usual_slate(events: pl.DataFrame) -> int | None:
    if events["request_id"].null_count() == events.height:
        return None
    sizes = events.filter(pl.col("request_id").is_not_null()).group_by("user_id", "request_id").len()["len"]
    return int(sizes.mode().min())  # type: ignore[arg-type]  # whole numbers


def _shown(events: pl.DataFrame, names: Mapping[str, Mapping[int, str | None]]) -> pl.DataFrame:
    ids = [
        pl.Series("user", [names["users"].get(key) or str(key) for key in events["user_id"]]),
        pl.Series("item", [names["items"].get(key) or str(key) for key in events["item_id"]]),
    ]
    kept = [name for name in _SHOWN if events[name].null_count() < events.height]
    if "occurred_at" in kept and "order" in kept and events["occurred_at"].null_count() == 0:
        kept.remove("order")
    return pl.DataFrame(ids).with_columns(events.select(kept))
