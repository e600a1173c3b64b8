"""Any delimited or Parquet log with a column mapping: how a stranger's data comes in."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

import polars as pl

from pipeline.contracts import ITEMS, REJECTS
from pipeline.errors import EmptyFileError, SourceError
from pipeline.ingest.cells import OWN, part
from pipeline.ingest.config import ItemFile, TableSource, UserFile
from pipeline.ingest.delimited import OpenLine, Rows
from pipeline.ingest.mapping import Ids, decide_ids, event_checks, to_events, to_items, to_users
from pipeline.ingest.source import EMPTY, Delivery, RawBatch, file_lines
from pipeline.ingest.tabular import RawFile, matching, name_in, read_file

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
            return [Delivery("all", _each_once(*events, *beside))]
        return [Delivery(name_in(self.config.path, file), _each_once(file, *beside)) for file in events]

    def read(self, delivery: Delivery) -> Iterator[RawBatch]:
        """Items and users first where they have files of their own, then the events in chunks.

        Raises:
            SourceError: a file is refused as a whole, or lacks a mapped column.
        """
        events = matching(self.config.path)
        users, items = self._ids(events)
        listed_users = pl.Series("user_id", [], dtype=pl.Int64)
        if self.config.items:
            yield from self._item_batches(delivery, self.config.items, items.is_text)
        if self.config.users:
            for batch in self._user_batches(delivery, self.config.users, users.is_text):
                listed_users = pl.concat([listed_users, batch.users["user_id"]])
                yield batch
        # A file that appeared since the delivery was drawn up is none of it.
        taken = delivery.files[:1] if self.config.delivery == "file" else [path for path in events if path in delivery.files]
        for batch in self._passing_empty_files(
            delivery, self.config.path, taken, partial(self._event_batches, users=users, items=items), "events"
        ):
            # What the users' own file tells of a user stands; the events only add those it does not list.
            yield batch._replace(users=batch.users.filter(~pl.col("user_id").is_in(listed_users.implode())))

    def _passing_empty_files(
        self,
        delivery: Delivery,
        pattern: Path,
        paths: Sequence[Path],
        read: Callable[[RawFile], Iterator[RawBatch]],
        content: str,
    ) -> Iterator[RawBatch]:
        """The batches of the files; of one without rows, among others that have some, only its lines.

        Raises:
            EmptyFileError: no file of events has rows.
            SourceError: no file of items has, so that there would be no catalogue.
        """
        n_empty, empty = 0, None
        for path in paths:
            may_grow = path in delivery.growing
            open_line: OpenLine = "take" if not may_grow else "reject" if content == "events" else "refuse"
            file = RawFile(path, name_in(pattern, path), delivery.size_of(path), open_line)
            try:
                yield from read(file)
            except EmptyFileError as error:
                n_empty, empty = n_empty + 1, error
                yield RawBatch(lines=file_lines(file.name, path, EMPTY, Rows(REJECTS.empty(), REJECTS.empty())))
        if empty and n_empty == len(paths) and content != "users":
            raise empty if content == "events" else SourceError(f"{empty}; the catalogue would be empty")

    def _event_batches(self, file: RawFile, users: Ids, items: Ids) -> Iterator[RawBatch]:
        for rows in read_file(file, self.config, self._mapped(), self.chunk_rows, with_others=False):
            yield self._event_batch(rows, file.name, users, items)._replace(
                lines=file_lines(file.name, file.path, "events", rows)
            )

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

    def _ids(self, events: Sequence[Path]) -> tuple[Ids, Ids]:
        """Decided on the first rows of the first file with any, so that it depends on no chunk; ids that do not fit are rejected."""
        columns = self.config.columns
        if self.config.ids != "auto":
            is_text = self.config.ids == "text"
            return Ids("user", columns.user, is_text), Ids("item", columns.item, is_text)
        rows = self._first_rows(events)
        return decide_ids("user", columns.user, rows), decide_ids("item", columns.item, rows)

    def _first_rows(self, events: Sequence[Path]) -> pl.DataFrame:
        empty = None
        for path in events:
            try:
                return next(
                    rows.cells
                    for rows in read_file(
                        RawFile(path, path.name), self.config, self._mapped(), _ROWS_THAT_DECIDE_IDS, with_others=False
                    )
                    if rows.cells.height
                )
            except EmptyFileError as error:
                empty = error
            except StopIteration:  # it has rows, and all of them are rejected
                continue
        raise empty or SourceError(f"{self.config.path}: no line can be read as a row; check the separator and the encoding")

    def _item_batches(self, delivery: Delivery, section: ItemFile, is_text: bool) -> Iterator[RawBatch]:
        columns, ids = section.columns, Ids("item", section.columns.item, is_text)
        mapped = [columns.item, *columns.categories, *([columns.title] if columns.title else [])]

        def read(file: RawFile) -> Iterator[RawBatch]:
            for rows in read_file(file, section, mapped, self.chunk_rows):
                good, rejects = part(rows.cells, ids.checks, file.name)
                others = _others(good, mapped)
                items = to_items(good, ids, columns.title, columns.categories, section.category_separator, others)
                lines = file_lines(file.name, file.path, "items", rows)
                yield RawBatch(items=items, rejects=pl.concat([rows.rejects, rejects]), lines=lines)

        paths = [path for path in matching(section.path) if path in delivery.files]
        yield from self._passing_empty_files(delivery, section.path, paths, read, "items")

    def _user_batches(self, delivery: Delivery, section: UserFile, is_text: bool) -> Iterator[RawBatch]:
        ids = Ids("user", section.columns.user, is_text)

        def read(file: RawFile) -> Iterator[RawBatch]:
            for rows in read_file(file, section, [ids.column], self.chunk_rows):
                good, rejects = part(rows.cells, ids.checks, file.name)
                users = to_users(good, ids, _others(good, [ids.column]))
                lines = file_lines(file.name, file.path, "users", rows)
                yield RawBatch(users=users, rejects=pl.concat([rows.rejects, rejects]), lines=lines)

        paths = [path for path in matching(section.path) if path in delivery.files]
        yield from self._passing_empty_files(delivery, section.path, paths, read, "users")


def _each_once(*files: Path) -> tuple[Path, ...]:
    return tuple(dict.fromkeys(files))


def _others(rows: pl.DataFrame, mapped: list[str]) -> list[str]:
    """The columns that no setting names: attributes."""
    return [name for name in rows.columns if name not in mapped and not name.startswith(OWN)]
