"""Why a raw row is not accepted: a few words each, the same every time, so that they group well in the quarantine."""

from collections.abc import Sequence
from datetime import datetime

import polars as pl

FIELD_COUNT = "wrong number of fields"
QUOTES = "broken quotes"
SPANS = "quoted text runs on to the next line (multiline = true reads it)"
RETURN = "a carriage return without a line feed inside the line"
NULL_BYTES = "holds null bytes"
OPEN_LINE = "the last line has no line end: it waits until the file is written on"
TEXT = "not readable as text in the file's encoding"
NO_OBJECT = "no whole JSON object"
LIST_LENGTHS = "lists of different lengths"
OTHER_DAY = "time is outside of the days that source.first_day and last_day name"
OUTSIDE_CORE = "its user or item has fewer events than source.core asks for"
# Rows that the configuration means to leave out: no faults, unless nothing is left.
MEANT = (OTHER_DAY, OUTSIDE_CORE)
NO_RULE = "positive_where is neither true nor false of it"
UNKNOWN_ITEM = "unknown item"
DUPLICATE_ORDER = "duplicate (user, order)"
FUTURE = "time is in the future: after the clock by more than ingest.future_days"
OTHER_CLOCK = "time is a calendar date, where times of this source count from a start of their own"
FAR_ORDER = "order is far beyond all others"
SINGLE_TIME = "time is a 32-bit float, too coarse for it"

# What to do about a reason, by how it begins; the first that fits.
_ADVICE = (
    ("duplicate (user, order)", "an order may be given to one event of a user only: map another column, or time"),
    ("duplicate", 'map the columns that tell such rows apart, or set source.identity = "row"'),
    ("time is in the future", "mend the times, or raise ingest.future_days"),
    (OTHER_DAY, "set source.first_day and last_day to those of the log, or leave them out"),
    (OUTSIDE_CORE, "lower source.core, or leave it out"),
    (NO_RULE, "mend the columns that positive_where reads, or set source.blank_is_no = true"),
    (LIST_LENGTHS, "name in source.lists only columns that have an element for each item, and check list_separator"),
    ("feedback is missing", "set source.blank_is_no = true if an empty answer is a no"),
    ("time is before", "mend the times, or set ingest.earliest"),
    (SINGLE_TIME, "write the column as float64 or as whole numbers"),
    (OTHER_CLOCK, "mend the times, or name another --warehouse"),
)


def duplicate(names: Sequence[str], moment: str) -> str:
    """The reason for a row that repeats another in all that makes an event."""
    columns = ["user", "item", moment, *(name for name in names if name not in ("user", "item", moment))]
    return f"duplicate ({', '.join(columns)})"


def before(earliest: datetime) -> str:
    """The reason for a time that nobody can mean."""
    return f"time is before {earliest:%Y-%m-%d}"


def is_in_other_unit(said: str, found: str) -> str:
    """The reason for a time that makes sense in another unit than the source's: "time is none in s, but would be one in ms"."""
    return f"time is none in {said}, but would be one in {found}"


def is_other_spelling(what: str) -> str:
    """The reason for an id of digits that whole numbers are not spelt by."""
    return f"{what} id is a number in another spelling (0007, +7, above 2^63 - 1)"


def advice(reason: str, default: str) -> str:
    """What to do where too many rows were rejected for ``reason``."""
    if " but would be one in " in reason:
        return f'set source.time_unit = "{reason.rsplit(" ", 1)[1]}"'
    return next((what for start, what in _ADVICE if reason.startswith(start)), default)


def is_missing(what: str) -> str:
    """The reason for an empty cell."""
    return f"{what} is missing"


def is_not(what: str, expected: str) -> str:
    """The reason for a cell of the wrong kind: "rating is not a number"."""
    return f"{what} is not {expected}"


RAW_LENGTH = 500  # characters of a raw row that REJECTS keeps


def row_json(columns: list[str]) -> pl.Expr:
    """The row as compact JSON text, for rows that have no raw text of their own."""
    return pl.struct(columns).struct.json_encode().str.slice(0, RAW_LENGTH)
