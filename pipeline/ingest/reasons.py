"""Why a raw row is not accepted: a few words each, the same every time, so that they group well in the quarantine."""

import polars as pl

FIELD_COUNT = "wrong number of fields"
QUOTES = "broken quotes"
SPANS = "quoted text runs on to the next line (multiline = true reads it)"
RETURN = "a carriage return without a line feed inside the line"
NULL_BYTES = "holds null bytes"
OPEN_LINE = "the last line has no line end: it waits until the file is written on"
TEXT = "not readable as text in the file's encoding"
UNKNOWN_ITEM = "unknown item"
DUPLICATE = "duplicate (user, item, time)"
DUPLICATE_ORDER = "duplicate (user, order)"
LATE = "late: before the user's last stored event"


def is_missing(what: str) -> str:
    """The reason for an empty cell."""
    return f"{what} is missing"


def is_not(what: str, expected: str) -> str:
    """The reason for a cell of the wrong kind: "rating is not a number"."""
    return f"{what} is not {expected}"


def beyond_63_bits(what: str) -> str:
    """The reason for a whole number that no 64 bits with a sign hold, and the key that takes it."""
    return f'{what} is a whole number beyond 63 bits (ids = "text" takes it)'


RAW_LENGTH = 500  # characters of a raw row that REJECTS keeps


def row_json(columns: list[str]) -> pl.Expr:
    """The row as compact JSON text, for rows that have no raw text of their own."""
    return pl.struct(columns).struct.json_encode().str.slice(0, RAW_LENGTH)
