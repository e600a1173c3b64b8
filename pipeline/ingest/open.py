"""From a source's section of the configuration to the adapter that reads it."""

from pipeline.ingest.config import GeneratedSource, MovieLensSource, SourceConfig
from pipeline.ingest.generated import GeneratedFeed
from pipeline.ingest.movielens import MovieLens
from pipeline.ingest.source import Source
from pipeline.ingest.table import TableLog


def open_source(config: SourceConfig, chunk_rows: int = 200_000, ids_limit: float = 0.01) -> Source:
    """The adapter of a source, by its kind.

    Args:
        config: the section; its paths are absolute.
        chunk_rows: rows in a batch, at most.
        ids_limit: share of ids that are no whole numbers up to which they still are faults, not texts.

    Raises:
        SourceError: what the adapter needs to know of its files cannot be read.
    """
    if isinstance(config, MovieLensSource):
        return MovieLens(config, chunk_rows)
    if isinstance(config, GeneratedSource):
        return GeneratedFeed(config, chunk_rows)
    return TableLog(config, chunk_rows, ids_limit)
