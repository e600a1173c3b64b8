"""The source "table": any delimited, JSON or Parquet log, read by a mapping of its columns."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path

import polars as pl

from pipeline.contracts import ITEMS, REJECTS
from pipeline.errors import EmptyFileError, SourceError
from pipeline.ingest.causes import nothing_readable
from pipeline.ingest.cells import OWN, split_rejects
from pipeline.ingest.core import Core, core_of
from pipeline.ingest.delimited import Rows
from pipeline.ingest.ids import IdKinds, Ids, Tally, likely_kinds
from pipeline.ingest.layout import open_line_of
from pipeline.ingest.lists import refuse_lists
from pipeline.ingest.mapping import ItemDescription, event_checks, identity_of, read_events, to_events, to_items, to_users
from pipeline.ingest.rule import condition
from pipeline.ingest.shape import (
    PlainColumns,
    events_of,
    key_of,
    plain_columns,
    rows_at_once,
    wanted_of_events,
    wanted_of_list,
    with_keys,
)
from pipeline.ingest.source import EMPTY, Delivery, RawBatch, file_lines
from pipeline.ingest.table_config import TableSource
from pipeline.ingest.table_layout import CoreConfig, ItemFile, TextFormat, UserFile
from pipeline.ingest.tabular import RawFile, matching, name_in, read_file

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
        reading = _Reading(kinds or self.kinds(delivery), plain_columns(self.config), self.ids_limit)
        if self.config.core:
            reading.core = self._core(delivery, reading, self.config.core)
        listed_users = pl.Series("user_id", [], dtype=pl.Int64)
        if self.config.items:
            yield from self._item_batches(delivery, self.config.items, reading)
        if self.config.users:
            for batch in self._user_batches(delivery, self.config.users, reading):
                listed_users = pl.concat([listed_users, batch.users["user_id"]])
                yield batch
        for batch in self._passing_empty_files(
            delivery, self.config, self.config.path, partial(self._event_batches, reading=reading), "events"
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
        columns = plain_columns(self.config)
        if self.config.format != "sequences":
            refuse_lists(rows, columns.item, str(self.config.path))
        return likely_kinds(rows, columns.user, columns.item)

    def _event_files(self, delivery: Delivery) -> Sequence[Path]:
        """The event files of a delivery; one that appeared since it was drawn up is none of it."""
        if self.config.delivery == "file":
            return delivery.files[:1]
        return [path for path in matching(self.config.path) if path in delivery.files]

    def _first_rows(self, events: Sequence[Path]) -> pl.DataFrame:
        """The first rows of the first file that has any.

        Raises:
            EmptyFileError: no file has rows.
            SourceError: every row is rejected.
        """
        empty, refused = None, REJECTS.empty()
        for path in events:
            try:
                for file in RawFile(path, path.name).parts(self.config):
                    for rows in self._rows(file, _ROWS_THAT_SUGGEST_KINDS):
                        if rows.cells.height:
                            return rows.cells
                        refused = rows.rejects if refused.is_empty() else refused
            except EmptyFileError as error:
                empty = error
        raise empty if empty and refused.is_empty() else nothing_readable(self.config.path, refused)

    def _rows(self, file: RawFile, chunk_rows: int, whole: Sequence[str] = ()) -> Iterator[Rows]:
        """Rows of an event each; ``whole`` names the columns that usually are whole numbers."""
        wanted = replace(wanted_of_events(self.config), whole=whole)
        for rows in read_file(file, self.config, wanted, rows_at_once(self.config, chunk_rows)):
            yield events_of(rows, self.config, file.name)

    def _core(self, delivery: Delivery, reading: "_Reading", least: CoreConfig) -> Core:
        """Read the delivery once more, first, for its users and items with enough events."""
        users, items, pairs = reading.users, reading.items, []
        for file in self._files(delivery, self.config, self.config.path, "events"):
            with suppress(EmptyFileError):  # said when it is read for its rows
                for rows in self._rows(file, self.chunk_rows):
                    read = read_events(rows.cells, self.config, users, items)
                    good, _ = split_rejects(read, event_checks(read, self.config, users, items), file.name)
                    pairs.append(good.select(users.value.alias("user"), items.value.alias("item")))
        none = pl.DataFrame(schema={"user": pl.Int64(), "item": pl.Int64()})
        return core_of(pl.concat([none, *pairs]), least.users, least.items)

    def _passing_empty_files(
        self,
        delivery: Delivery,
        section: TextFormat,
        pattern: Path,
        read: Callable[[RawFile], Iterator[RawBatch]],
        content: str,
    ) -> Iterator[RawBatch]:
        """The batches of the files; of one without rows, among others that have some, only its lines.

        Raises:
            EmptyFileError: no file of events has rows.
            SourceError: no file of items has, so that there would be no catalogue.
        """
        n_full, empty = 0, None
        for file in self._files(delivery, section, pattern, content):
            try:
                yield from read(file)
                n_full += 1
            except EmptyFileError as error:
                empty = error
                yield RawBatch(lines=file_lines(file.name, file.path, EMPTY, Rows(REJECTS.empty(), REJECTS.empty())))
        if empty and not n_full and content != "users":
            raise empty if content == "events" else SourceError(f"{empty}; the catalogue would be empty")

    def _files(self, delivery: Delivery, section: TextFormat, pattern: Path, content: str) -> Iterator[RawFile]:
        """The files, and members of zips, of one content."""
        paths = (
            self._event_files(delivery) if content == "events" else [path for path in matching(pattern) if path in delivery.files]
        )
        for path in paths:
            open_line = open_line_of(content, may_grow=path in delivery.growing)
            yield from RawFile(path, name_in(pattern, path), delivery.size_of(path), open_line).parts(section)

    def _event_batches(self, file: RawFile, reading: "_Reading") -> Iterator[RawBatch]:
        for rows in self._rows(file, self.chunk_rows, reading.whole_numbers(self.config)):
            yield self._event_batch(rows, file.name, reading)._replace(lines=file_lines(file.name, file.path, "events", rows))

    def _event_batch(self, rows: Rows, file: str, reading: "_Reading") -> RawBatch:
        columns, users, items = self.config.columns, reading.users, reading.items
        read = read_events(rows.cells, self.config, users, items)
        reading.note(read, users, items)
        checks = event_checks(read, self.config, users, items)
        good, rejects = split_rejects(read, [*checks, *reading.core.checks()] if reading.core else checks, file)
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

    def _item_batches(self, delivery: Delivery, section: ItemFile, reading: "_Reading") -> Iterator[RawBatch]:
        columns, wanted = section.columns, wanted_of_list(section)
        ids = replace(reading.items, column=key_of("item", columns.item))

        def read(file: RawFile) -> Iterator[RawBatch]:
            for rows in read_file(file, section, wanted, self.chunk_rows):
                keyed = rows._replace(cells=with_keys(rows.cells, {"item": columns.item}))
                good, rejects = reading.ids_of(keyed, ids, file.name)
                described = ItemDescription(
                    columns.title, columns.categories, section.category_separator, _others(good, wanted.names)
                )
                items = to_items(good, ids, described)
                yield RawBatch(items=items, rejects=rejects, lines=file_lines(file.name, file.path, "items", rows))

        yield from self._passing_empty_files(delivery, section, section.path, read, "items")

    def _user_batches(self, delivery: Delivery, section: UserFile, reading: "_Reading") -> Iterator[RawBatch]:
        wanted = wanted_of_list(section)
        ids = replace(reading.users, column=key_of("user", section.columns.user))

        def read(file: RawFile) -> Iterator[RawBatch]:
            for rows in read_file(file, section, wanted, self.chunk_rows):
                keyed = rows._replace(cells=with_keys(rows.cells, {"user": section.columns.user}))
                good, rejects = reading.ids_of(keyed, ids, file.name)
                users = to_users(good, ids, _others(good, wanted.names))
                yield RawBatch(users=users, rejects=rejects, lines=file_lines(file.name, file.path, "users", rows))

        yield from self._passing_empty_files(delivery, section, section.path, read, "users")


class _Reading:
    """One reading of a delivery: what ids are read as, and whether they are that."""

    def __init__(self, kinds: IdKinds, columns: PlainColumns, limit: float) -> None:
        self.kinds = kinds
        self.users = Ids("user", columns.user, kinds.user == "text")
        self.items = Ids("item", columns.item, kinds.item == "text")
        self.tally = Tally(limit)
        self.core: Core | None = None

    def whole_numbers(self, config: TableSource) -> list[str]:
        """The columns of events that usually are whole numbers."""
        columns = config.columns
        named = [ids.column for ids in (self.users, self.items) if not ids.is_text] + [columns.order, columns.position]
        as_text = {*columns.categories, *columns.item_attributes, *columns.user_attributes, *wanted_of_events(config).lists}
        as_text |= set(condition(config.positive_where)[1]) if config.positive_where else set()
        is_counted = config.time_unit != "iso" and config.time_format is None
        return [name for name in (*named, columns.time if is_counted else None) if name and name not in as_text]

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


def _others(rows: pl.DataFrame, mapped: Sequence[str]) -> list[str]:
    """The columns that no setting names: attributes."""
    return [name for name in rows.columns if name not in mapped and not name.startswith(OWN)]
