"""Writes the raw day files of a source that makes its own, so that they are ingested like any other log."""

from collections.abc import Iterator
from datetime import date
from pathlib import Path

import polars as pl
import pyarrow.parquet as pq

from pipeline.drafts import drafted
from pipeline.errors import SourceError, reason_of
from pipeline.ingest.files import refusing
from pipeline.ingest.section import SourceSection


def missing_days(config: SourceSection) -> list[date]:
    """The days that the source makes and whose files are not all there; none where logs come from elsewhere.

    Raises:
        SourceError: the feed's folder may not be read.
    """
    with refusing(config.path):
        return [day for day in config.days_made() if not all((config.path / name).exists() for name in config.files_of_day(day))]


def write_missing_days(config: SourceSection) -> None:
    """Make the files of ``missing_days``; each is written whole and renamed.

    Raises:
        SourceError: the feed's folder may not be read or written.
    """
    if not (missing := missing_days(config)):
        return
    try:
        config.path.mkdir(parents=True, exist_ok=True)
        for day in missing:
            for name, frames in config.files_of_day(day).items():
                if not (config.path / name).exists():
                    _write(config.path / name, frames)
    except OSError as error:
        raise SourceError(
            f"{config.path}: the feed cannot be written ({reason_of(error)}); grant it, or name another source.path"
        ) from error


def _write(path: Path, frames: Iterator[pl.DataFrame]) -> None:
    """One Parquet file, a row group a frame, so that memory is bounded by a frame.

    Two warehouses may share a feed's folder: whichever writes a day later puts the same bytes in its place.
    """
    first = next(frames).to_arrow()
    with drafted(path) as draft, pq.ParquetWriter(draft, first.schema, compression="zstd") as writer:
        writer.write_table(first)
        for frame in frames:
            writer.write_table(frame.to_arrow().cast(first.schema))
