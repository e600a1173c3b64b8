"""Registered Parquet files as they count: without the rows that were deleted, or that came anew in a later file."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from pipeline.contracts import Table

# The column by which DuckLake's delete files name rows of a data file, 0 = first.
_POSITION = "pos"


@dataclass(frozen=True)
class StoredFile:
    """A Parquet file of a bulk table.

    Attributes:
        path: the file.
        deleted: DuckLake's delete file: numbers of the rows that are gone; None where all are there.
        rebuilt: Parquet files of ``user_id``: users whose rows are in later files, all of them.
    """

    path: Path
    deleted: Path | None = None
    rebuilt: tuple[Path, ...] = ()

    @property
    def is_whole(self) -> bool:
        """Whether every row of the file counts."""
        return self.deleted is None and not self.rebuilt

    def rows(self, table: Table) -> pl.LazyFrame:
        """The rows of ``table`` that count, in the file's order."""
        rows = _read([self.path], table)
        if self.deleted:
            gone = pl.scan_parquet(self.deleted).select(pl.col(_POSITION).cast(pl.UInt32))
            rows = rows.with_row_index(_POSITION).join(gone, on=_POSITION, how="anti", maintain_order="left").drop(_POSITION)
        for users in self.rebuilt:
            rows = rows.join(pl.scan_parquet(users), on="user_id", how="anti", maintain_order="left")
        return rows


def scan(files: Sequence[StoredFile], table: Table) -> pl.LazyFrame:
    """All rows of ``table`` that count; of at least one of its files."""
    whole = [file.path for file in files if file.is_whole]
    parts = [_read(whole, table)] if whole else []
    return pl.concat([*parts, *(file.rows(table) for file in files if not file.is_whole)])


def _read(paths: Sequence[Path], table: Table) -> pl.LazyFrame:
    """Files of an earlier version may lack columns that came later: these are null."""
    return pl.scan_parquet(list(paths), schema=table.schema, missing_columns="insert")
