"""The canonical tables (docs/design.md): their columns, grain and key, and the one check that enforces them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import polars as pl

from pipeline import columns as c
from pipeline.errors import ContractError


@dataclass(frozen=True)
class Table:
    """A table: its columns in order and the columns that tell its rows apart."""

    name: str
    doc: str
    columns: tuple[c.Column, ...]
    key: tuple[str, ...]

    @property
    def schema(self) -> pl.Schema:
        """Column name → Polars type, in order."""
        return pl.Schema({column.name: column.dtype for column in self.columns})

    def empty(self) -> pl.DataFrame:
        """No rows, every column."""
        return pl.DataFrame(schema=self.schema)


# When and how an item was shown, and what the user answered.
_SHOWN = (
    c.OCCURRED_AT,
    c.EVENT_FEEDBACK,
    c.BEHAVIOR,
    c.VALUE,
    c.REQUEST_ID,
    c.SESSION_ID,
    c.POSITION,
    c.BEHAVIOR_POLICY_ID,
    c.PROPENSITY,
)
# What a source adapter yields: events that are well-formed by themselves, not yet ordered within the user.
RAW_EVENTS = Table(
    "raw_events",
    "one shown item as the source tells it",
    (c.USER_ID, c.ITEM_ID, c.ORDER, *_SHOWN, c.FILE, c.LINE),
    (),
)
EVENTS = Table(
    "events",
    "one shown item",
    (c.USER_ID, c.ITEM_ID, c.USER_SEQ, *_SHOWN, c.SOURCE, c.INGEST_ID),
    ("user_id", "user_seq"),
)
REJECTS = Table(
    "rejects",
    "one raw row that was not accepted, and why",
    (c.FILE, c.LINE, c.RAW, c.REASON),
    (),
)
FILE_LINES = Table(
    "file_lines",
    "what became of some physical lines of a raw file: n_lines = n_header + n_blank + n_continued + n_rows",
    (c.FILE, c.PATH, c.CONTENT, c.N_LINES, c.N_HEADER, c.N_BLANK, c.N_CONTINUED, c.N_FILE_ROWS, c.N_OPEN),
    (),
)
ITEMS = Table(
    "items",
    "one item of the catalogue",
    (c.ITEM_ID, c.RAW_ID, c.TITLE, c.CATEGORIES, c.ATTRIBUTES, c.FIRST_SEEN, c.LAST_SEEN, c.IS_ACTIVE),
    ("item_id",),
)
USERS = Table("users", "one user", (c.USER_ID, c.RAW_ID, c.ATTRIBUTES), ("user_id",))
RECORD_ROWS = Table(
    "record_rows",
    "one slate, an RL4RS row; the view records adds the split",
    (
        c.RECORD_ID,
        c.USER_ID,
        c.RECORD_INDEX,
        c.SESSION_ID,
        c.SEQUENCE_ID,
        c.OCCURRED_AT,
        c.EXPOSED_ITEMS,
        c.FEEDBACK,
        c.HISTORY,
        c.BEHAVIOR_POLICY_ID,
        c.INGEST_ID,
    ),
    ("user_id", "record_index"),
)
USER_STATE = Table(
    "user_state",
    "what the next night must know of a user to go on where the last one stopped",
    (
        c.USER_ID,
        c.LAST_SEQ,
        c.LAST_OCCURRED_AT,
        c.N_RECORDS,
        c.POSITIVES,
        c.OPEN_ITEMS,
        c.OPEN_FEEDBACK,
        c.LAST_REQUEST_ID,
        c.LAST_SESSION_ID,
        c.LAST_SEQUENCE_ID,
    ),
    ("user_id",),
)
SPLITS = Table(
    "splits", "one user's cut between training and test records", (c.USER_ID, c.N_RECORDS, c.N_TRAIN, c.METHOD), ("user_id",)
)
EMBEDDINGS = Table(
    "embeddings",
    "one item in one embedding model",
    (c.EMBEDDING_ID, c.ITEM_ID, c.VECTOR, c.HAS_SIGNAL),
    ("embedding_id", "item_id"),
)
CODEBOOKS = Table(
    "codebooks",
    "one code",
    (c.CODEBOOK_ID, c.NUMBERING_ID, c.EMBEDDING_ID, c.LEVEL, c.CODE, c.CENTROID, c.N_ITEMS, c.OOD_ERROR),
    ("codebook_id", "level", "code"),
)
SID_HISTORY = Table(
    "sid_history",
    "one item's Semantic ID while it held; sids are its open rows",
    (
        c.ITEM_ID,
        c.CODEBOOK_ID,
        c.TOKENS,
        c.SID,
        c.SID_KEY,
        c.SLOT,
        c.VALID_FROM,
        c.VALID_TO,
        c.ASSIGNED_BY,
        c.REASON,
        c.RECON_ERROR,
        c.IS_OOD,
    ),
    ("item_id", "codebook_id", "valid_from"),
)
SID_WAITING = Table(
    "sid_waiting",
    "one item that keeps a Semantic ID which no longer fits, as others were more in need of the moves that a night may make",
    (c.ITEM_ID, c.SID, c.RECON_ERROR, c.BEST_ERROR, c.SINCE_RELEASE, c.N_NIGHTS, c.RELEASE_ID),
    ("item_id",),
)
SID_METRICS = Table(
    "sid_metrics",
    "one figure of a release's Semantic IDs",
    (c.RELEASE_ID, c.CODEBOOK_ID, c.LEVEL, c.METRIC, c.METRIC_VALUE),
    ("release_id", "codebook_id", "level", "metric"),
)


# Of a row of sid_history: whether its Semantic ID holds now.
IS_OPEN = pl.col("valid_to").is_null()
# Of a record joined with its user's split: whether it is for training.
IS_TRAINING = pl.col("record_index") < pl.col("n_train")


def open_rows(history: pl.DataFrame) -> pl.DataFrame:
    """The rows of SID_HISTORY whose Semantic ID holds now."""
    return history.filter(IS_OPEN)


def rows_of(table: Table, rows: Sequence[Mapping[str, Any]], where: str) -> pl.DataFrame:
    """A checked frame of ``table`` from its rows as dicts.

    Raises:
        ContractError: see ``check``.
    """
    return check(pl.DataFrame(rows, schema=table.schema), table, where)


def check(frame: pl.DataFrame, table: Table, where: str) -> pl.DataFrame:
    """Return ``frame`` with the columns of ``table`` in order, or say what is wrong with it.

    Args:
        frame: any rows; further columns are refused, not dropped.
        table: the contract.
        where: who asks, for the message: ``records``.

    Raises:
        ContractError: a column is missing, unknown or of another type, a required one has nulls, or a key repeats.
    """
    wanted = table.schema
    missing = [name for name in wanted if name not in frame.columns]
    unknown = [name for name in frame.columns if name not in wanted]
    if missing or unknown:
        raise ContractError(
            f"{where}: {table.name} lacks {missing or 'nothing'} and has unknown columns {unknown or 'none'}; expected {list(wanted)}"
        )
    wrong = [f"{name} is {frame.schema[name]}, not {dtype}" for name, dtype in wanted.items() if frame.schema[name] != dtype]
    if wrong:
        raise ContractError(f"{where}: {table.name}: {'; '.join(wrong)}")
    for column in table.columns:
        if not column.is_nullable and (n_nulls := frame[column.name].null_count()):
            raise ContractError(f"{where}: {n_nulls} of {frame.height} rows of {table.name} have no {column.name}")
    if table.key and (n_repeated := n_repeats(frame, table.key)):
        raise ContractError(f"{where}: {n_repeated} of {frame.height} rows of {table.name} repeat the key {', '.join(table.key)}")
    return frame.select(list(wanted))


def n_repeats(frame: pl.DataFrame, key: Sequence[str]) -> int:
    """Rows beyond the first of each key. Where a column of the key, or two of them together, rise strictly, nothing is hashed."""
    columns = [frame[name] for name in key]
    usable = [column for column in columns if column.dtype.is_integer() and not column.null_count()]
    steps = [(column[1:] > column[:-1], column[1:] == column[:-1]) for column in usable]
    if any(rises.all() for rises, _ in steps):
        return 0
    for (rises, stays), (next_rises, _) in pairwise(steps):
        if (rises | (stays & next_rises)).all():
            return 0
    return frame.height - frame.select(key).n_unique()
