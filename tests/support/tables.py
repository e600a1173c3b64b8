"""Reading small logs by the source "table" or a ready kind, without a warehouse."""

from typing import Any

import polars as pl

from pipeline.ingest.registry import SECTION_OF_KIND
from pipeline.ingest.source import RawBatch


def read_source(chunk_rows: int = 200_000, **config: Any) -> RawBatch:
    """All deliveries of a source, read in batches of ``chunk_rows``, as one batch; ``kind`` is table where it is not given."""
    section = SECTION_OF_KIND[config.get("kind", "table")].model_validate(config)
    source = section.open(chunk_rows)
    batches = [batch for delivery in source.deliveries() for batch in source.read(delivery)]
    return RawBatch(*(pl.concat(frames) for frames in zip(*batches, strict=True)))
