"""Settings of the source "generated": the world that its days are drawn from."""

from collections.abc import Collection, Iterator, Mapping
from datetime import date, timedelta
from pathlib import Path
from typing import ClassVar, Literal, Self

import polars as pl
from pydantic import Field, model_validator

from pipeline.ingest.raw_rows import RawRows
from pipeline.ingest.section import CHUNK_ROWS, IDS_LIMIT, SourceSection
from pipeline.ingest.source import Source


class GeneratedSource(SourceSection):
    """A seeded feed of days whose true preferences are known; the demo and the scale test."""

    free_to_change: ClassVar[frozenset[str]] = SourceSection.free_to_change | {"days"}

    kind: Literal["generated"] = Field("generated", description="A seeded feed.")
    name: str = Field("generated", description="Name of the source in the warehouse.", min_length=1)
    path: Path = Field(description="Folder of the day files.")
    seed: int = Field(1, description="Seed of the whole world.", ge=0)
    start: date = Field(date(2026, 1, 1), description="The first day.")
    days: int = Field(5, description="Days that have happened.", ge=1)
    users: int = Field(2_000, description="Users.", ge=1)
    items: int = Field(600, description="Items on the first day.", ge=1)
    requests_per_user_day: float = Field(2.0, description="Mean number of requests of a user on a day.", gt=0)
    slate_size: int = Field(10, description="Items shown on a request.", ge=1, le=1000)
    branching: tuple[int, int] = Field((8, 4), description="Categories, and subcategories of each.")
    new_items_per_day: int = Field(6, description="Items that appear every day after the first.", ge=0)
    vanishing_items_per_day: int = Field(3, description="Items that are gone every day after the first.", ge=0)

    @model_validator(mode="after")
    def _never_runs_out_of_items(self) -> Self:
        left = self.items - self.vanishing_items_per_day * (self.days - 1)
        if left < 3 * self.slate_size:
            raise ValueError(
                f"{left} of the first day's {self.items} items are left after {self.days} days, "
                f"expected at least 3 × slate_size = {3 * self.slate_size}; raise items or lower vanishing_items_per_day"
            )
        return self

    def open(self, chunk_rows: int = CHUNK_ROWS, ids_limit: float = IDS_LIMIT) -> Source:
        """See ``SourceSection``."""
        from pipeline.ingest.generated import GeneratedFeed  # its parts are functions of this section

        return GeneratedFeed(self, chunk_rows)

    def raw_rows(self, files: Collection[str]) -> Mapping[str, RawRows]:
        """See ``SourceSection``: all its files are Parquet, whose raw rows name their columns."""
        return dict.fromkeys(files, RawRows({"user": "user_id", "item": "item_id"}))

    def is_begun(self) -> bool:
        """Whether a day was written."""
        return any(self.path.glob("events-*"))

    def days_made(self) -> list[date]:
        """The days that have happened."""
        return [self.start + timedelta(days=day) for day in range(self.days)]

    def files_of_day(self, day: date) -> dict[str, Iterator[pl.DataFrame]]:
        """The events and the item list of the day, and the users, who are the same every day."""
        from pipeline.ingest.generated_feed import day_files

        return day_files(self, (day - self.start).days)
