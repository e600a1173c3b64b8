"""The source "table": any delimited or Parquet log, read by a mapping of its columns."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import polars as pl

from pipeline.contracts import ITEMS, REJECTS
from pipeline.errors import EmptyFileError, SourceError
from pipeline.ingest.cells import OWN, split_rejects
from pipeline.ingest.delimited import Rows
from pipeline.ingest.ids import IdKinds, Ids, Tally, likely_kinds
from pipeline.ingest.layout import open_line_of
from pipeline.ingest.mapping import ItemDescription, event_checks, identity_of, read_events, to_events, to_items, to_users
from pipeline.ingest.source import EMPTY, Delivery, RawBatch, file_lines
from pipeline.ingest.table_config import EventColumns, ItemFile, TableSource, UserFile
from pipeline.ingest.tabular import RawFile, WantedColumns, matching, name_in, read_file

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
        catalogues = [file for section in (self.config.items, self.config.users) if section for file in matching(section.path)]
        if self.config.delivery == "all":
            return [Delivery("all", _each_once(*events, *catalogues))]
        return [
            Delivery(name_in(self.config.path, file), _each_once(file, *catalogues), shared=frozenset(catalogues) - {file})
            for file in events
        ]

    def read(self, delivery: Delivery, kinds: IdKinds | None = None) -> Iterator[RawBatch]:
        """Items and users first where they have files of their own, then the events in chunks.

        Raises:
            OtherKinds: it is not decided what ids are, and they are something else than they were read as.
            SourceError: a file is refused as a whole, or lacks a mapped column.
        """
        reading = _Reading(kinds or self.kinds(delivery), self.config.columns, self.ids_limit)
        listed_users = pl.Series("user_id", [], dtype=pl.Int64)
        if self.config.items:
            yield from self._item_batches(delivery, self.config.items, reading)
        if self.config.users:
            for batch in self._user_batches(delivery, self.config.users, reading):
                listed_users = pl.concat([listed_users, batch.users["user_id"]])
                yield batch
        for batch in self._passing_empty_files(
            delivery, self.config.path, self._event_files(delivery), partial(self._event_batches, reading=reading), "events"
        ):
            # The user file decides what is known of its users; events only add users that it does not list.
            yield batch._replace(users=batch.users.filter(~pl.col("user_id").is_in(listed_users.implode())))
        reading.require_kinds()

    def kinds(self, delivery: Delivery) -> IdKinds:
        """What ids are by the configuration, or (not decided) what the delivery's first rows suggest.

        Raises:
            EmptyFileError: no file of the delivery has rows.
            SourceError: a file is refused as a whole.
        """
        if self.config.ids != "auto":
            return IdKinds(self.config.ids, self.config.ids)
        rows = self._first_rows(self._event_files(delivery))
        return likely_kinds(rows, self.config.columns.user, self.config.columns.item)

    def _event_files(self, delivery: Delivery) -> Sequence[Path]:
        """The event files of a delivery; one that appeared since it was drawn up is none of it."""
        if self.config.delivery == "file":
            return delivery.files[:1]
        return [path for path in matching(self.config.path) if path in delivery.files]

    def _first_rows(self, events: Sequence[Path]) -> pl.DataFrame:
        """The first rows of the first file that has any."""
        empty = None
        for path in events:
            file = RawFile(path, path.name)
            try:
                return next(
                    rows.cells
                    for rows in read_file(file, self.config, WantedColumns(self._mapped()), _ROWS_THAT_SUGGEST_KINDS)
                    if rows.cells.height
                )
            except EmptyFileError as error:
                empty = error
            except StopIteration:  # it has rows, and all of them are rejected
                continue
        raise empty or SourceError(f"{self.config.path}: no line can be read as a row; check the separator and the encoding")

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
            open_line = open_line_of(content, may_grow=path in delivery.growing)
            file = RawFile(path, name_in(pattern, path), delivery.size_of(path), open_line)
            try:
                yield from read(file)
            except EmptyFileError as error:
                n_empty, empty = n_empty + 1, error
                yield RawBatch(lines=file_lines(file.name, path, EMPTY, Rows(REJECTS.empty(), REJECTS.empty())))
        if empty and n_empty == len(paths) and content != "users":
            raise empty if content == "events" else SourceError(f"{empty}; the catalogue would be empty")

    def _event_batches(self, file: RawFile, reading: "_Reading") -> Iterator[RawBatch]:
        exact = [name for name in self.config.columns.model_dump().values() if isinstance(name, str)]
        wanted = WantedColumns(self._mapped(), exact, reading.whole_numbers(self.config))
        for rows in read_file(file, self.config, wanted, self.chunk_rows):
            yield self._event_batch(rows, file.name, reading)._replace(lines=file_lines(file.name, file.path, "events", rows))

    def _event_batch(self, rows: Rows, file: str, reading: "_Reading") -> RawBatch:
        columns, users, items = self.config.columns, reading.users, reading.items
        read = read_events(rows.cells, self.config, users, items)
        reading.note(read, users, items)
        good, rejects = split_rejects(read, event_checks(read, self.config, users, items), file)
        return RawBatch(
            events=to_events(good, self.config, users, items, file),
            rejects=pl.concat([rows.rejects, rejects]),
            items=ITEMS.empty()
            if self.config.items
            else to_items(
                good, items, ItemDescription(None, columns.categories, self.config.category_separator, columns.item_attributes)
            ),
            users=to_users(good, users, columns.user_attributes),
        )

    def _mapped(self) -> list[str]:
        mapped = self.config.columns.model_dump(exclude_none=True).values()
        return list(dict.fromkeys(name for names in mapped for name in ([names] if isinstance(names, str) else names)))

    def _item_batches(self, delivery: Delivery, section: ItemFile, reading: "_Reading") -> Iterator[RawBatch]:
        columns, ids = section.columns, replace(reading.items, column=section.columns.item)
        mapped = [columns.item, *columns.categories, *([columns.title] if columns.title else [])]

        def read(file: RawFile) -> Iterator[RawBatch]:
            for rows in read_file(file, section, WantedColumns(mapped, [columns.item], with_others=True), self.chunk_rows):
                good, rejects = reading.ids_of(rows, ids, file.name)
                others = _others(good, mapped)
                described = ItemDescription(columns.title, columns.categories, section.category_separator, others)
                items = to_items(good, ids, described)
                yield RawBatch(items=items, rejects=rejects, lines=file_lines(file.name, file.path, "items", rows))

        paths = [path for path in matching(section.path) if path in delivery.files]
        yield from self._passing_empty_files(delivery, section.path, paths, read, "items")

    def _user_batches(self, delivery: Delivery, section: UserFile, reading: "_Reading") -> Iterator[RawBatch]:
        ids = replace(reading.users, column=section.columns.user)

        def read(file: RawFile) -> Iterator[RawBatch]:
            for rows in read_file(file, section, WantedColumns([ids.column], [ids.column], with_others=True), self.chunk_rows):
                good, rejects = reading.ids_of(rows, ids, file.name)
                users = to_users(good, ids, _others(good, [ids.column]))
                yield RawBatch(users=users, rejects=rejects, lines=file_lines(file.name, file.path, "users", rows))

        paths = [path for path in matching(section.path) if path in delivery.files]
        yield from self._passing_empty_files(delivery, section.path, paths, read, "users")


class _Reading:
    """One reading of a delivery: what ids are read as, and whether they are that."""

    def __init__(self, kinds: IdKinds, columns: EventColumns, limit: float) -> None:
        self.kinds = kinds
        self.users = Ids("user", columns.user, kinds.user == "text")
        self.items = Ids("item", columns.item, kinds.item == "text")
        self.tally = Tally(limit)

    def whole_numbers(self, config: TableSource) -> list[str]:
        """The columns of events that usually are whole numbers."""
        columns = config.columns
        named = [ids.column for ids in (self.users, self.items) if not ids.is_text] + [columns.order, columns.position]
        described = {*columns.categories, *columns.item_attributes, *columns.user_attributes}
        is_counted = config.time_unit != "iso"
        return [name for name in (*named, columns.time if is_counted else None) if name and name not in described]

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
        good, rejects = split_rejects(read, ids.checks(read), file)
        return good, pl.concat([rows.rejects, rejects])

    def require_kinds(self) -> None:
        """Ask, at the end of the delivery, whether ids are what they were read as.

        Raises:
            OtherKinds: they are something else.
        """
        if not self.kinds.is_decided:
            self.tally.require(self.kinds, at_end=True)


def _each_once(*files: Path) -> tuple[Path, ...]:
    return tuple(dict.fromkeys(files))


def _others(rows: pl.DataFrame, mapped: list[str]) -> list[str]:
    """The columns that no setting names: attributes."""
    return [name for name in rows.columns if name not in mapped and not name.startswith(OWN)]
