"""Any delimited or Parquet log with a column mapping: how a stranger's data comes in."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import polars as pl

from pipeline.contracts import ITEMS
from pipeline.ingest.cells import OWN, part
from pipeline.ingest.config import EventColumns, ItemFile, TableSource, UserFile
from pipeline.ingest.delimited import Rows
from pipeline.ingest.ids import IdKinds, Ids, Tally, likely_kinds
from pipeline.ingest.mapping import event_checks, identity_of, read_events, to_events, to_items, to_users
from pipeline.ingest.source import Delivery, RawBatch
from pipeline.ingest.tabular import matching, name_in, read_file, refuse_nested

_ROWS_THAT_SUGGEST_KINDS = 1_000


class TableLog:
    """Deliveries of event files, read by the names of their columns."""

    has_own_clock = False

    def __init__(self, config: TableSource, chunk_rows: int, ids_limit: float = 0.01) -> None:
        self.name = config.name
        self.identity = identity_of(config)
        self.ids_limit = ids_limit
        self.has_catalogue = config.items is not None
        self.config = config
        self.chunk_rows = chunk_rows

    def deliveries(self) -> list[Delivery]:
        """Each event file by itself in the order of their names, or all of them as one; with the item and user files.

        Raises:
            SourceError: a path leads to no file, or to one that may not be read.
        """
        events = matching(self.config.path)
        beside = [file for section in (self.config.items, self.config.users) if section for file in matching(section.path)]
        if self.config.delivery == "all":
            return [Delivery("all", (*events, *beside))]
        return [Delivery(name_in(self.config.path, file), (file, *beside)) for file in events]

    def read(self, delivery: Delivery, kinds: IdKinds | None = None) -> Iterator[RawBatch]:
        """Items and users first where they have files of their own, then the events in chunks.

        Raises:
            OtherKinds: it is not decided what ids are, and they are something else than they were read as.
            SourceError: a file is refused as a whole, or lacks a mapped column.
        """
        events = delivery.files[:1] if self.config.delivery == "file" else matching(self.config.path)
        reading = _Reading(kinds or self.kinds(delivery), self.config.columns, self.ids_limit)
        listed_users = pl.Series("user_id", [], dtype=pl.Int64)
        if self.config.items:
            yield from self._item_batches(self.config.items, reading)
        if self.config.users:
            for batch in self._user_batches(self.config.users, reading):
                listed_users = pl.concat([listed_users, batch.users["user_id"]])
                yield batch
        for path in events:
            name = name_in(self.config.path, path)
            for rows in read_file(path, name, self.config, self._mapped(), self.chunk_rows):
                batch = self._event_batch(rows, name, reading)
                # What the users' own file tells of a user stands; the events only add those it does not list.
                yield batch._replace(users=batch.users.filter(~pl.col("user_id").is_in(listed_users.implode())))
        reading.require_kinds()

    def _event_batch(self, rows: Rows, file: str, reading: "_Reading") -> RawBatch:
        columns, users, items = self.config.columns, reading.users, reading.items
        read = read_events(rows.cells, self.config, users, items)
        reading.note(read, users, items)
        good, rejects = part(read, event_checks(read, self.config, users, items), file)
        return RawBatch(
            events=to_events(good, self.config, users, items, file),
            rejects=pl.concat([rows.rejects, rejects]),
            items=ITEMS.empty()
            if self.config.items
            else to_items(good, items, None, columns.categories, self.config.category_separator, columns.item_attributes),
            users=to_users(good, users, columns.user_attributes),
        )

    def _mapped(self) -> list[str]:
        told = self.config.columns.model_dump(exclude_none=True).values()
        return list(dict.fromkeys(name for names in told for name in ([names] if isinstance(names, str) else names)))

    def kinds(self, delivery: Delivery) -> IdKinds:
        """What ids are by the configuration, or (not decided) what the delivery's first rows suggest."""
        if self.config.ids != "auto":
            return IdKinds(self.config.ids, self.config.ids)
        columns, first = self.config.columns, delivery.files[0]
        rows = next(read_file(first, first.name, self.config, self._mapped(), _ROWS_THAT_SUGGEST_KINDS)).cells
        return likely_kinds(rows, columns.user, columns.item)

    def _item_batches(self, section: ItemFile, reading: "_Reading") -> Iterator[RawBatch]:
        columns, ids = section.columns, replace(reading.items, column=section.columns.item)
        mapped = [columns.item, *columns.categories, *([columns.title] if columns.title else [])]
        for path in matching(section.path):
            name = name_in(section.path, path)
            for rows in read_file(path, name, section, mapped, self.chunk_rows):
                good, rejects = reading.ids_of(rows, ids, name)
                others = _others(good, mapped, path)
                items = to_items(good, ids, columns.title, columns.categories, section.category_separator, others)
                yield RawBatch(items=items, rejects=rejects)

    def _user_batches(self, section: UserFile, reading: "_Reading") -> Iterator[RawBatch]:
        ids = replace(reading.users, column=section.columns.user)
        for path in matching(section.path):
            name = name_in(section.path, path)
            for rows in read_file(path, name, section, [ids.column], self.chunk_rows):
                good, rejects = reading.ids_of(rows, ids, name)
                yield RawBatch(users=to_users(good, ids, _others(good, [ids.column], path)), rejects=rejects)


class _Reading:
    """One reading of a delivery: what ids are read as, and whether they are that."""

    def __init__(self, kinds: IdKinds, columns: EventColumns, limit: float) -> None:
        self.kinds = kinds
        self.users = Ids("user", columns.user, kinds.user == "text")
        self.items = Ids("item", columns.item, kinds.item == "text")
        self.tally = Tally(limit)

    def note(self, read: pl.DataFrame, *ids: Ids) -> None:
        """Count ids, where it is not decided what they are.

        Raises:
            OtherKinds: they are others for certain.
        """
        if not self.kinds.is_decided:
            for each in ids:
                self.tally.note(read, each)
            self.tally.require(self.kinds, at_end=False)

    def ids_of(self, rows: Rows, ids: Ids, file: str) -> tuple[pl.DataFrame, pl.DataFrame]:
        """Rows of an item or user file with their ids read, and REJECTS of those that have none."""
        read = ids.read(rows.cells)
        self.note(read, ids)
        good, rejects = part(read, ids.checks(read), file)
        return good, pl.concat([rows.rejects, rejects])

    def require_kinds(self) -> None:
        """Ask, at the end of the delivery, whether ids are what they were read as.

        Raises:
            OtherKinds: they are something else.
        """
        if not self.kinds.is_decided:
            self.tally.require(self.kinds, at_end=True)


def _others(rows: pl.DataFrame, mapped: list[str], path: Path) -> list[str]:
    """The columns that no setting names: attributes."""
    others = [name for name in rows.columns if name not in mapped and not name.startswith(OWN)]
    refuse_nested(rows.select(others), path)
    return others
