"""What every source is: an ordered list of deliveries, each read as a stream of canonical frames."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import NamedTuple, Protocol

import polars as pl

from pipeline.contracts import FILE_LINES, ITEMS, RAW_EVENTS, REJECTS, USERS
from pipeline.ingest.delimited import Rows
from pipeline.ingest.identity import Identity
from pipeline.ingest.ids import IdKinds
from pipeline.ingest.section import SourceSection


@dataclass(frozen=True)
class Delivery:
    """The raw files that arrive together; ingested whole or not at all.

    Attributes:
        id: stable from night to night; rises in the order of arrival.
        files: what the delivery is known by (their sha256), in a fixed order.
        occurred_on: the day the events belong to, where the delivery is one day.
        n_bytes: sizes of the files when they were hashed, beyond which nothing is read; empty for all there is.
        growing: files that may still be written, whose last line is not taken without a line end.
        shared: those of ``files`` that are of every delivery, as a catalogue is; when such a file changes, the newest delivery alone
            is read again, and the cost of a night does not grow with the log.
    """

    id: str
    files: tuple[Path, ...]
    occurred_on: date | None = None
    n_bytes: tuple[int, ...] = ()
    growing: frozenset[Path] = frozenset()
    shared: frozenset[Path] = frozenset()

    def size_of(self, file: Path) -> int | None:
        """How much of the file belongs to the delivery, in bytes; None for all of it."""
        return self.n_bytes[self.files.index(file)] if self.n_bytes else None


class RawBatch(NamedTuple):
    """A chunk of a delivery; every frame keeps its contract and may be empty.

    An id may come again in a later batch; ``catalogue.merge_items`` and ``merge_users`` say which row wins.
    """

    events: pl.DataFrame = RAW_EVENTS.empty()
    rejects: pl.DataFrame = REJECTS.empty()
    items: pl.DataFrame = ITEMS.empty()
    users: pl.DataFrame = USERS.empty()
    lines: pl.DataFrame = FILE_LINES.empty()


EMPTY = "nothing"  # as what a file's lines are that holds no rows and was passed over


def file_lines(file: str, path: Path, content: str, rows: Rows) -> pl.DataFrame:
    """FILE_LINES of rows as they were read.

    Args:
        file: the file's name in rejects.
        path: where it lies.
        content: events, items or users, or EMPTY.
        rows: some of its rows.
    """
    n = rows.lines
    row = (
        file,
        str(path),
        content,
        n.n_lines,
        n.n_header,
        n.n_blank,
        n.n_continued,
        rows.cells.height + rows.rejects.height,
        n.n_open,
    )
    return pl.DataFrame([row], schema=FILE_LINES.schema, orient="row")


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

    @property
    def config(self) -> SourceSection:
        """Its section of the configuration."""

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
