"""Writes the raw day files of the generated feed, so that it is ingested like any other log."""

from collections.abc import Iterator
from datetime import date
from pathlib import Path

import polars as pl
import pyarrow.parquet as pq

from pipeline.drafts import drafted
from pipeline.errors import SourceError, reason_of
from pipeline.ingest.config import GeneratedSource, SourceConfig
from pipeline.ingest.files import refusing
from pipeline.ingest.generated_feed import date_of, day_files


def is_begun(config: SourceConfig) -> bool:
    """Whether there are raw files to look for: always, but for a generated feed of which no day was written yet."""
    return not isinstance(config, GeneratedSource) or any(config.path.glob("events-*"))


def missing_days(config: SourceConfig) -> list[date]:
    """The days of a generated feed that have happened and whose files are not all there; none of any other source.

    Raises:
        SourceError: the feed's folder may not be read.
    """
    if not isinstance(config, GeneratedSource):
        return []
    with refusing(config.path):
        lacking = [day for day in range(config.days) if not all((config.path / name).exists() for name in day_files(config, day))]
    return [date_of(config, day) for day in lacking]


def write_missing_days(config: SourceConfig) -> None:
    """Make the files of ``missing_days``; each is written whole and renamed.

    Raises:
        SourceError: the feed's folder may not be read or written.
    """
    if not isinstance(config, GeneratedSource) or not (missing := missing_days(config)):
        return
    try:
        config.path.mkdir(parents=True, exist_ok=True)
        for day in missing:
            for name, frames in day_files(config, (day - config.start).days).items():
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
