"""What every source is: an ordered list of deliveries, each read as a stream of canonical frames."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import NamedTuple, Protocol

import polars as pl

from pipeline.contracts import ITEMS, RAW_EVENTS, REJECTS, USERS
from pipeline.ingest.identity import Identity
from pipeline.ingest.ids import IdKinds


@dataclass(frozen=True)
class Delivery:
    """The raw files that arrive together; ingested whole or not at all.

    Attributes:
        id: stable from night to night; rises in the order of arrival.
        files: what the delivery is known by (their sha256), in a fixed order.
        occurred_on: the day the events belong to, where the delivery is one day.
    """

    id: str
    files: tuple[Path, ...]
    occurred_on: date | None = None


class RawBatch(NamedTuple):
    """A chunk of a delivery; every frame keeps its contract and may be empty.

    An id may come again in a later batch; ``catalogue.merge_items`` and ``merge_users`` say which row wins.
    """

    events: pl.DataFrame = RAW_EVENTS.empty()
    rejects: pl.DataFrame = REJECTS.empty()
    items: pl.DataFrame = ITEMS.empty()
    users: pl.DataFrame = USERS.empty()


class Source(Protocol):
    """An adapter from raw files to the canonical tables.

    Attributes:
        name: the source in the warehouse.
        has_catalogue: true where each delivery lists all its items: an event of an item never listed is refused,
            and a known item that the latest delivery does not list is no longer active.
        has_own_clock: true where days are made, not lived, so that they may lie ahead of the clock.
        identity: what makes two of its rows one event.
    """

    name: str
    has_catalogue: bool
    has_own_clock: bool
    identity: Identity

    def deliveries(self) -> list[Delivery]:
        """All deliveries, oldest first.

        Raises:
            SourceError: a file or folder is missing or may not be read.
        """

    def kinds(self, delivery: Delivery) -> IdKinds:
        """What ids are by the configuration, or (not decided) what the delivery's first rows suggest."""

    def read(self, delivery: Delivery, kinds: IdKinds | None = None) -> Iterator[RawBatch]:
        """The delivery's rows in chunks; bad rows are in ``rejects``, with file, line and reason.

        Args:
            delivery: one of ``deliveries``.
            kinds: what to read ids as; not given: as ``kinds`` says.

        Raises:
            OtherKinds: that was not decided, and the delivery is to be read again with other kinds.
            SourceError: a file is refused as a whole; rows already handed out are not to be kept.
        """
