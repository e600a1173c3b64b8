"""The generated feed as a source: the day files of a folder, read like any other log."""

from collections.abc import Iterator
from datetime import date
from pathlib import Path

import polars as pl

from pipeline.contracts import ITEMS, RAW_EVENTS, USERS, check
from pipeline.errors import SourceError
from pipeline.ingest import cells, reasons
from pipeline.ingest.delimited import Rows
from pipeline.ingest.files import refusing
from pipeline.ingest.generated_config import GeneratedSource
from pipeline.ingest.identity import Identity
from pipeline.ingest.ids import IdKinds
from pipeline.ingest.source import Delivery, RawBatch, file_lines
from pipeline.ingest.tabular import RawFile, read_file
from pipeline.ingest.wanted import WantedColumns

_EVENTS = {
    "user_id": pl.col("user_id"),
    "item_id": pl.col("item_id"),
    "occurred_at": pl.col("occurred_at"),
    "feedback": pl.col("clicked"),
    "request_id": pl.col("request_id"),
    "session_id": pl.col("session_id"),
    "position": pl.col("position"),
    "behavior_policy_id": pl.col("policy"),
    "propensity": pl.col("propensity"),
}
_ITEMS = {
    "item_id": pl.col("item_id"),
    "raw_id": pl.col("item_id"),
    "title": pl.col("title"),
    "categories": cells.categories(["category", "subcategory"], None),
    "attributes": cells.attributes(["price"]),
    "is_active": pl.lit(value=True),
}
_USERS = {"user_id": pl.col("user_id"), "raw_id": pl.col("user_id"), "attributes": cells.attributes(["segment", "age"])}


class GeneratedFeed:
    """A delivery a day: its events, its item list, and the users."""

    has_catalogue = True
    has_own_clock = True
    identity = Identity(("feedback", "request_id", "position"), ("feedback", "request", "position"))

    def __init__(self, config: GeneratedSource, chunk_rows: int) -> None:
        self.name = config.name
        self.config = config
        self.chunk_rows = chunk_rows

    def deliveries(self) -> list[Delivery]:
        """The days whose event files lie in the folder, oldest first.

        Raises:
            SourceError: there is no such folder or day, a file's name is no date, or a day lacks its item list or the users.
        """
        folder = self.config.path
        with refusing(folder):
            events = sorted(file for file in folder.iterdir() if file.name.startswith("events-"))
        if not events:
            raise SourceError(f"{folder}: holds no events-YYYY-MM-DD.parquet; make the feed with: hsrl demo")
        return [self._delivery(file) for file in events]

    def _delivery(self, events: Path) -> Delivery:
        day = events.stem.removeprefix("events-")
        try:
            occurred_on = date.fromisoformat(day)
        except ValueError as error:
            raise SourceError(f"{events}: {day!r} is no date, expected events-YYYY-MM-DD.parquet; move it away") from error
        files = (events, events.with_name(f"items-{day}.parquet"), events.with_name("users.parquet"))
        for file in files:
            with refusing(file):
                file.open("rb").close()
        return Delivery(day, files, occurred_on)

    def kinds(self, delivery: Delivery) -> IdKinds:
        """Whole numbers, always."""
        return IdKinds()

    def read(self, delivery: Delivery, kinds: IdKinds | None = None) -> Iterator[RawBatch]:
        """The day's item list, the users, then the events in chunks.

        Raises:
            SourceError: a file is missing, damaged, or lacks a column.
        """
        events, items, users = delivery.files
        for listed in self._read(items, ["item_id", "title", "category", "subcategory", "price"]):
            good, rejects = self._complete(listed, ["item_id"], items)
            lines = file_lines(items.name, items, "items", listed)
            batch = RawBatch(items=check(good.select(*cells.in_contract(_ITEMS, ITEMS)), ITEMS, items.name), rejects=rejects)
            yield batch._replace(lines=lines)
        for listed in self._read(users, ["user_id", "segment", "age"]):
            good, rejects = self._complete(listed, ["user_id"], users)
            lines = file_lines(users.name, users, "users", listed)
            batch = RawBatch(users=check(good.select(*cells.in_contract(_USERS, USERS)), USERS, users.name), rejects=rejects)
            yield batch._replace(lines=lines)
        columns = {**_EVENTS, "file": pl.lit(events.name), "line": pl.col(cells.LINE)}
        for shown in self._read(events, ["user_id", "item_id", "occurred_at", "clicked", "request_id"]):
            good, rejects = self._complete(shown, ["user_id", "item_id", "occurred_at", "clicked"], events)
            yield RawBatch(
                events=check(good.select(*cells.in_contract(columns, RAW_EVENTS)), RAW_EVENTS, events.name),
                rejects=rejects,
                lines=file_lines(events.name, events, "events", shown),
            )

    def _complete(self, rows: Rows, needed: list[str], file: Path) -> tuple[pl.DataFrame, pl.DataFrame]:
        """The feed never leaves a cell empty; a hand or a disk may."""
        checks = [(reasons.is_missing(name), pl.col(name).is_null()) for name in needed]
        good, rejects = cells.split_rejects(rows.cells, checks, file.name)
        return good, pl.concat([rows.rejects, rejects])

    def _read(self, path: Path, wanted: list[str]) -> Iterator[Rows]:
        return read_file(RawFile(path, path.name), None, WantedColumns(wanted, with_others=True), self.chunk_rows)
