"""What the section ``[source]`` of each kind can do: open its reader, say what gives rows their meaning, make its own files."""

import json
from collections.abc import Collection, Iterator, Mapping
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import BaseModel, ConfigDict

if TYPE_CHECKING:
    import polars as pl

    from pipeline.ingest.ids import IdKinds
    from pipeline.ingest.raw_rows import RawRows
    from pipeline.ingest.source import Source

SECTION = ConfigDict(frozen=True, extra="forbid")
CHUNK_ROWS = 200_000
IDS_LIMIT = 0.01


class SourceSection(BaseModel):
    """The settings of one kind of source, which the registry lists (docs/adding-a-source.md).

    A section has at least three fields: ``kind``, a literal that no other source has; ``name``, the source in the warehouse; and
    ``path``, where its files lie.
    """

    model_config = SECTION

    # Fields that may change from night to night, as they only say where files lie or what is described.
    free_to_change: ClassVar[frozenset[str]] = frozenset({"name", "path"})

    if TYPE_CHECKING:  # each section declares them itself: the order of its fields is that of the stored settings
        kind: str
        name: str
        path: Path

    def open(self, chunk_rows: int = CHUNK_ROWS, ids_limit: float = IDS_LIMIT) -> "Source":
        """The reader of the files that the section describes; its paths are absolute.

        Args:
            chunk_rows: rows in a batch, at most.
            ids_limit: share of ids that are no whole numbers up to which they still are faults, not texts.

        Raises:
            SourceError: what the reader needs to know of its files cannot be read.
        """
        raise NotImplementedError

    def raw_rows(self, files: Collection[str]) -> "Mapping[str, RawRows]":
        """How the raw rows of some files, as rejects have them, name their user and item; ``hsrl forget`` asks.

        Of a file that is left out it is not known whose its refused rows are; of a source that does not say it, of none.

        Args:
            files: names of files as rejects have them.
        """
        return {}

    def id_kinds(self) -> "IdKinds | None":
        """What ids are, where a setting says so; None where the first delivery decides it."""
        return None

    def meaning(self) -> list[tuple[str, str]]:
        """(setting, value as JSON) of all that gives ids, times, answers and identity their meaning."""
        return self.meaning_of_fields(self, "source.")

    def meaning_of_fields(self, section: BaseModel, prefix: str) -> list[tuple[str, str]]:
        """The meaning of the fields of a section, or of a section within it; those free to change have none."""
        found: list[tuple[str, str]] = []
        for name in type(section).model_fields:
            if name not in self.free_to_change:
                found += self.meaning_of_field(prefix + name, name, getattr(section, name))
        return found

    def meaning_of_field(self, setting: str, name: str, value: Any) -> list[tuple[str, str]]:
        """The meaning of one field: of a section that of its fields, else the value."""
        if isinstance(value, BaseModel):
            return self.meaning_of_fields(value, f"{setting}.")
        return [(setting, json.dumps(value, separators=(",", ":"), default=str))]

    @property
    def has_refusals(self) -> bool:
        """Whether rows may be other than positive; a log without any gives Semantic IDs, but nothing to learn answers from."""
        return True

    def is_begun(self) -> bool:
        """Whether there are raw files to look for: always, but for a feed of which no day was written yet."""
        return True

    def days_made(self) -> list[date]:
        """The days whose raw files the source makes itself, oldest first; none where logs come from elsewhere."""
        return []

    def files_of_day(self, day: date) -> dict[str, "Iterator[pl.DataFrame]"]:
        """The raw Parquet files of one of ``days_made`` by name, each as the frames it is written from."""
        return {}
