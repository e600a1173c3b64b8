"""Writes the raw day files of the generated feed, so that it is ingested like any other log."""

from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pyarrow.parquet as pq

from pipeline.ingest.config import GeneratedSource, SourceConfig
from pipeline.ingest.generated_feed import day_files


def write_missing_days(config: SourceConfig) -> None:
    """Make the files of the days that have happened and are not there yet; each is written whole and renamed."""
    if not isinstance(config, GeneratedSource):
        return
    config.path.mkdir(parents=True, exist_ok=True)
    for day in range(config.days):
        for name, frames in day_files(config, day).items():
            if not (config.path / name).exists():
                _write(config.path / name, frames)


def _write(path: Path, frames: Iterator[pl.DataFrame]) -> None:
    """One Parquet file, a row group a frame, so that memory is bounded by a frame."""
    draft = path.with_name(f".{path.name}.draft")
    first = next(frames).to_arrow()
    with pq.ParquetWriter(draft, first.schema, compression="zstd") as writer:
        writer.write_table(first)
        for frame in frames:
            writer.write_table(frame.to_arrow().cast(first.schema))
    draft.rename(path)
