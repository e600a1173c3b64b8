"""Any delimited or Parquet log with a column mapping: how a stranger's data comes in."""

from collections.abc import Iterator
from pathlib import Path

import polars as pl

from pipeline.contracts import ITEMS
from pipeline.ingest.cells import OWN, part
from pipeline.ingest.config import ItemFile, TableSource, UserFile
from pipeline.ingest.delimited import Rows
from pipeline.ingest.mapping import Ids, decide_ids, event_checks, to_events, to_items, to_users
from pipeline.ingest.source import Delivery, RawBatch
from pipeline.ingest.tabular import matching, name_in, read_file, refuse_nested

_ROWS_THAT_DECIDE_IDS = 1_000


class TableLog:
    """Deliveries of event files, read by the names of their columns."""

    def __init__(self, config: TableSource, chunk_rows: int) -> None:
        self.name = config.name
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

    def read(self, delivery: Delivery) -> Iterator[RawBatch]:
        """Items and users first where they have files of their own, then the events in chunks.

        Raises:
            SourceError: a file is refused as a whole, or lacks a mapped column.
        """
        events = matching(self.config.path)
        users, items = self._ids(events[0])
        listed_users = pl.Series("user_id", [], dtype=pl.Int64)
        if self.config.items:
            yield from self._item_batches(self.config.items, items.is_text)
        if self.config.users:
            for batch in self._user_batches(self.config.users, users.is_text):
                listed_users = pl.concat([listed_users, batch.users["user_id"]])
                yield batch
        for path in delivery.files[:1] if self.config.delivery == "file" else events:
            name = name_in(self.config.path, path)
            for rows in read_file(path, name, self.config, self._mapped(), self.chunk_rows):
                batch = self._event_batch(rows, name, users, items)
                # What the users' own file tells of a user stands; the events only add those it does not list.
                yield batch._replace(users=batch.users.filter(~pl.col("user_id").is_in(listed_users.implode())))

    def _event_batch(self, rows: Rows, file: str, users: Ids, items: Ids) -> RawBatch:
        columns = self.config.columns
        good, rejects = part(rows.cells, event_checks(self.config, users, items, rows.cells.schema), file)
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

    def _ids(self, first: Path) -> tuple[Ids, Ids]:
        """Decided on the first rows of the first file, so that it depends on no chunk; ids that do not fit are rejected."""
        columns = self.config.columns
        if self.config.ids != "auto":
            is_text = self.config.ids == "text"
            return Ids("user", columns.user, is_text), Ids("item", columns.item, is_text)
        rows = next(read_file(first, first.name, self.config, self._mapped(), _ROWS_THAT_DECIDE_IDS)).cells
        return decide_ids("user", columns.user, rows), decide_ids("item", columns.item, rows)

    def _item_batches(self, section: ItemFile, is_text: bool) -> Iterator[RawBatch]:
        columns, ids = section.columns, Ids("item", section.columns.item, is_text)
        mapped = [columns.item, *columns.categories, *([columns.title] if columns.title else [])]
        for path in matching(section.path):
            name = name_in(section.path, path)
            for rows in read_file(path, name, section, mapped, self.chunk_rows):
                good, rejects = part(rows.cells, [ids.check], name)
                others = _others(good, mapped, path)
                items = to_items(good, ids, columns.title, columns.categories, section.category_separator, others)
                yield RawBatch(items=items, rejects=pl.concat([rows.rejects, rejects]))

    def _user_batches(self, section: UserFile, is_text: bool) -> Iterator[RawBatch]:
        ids = Ids("user", section.columns.user, is_text)
        for path in matching(section.path):
            name = name_in(section.path, path)
            for rows in read_file(path, name, section, [ids.column], self.chunk_rows):
                good, rejects = part(rows.cells, [ids.check], name)
                yield RawBatch(
                    users=to_users(good, ids, _others(good, [ids.column], path)), rejects=pl.concat([rows.rejects, rejects])
                )


def _others(rows: pl.DataFrame, mapped: list[str], path: Path) -> list[str]:
    """The columns that no setting names: attributes."""
    others = [name for name in rows.columns if name not in mapped and not name.startswith(OWN)]
    refuse_nested(rows.select(others), path)
    return others
