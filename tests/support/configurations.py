"""The configuration of a small log, as a text whose parts a test may set or replace."""

from collections.abc import Mapping

_LOG = """
[source]
kind = "table"
name = "log"
path = "{path}"
{source}
[source.columns]
{columns}
[ingest]
buckets = 2
[records]
slate_size = 5
[sids]
levels = {levels}
vocabulary = {vocabulary}
[embeddings]
{embeddings}
"""
POSITIVE = 'positive = ["1"]'
SHORT_COLUMNS = {"user": "user", "item": "item", "time": "at", "feedback": "clicked"}
LONG_COLUMNS = {"user": "user_id", "item": "item_id", "time": "timestamp", "feedback": "clicked"}


def log_toml(
    path: str = "log.csv",
    columns: Mapping[str, str] = SHORT_COLUMNS,
    source: str = POSITIVE,
    codes: tuple[int, int] = (2, 4),
    embeddings: str = "width = 4",
) -> str:
    """The configuration of a log of a few thousand rows.

    Args:
        path: the event files, relative to the configuration.
        columns: which column of the log is what.
        source: further keys of ``[source]``.
        codes: levels, and codes of each.
        embeddings: keys of ``[embeddings]``, the last section; others may follow.
    """
    mapped = "\n".join(f'{ours} = "{theirs}"' for ours, theirs in columns.items())
    levels, vocabulary = codes
    return _LOG.format(path=path, source=source, columns=mapped, levels=levels, vocabulary=vocabulary, embeddings=embeddings)
