"""The raw log of the sixty nights: one CSV file a day, what is kept back and comes late, and what a sound warehouse must hold of it."""

from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import duckdb
import polars as pl

from pipeline.drafts import drafted
from pipeline.ingest.generated_config import GeneratedSource
from pipeline.ingest.generated_feed import date_of, day_events
from pipeline.ingest.generated_world import items_on, users_of

BAD_ROWS = 2  # of every day: an item that no catalogue lists
LATE_SHARE = 0.01
SHIFT = 1_000_000  # ids are no small numbers here

SETTINGS = """
[source]
kind = "table"
name = "shop"
path = "{raw}/events-*.csv"
time_unit = "ms"
positive = ["yes"]
[source.columns]
user = "visitor"
item = "product"
time = "at"
feedback = "clicked"
request = "request"
position = "place"
[source.items]
path = "{raw}/products.csv"
columns = {{item = "product", title = "title", categories = ["category", "subcategory"]}}
[source.users]
path = "{raw}/visitors.csv"
columns = {{user = "visitor"}}
[ingest]
buckets = 4
settle_hours = 0
quarantine_limit = 0.01
[records]
history_length = 20
[sids]
levels = 3
vocabulary = 8
[embeddings]
width = 8
[simulator]
width = 8
hidden = 32
batch_size = 512
n_epochs = 1
n_training = 1
[learner.schedule]
n_iterations = 40
learn_after = 100
[learner.search]
n_rounds = 1
[evaluation]
n_sessions = 30
families = ["factorisation", "frozen_attention"]
n_simulators = 1
[training]
n_processes = 1
"""
# What the earlier version does not know. Simulators and policies learn from the records of about ten nights.
SINCE = """
newest_records = 6000
[alerts]
command = ["{python}", "-c", "import sys; open(sys.argv[1], 'a').write(sys.stdin.read().strip() + chr(10))", "{notices}"]
on = ["failed", "warned"]
"""


@dataclass
class RawLog:
    """Files of the shop, made day by day.

    Attributes:
        folder: where the files lie.
        world: what they are drawn from.
        kept_back: late rows by the day that they are of.
        accepted: every sound row that was handed over so far.
        forgotten: visitors who are forgotten; their rows come again and count no more.
    """

    folder: Path
    world: GeneratedSource
    kept_back: dict[int, pl.DataFrame] = field(default_factory=dict)
    accepted: list[pl.DataFrame] = field(default_factory=list)
    forgotten: set[int] = field(default_factory=set)

    @classmethod
    def of(cls, folder: Path, users: int, nights: int) -> "RawLog":
        """An empty log of so many users a day, to last so many nights."""
        world = GeneratedSource(
            path=folder, users=users, items=400, days=nights, new_items_per_day=3, vanishing_items_per_day=2, seed=2026
        )
        folder.mkdir(parents=True, exist_ok=True)
        return cls(folder, world)

    def file_of(self, day: int) -> Path:
        """The file of a day, 0 = first."""
        return self.folder / f"events-{date_of(self.world, day)}.csv"

    def hand_over(self, day: int, *, keeps_back: bool = False) -> None:
        """Write the day's events, and the catalogue as of that day."""
        rows = self.rows(day)
        if keeps_back:
            is_late = rows["visitor"].hash(7) % round(1 / LATE_SHARE) == 0
            self.kept_back[day] = rows.filter(is_late)
            rows = rows.filter(~is_late)
        self.accepted.append(rows)
        bad = rows.head(BAD_ROWS).with_columns(product=pl.lit(7, pl.Int64))
        self._write(self.file_of(day), pl.concat([rows, bad]))
        self._write(self.folder / "products.csv", self._items(day))
        users = users_of(self.world).select(visitor=pl.col("user_id") + SHIFT)
        self._write(self.folder / "visitors.csv", users)

    def list_all_items(self, last_day: int) -> None:
        """Write a catalogue of all items there have been, for whom all files are one night."""
        items = pl.concat([self._items(day) for day in range(last_day + 1)]).unique("product", keep="last", maintain_order=True)
        self._write(self.folder / "products.csv", items)

    def _items(self, day: int) -> pl.DataFrame:
        items = items_on(self.world, day)
        return items.select(product=pl.col("item_id") + SHIFT, title="title", category="category", subcategory="subcategory")

    def hand_over_late(self, day: int) -> int:
        """Write what was kept back of an earlier day, as a file of its own; the number of rows."""
        late = self.kept_back.pop(day)
        self.accepted.append(late)
        self._write(self.folder / f"events-{date_of(self.world, day)}-late.csv", late)
        return late.height

    def hand_over_poisoned(self, day: int, poison: str) -> None:
        """A file that a refresh must refuse: ``words`` in place of times, or ``silence``, not one click."""
        rows = self.rows(day)
        if poison == "words":
            rows = rows.with_columns(
                at=pl.when(pl.int_range(pl.len()) % 3 == 0).then(pl.lit("n/a")).otherwise(pl.col("at").cast(pl.String))
            )
        else:
            rows = rows.with_columns(clicked=pl.lit("no"))
        self._write(self.file_of(day), rows)

    def rows(self, day: int) -> pl.DataFrame:
        """visitor, product, at (milliseconds), clicked (yes or no), request, place."""
        events = pl.concat(list(day_events(self.world, day)))
        return events.select(
            visitor=pl.col("user_id") + SHIFT,
            product=pl.col("item_id") + SHIFT,
            at=pl.col("occurred_at").dt.epoch("ms"),
            clicked=pl.when("clicked").then(pl.lit("yes")).otherwise(pl.lit("no")),
            request="request_id",
            place="position",
        )

    def expected(self) -> tuple[int, int]:
        """Rows that the events must be, and the sum of their hashes."""
        rows = pl.concat(self.accepted).filter(~pl.col("visitor").is_in(list(self.forgotten)))
        with duckdb.connect() as connection:
            connection.register("rows", rows.to_arrow())
            found = connection.execute(
                "SELECT count(*), sum(hash(visitor::BIGINT, product::BIGINT, \"at\"::BIGINT, (clicked = 'yes')::BIGINT, place::BIGINT)) "
                "FROM rows"
            ).fetchone()
        assert found is not None
        return int(found[0]), int(found[1])

    @staticmethod
    def _write(path: Path, rows: pl.DataFrame) -> None:
        with drafted(path) as draft:
            rows.write_csv(draft)


def stored(connection: duckdb.DuckDBPyConnection) -> tuple[int, int]:
    """What ``RawLog.expected`` says, of the events of a warehouse."""
    found = connection.execute(
        "SELECT count(*), sum(hash(user_id, item_id, epoch_ms(occurred_at)::BIGINT, feedback::BIGINT, position::BIGINT)) FROM events"
    ).fetchone()
    assert found is not None
    return int(found[0]), int(found[1] or 0)


def night_of(world: GeneratedSource, day: int) -> str:
    """The date of a night: the day after its events."""
    return f"{date_of(world, day) + timedelta(days=1)}"
