"""Cells to values: every conversion comes with the check that says which rows it does not fit."""

import hashlib
import json
from collections.abc import Mapping, Sequence

import polars as pl

from pipeline.columns import TIMESTAMP
from pipeline.contracts import REJECTS, Table
from pipeline.ingest import reasons

# Columns beside the raw file's own: they begin as no file's own do.
OWN = "\x1f"
LINE = OWN + "line"
RAW = OWN + "raw"
_REASON = OWN + "reason"

LAST_SECOND = 253_402_300_799  # 9999-12-31T23:59:59Z: a time beyond it was told in another unit
PER_SECOND = {"s": 1, "ms": 1_000, "us": 1_000_000}
JSON_NUMBER = r"^-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?$"

Check = tuple[str, pl.Expr]  # reason, and where it holds


def part(frame: pl.DataFrame, checks: Sequence[Check], file: str) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Part the rows that pass every check from those that do not.

    Args:
        frame: rows with LINE, and with RAW if they were lines of text; else their raw text is their cells as JSON.
        checks: the first that holds is the row's reason.
        file: name of the raw file.

    Returns:
        The good rows as they came, and REJECTS.
    """
    if not checks:
        return frame, REJECTS.empty()
    reason = pl.coalesce([pl.when(is_bad).then(pl.lit(text)) for text, is_bad in checks])
    marked = frame.with_columns(reason.alias(_REASON))
    bad = marked.filter(pl.col(_REASON).is_not_null())
    told = [name for name in frame.columns if not name.startswith(OWN)]
    raw = pl.col(RAW).str.slice(0, reasons.RAW_LENGTH) if RAW in frame.columns else reasons.row_json(told)
    rejects = bad.select(
        pl.lit(file).alias("file"),
        pl.col(LINE).alias("line"),
        raw.alias("raw"),
        pl.col(_REASON).alias("reason"),
    )
    return (frame if bad.is_empty() else marked.filter(pl.col(_REASON).is_null()).drop(_REASON)), rejects


def text(name: str) -> pl.Expr:
    """The cell as text; an empty one is null."""
    cell = pl.col(name).cast(pl.String)
    return pl.when(cell != "").then(cell)


def integer(name: str) -> pl.Expr:
    """The cell as i64, null where it is no whole number."""
    return pl.col(name).cast(pl.String).str.strip_chars().cast(pl.Int64, strict=False)


def number(name: str) -> pl.Expr:
    """The cell as f32, null where it is no finite number."""
    value = pl.col(name).cast(pl.String).str.strip_chars().cast(pl.Float32, strict=False)
    return pl.when(value.is_finite()).then(value)


def hashed(name: str) -> pl.Expr:
    """The cell's text as a number in [0, 2^63): BLAKE2b of its UTF-8 bytes, the same in every run and version."""

    def hash_each(cells: pl.Series) -> pl.Series:
        raw = cells.unique().drop_nulls()
        digests = [int.from_bytes(hashlib.blake2b(t.encode(), digest_size=8).digest(), "big") >> 1 for t in raw]
        return cells.replace_strict(raw, pl.Series(digests, dtype=pl.Int64), default=None, return_dtype=pl.Int64)

    return text(name).map_batches(hash_each, return_dtype=pl.Int64)


def timestamp(name: str, unit: str, dtype: pl.DataType) -> pl.Expr:
    """The cell as a time in UTC, null where it is none between 1970 and 9999.

    Args:
        name: the column.
        unit: ``s``, ``ms`` or ``us`` since 1970, or ``iso`` for ISO 8601 text (UTC if it names no zone).
        dtype: the column's type; Parquet times are taken as they are.
    """
    if isinstance(dtype, pl.Date):
        return pl.col(name).cast(pl.Datetime("us")).dt.replace_time_zone("UTC")
    if isinstance(dtype, pl.Datetime):
        column = pl.col(name) if dtype.time_zone else pl.col(name).dt.replace_time_zone("UTC")
        return column.dt.convert_time_zone("UTC").cast(TIMESTAMP)
    if unit == "iso":
        return _iso(name)
    # A float's text would lose digits; whole units are what logs hold.
    ticks = pl.col(name).cast(pl.Int64, strict=False) if dtype.is_numeric() else integer(name)
    in_range = ticks.is_between(0, LAST_SECOND * PER_SECOND[unit])
    return pl.when(in_range).then(ticks * (1_000_000 // PER_SECOND[unit])).cast(pl.Datetime("us")).dt.replace_time_zone("UTC")


def _iso(name: str) -> pl.Expr:
    cell = pl.col(name).cast(pl.String).str.strip_chars().str.replace("T", " ", literal=True).str.replace(r"Z$", "+0000")
    zoned = cell.str.strptime(TIMESTAMP, "%Y-%m-%d %H:%M:%S%.f%#z", strict=False)
    plain = [cell.str.strptime(pl.Datetime("us"), form, strict=False) for form in ("%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%d %H:%M")]
    day = cell.str.strptime(pl.Date, "%Y-%m-%d", strict=False).cast(pl.Datetime("us"))
    return pl.coalesce([zoned, *(each.dt.replace_time_zone("UTC") for each in (*plain, day))])


def attributes(names: Sequence[str], *, as_texts: bool = False) -> pl.Expr:
    """The named cells as one JSON object; empty cells are left out, and what JSON spells as a number is one.

    Whether a text is a number is asked of the cell alone ("007" stays a text), so that it depends on no other row.

    Args:
        names: the columns.
        as_texts: keep numbers as texts too, where they are codes.
    """
    if not names:
        return pl.lit(None, dtype=pl.String)
    members = []
    for name in names:
        quoted = pl.struct(v=text(name)).struct.json_encode().str.slice(len('{"v":')).str.strip_suffix("}")
        is_number = text(name).str.contains(JSON_NUMBER) & pl.lit(not as_texts)
        value = pl.when(is_number).then(text(name)).otherwise(quoted)
        members.append(pl.when(text(name).is_not_null()).then(pl.concat_str(pl.lit(json.dumps(name) + ":"), value)))
    return pl.concat_str(pl.lit("{"), pl.concat_str(members, separator=",", ignore_nulls=True), pl.lit("}"))


def categories(names: Sequence[str], separator: str | None) -> pl.Expr:
    """The named cells as one list of texts, coarsest first; empty ones are left out."""
    lists = [text(name).str.split(separator) if separator else pl.concat_list(text(name)) for name in names]
    return pl.concat_list([pl.lit([], dtype=pl.List(pl.String())), *(cells.fill_null([]) for cells in lists)]).list.filter(
        pl.element().fill_null("") != ""
    )


def in_contract(columns: Mapping[str, pl.Expr | None], table: Table) -> list[pl.Expr]:
    """One expression a column of ``table``, of its type; a column that is not told is null."""
    told = {name: pl.lit(None) if expr is None else expr for name, expr in columns.items()}
    return [told.get(name, pl.lit(None)).cast(dtype).alias(name) for name, dtype in table.schema.items()]
