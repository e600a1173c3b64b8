"""A proposed source is tried: read by itself, some rows shown, all that it says counted as far as the look goes."""

from collections import Counter
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import polars as pl

from pipeline.errors import EmptyFileError, SourceError
from pipeline.ingest.ids import IdKinds, OtherKinds
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
        reasons: reason → rejected rows, the most frequent first.
        n_positive: positive events among those read.
        n_users, n_items: users and items of these events.
        usual_slate: events of most requests; None where the log has none.
        is_whole: whether all of the log was read.
        events: user_id, item_id and feedback of the events read, in their order.
    """

    rows: pl.DataFrame
    n_events: int
    n_rejected: int
    reasons: Mapping[str, int]
    n_positive: int
    n_users: int
    n_items: int
    usual_slate: int | None
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


def tried(section: SourceSection, looked_at: int = _LOOKED_AT) -> Trial:
    """Read the log by its source, until its end or until so many events were read.

    Args:
        section: the source, with absolute paths.
        looked_at: events after which to end.

    Raises:
        EmptyFileError: no file has rows.
        SourceError: a file is refused as a whole, or no row of it is read.
    """
    source = section.open(_CHUNK_ROWS)
    events: list[pl.DataFrame] = []
    names: dict[str, dict[int, str]] = {"users": {}, "items": {}}
    reasons: Counter[str] = Counter()
    n_events, is_whole, first_reject, empty = 0, True, None, None
    for delivery in source.deliveries():
        try:
            batches = _batches(source, delivery)
        except EmptyFileError as error:  # a refresh passes over it
            empty = error
            continue
        for batch in batches:
            for what, key in (("users", "user_id"), ("items", "item_id")):
                frame = getattr(batch, what)
                names[what].update(zip(frame[key].to_list(), frame["raw_id"].to_list(), strict=True))
            reasons.update(batch.rejects["reason"].to_list())
            if first_reject is None and batch.rejects.height:
                first_reject = batch.rejects.row(0, named=True)
            events.append(batch.events)
            n_events += batch.events.height
            if n_events >= looked_at:
                is_whole = False
                break
        if not is_whole:
            break
    read = pl.concat(events) if events else pl.DataFrame()
    if read.is_empty() and empty and not reasons:
        raise empty
    if read.is_empty():
        why = f", the first, line {first_reject['line']}, since {first_reject['reason']}" if first_reject else ""
        raise SourceError(
            f"{section.path}: no row of it is read{why}; write the columns by hand in a copy of flows/configs/table.toml"
        )
    return Trial(
        _shown(read.head(SHOWN_ROWS), names),
        n_events,
        reasons.total(),
        dict(reasons.most_common()),
        int(read["feedback"].sum()),
        read["user_id"].n_unique(),
        read["item_id"].n_unique(),
        _usual_slate(read),
        is_whole,
        read.select("user_id", "item_id", "feedback"),
    )


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
