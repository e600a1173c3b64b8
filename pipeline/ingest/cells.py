"""Cells to values: every conversion comes with the check that says which rows it does not fit."""

import hashlib
import json
from collections.abc import Mapping, Sequence

import polars as pl

from pipeline.columns import TIMESTAMP
from pipeline.contracts import REJECTS, Table
from pipeline.ingest import reasons

# Lists of Parquet and JSON arrive as texts parted by the record separator, which no text of a log holds.
JOINED = "\x1e"
# Columns that are added to those of the raw file; no file has names that begin so.
OWN = "\x1f"
LINE = OWN + "line"
RAW = OWN + "raw"
_REASON = OWN + "reason"

LAST_SECOND = 253_402_300_799  # 9999-12-31T23:59:59Z: a time beyond it is in another unit
PER_SECOND = {"s": 1, "ms": 1_000, "us": 1_000_000}
_FROM, _UNTIL = 631_152_000, 4_102_444_800  # 1990 and 2100, seconds since 1970
EXACT = 2**53 - 1  # whole numbers up to here are exact as float64
EXACT_SINGLE = 2**24  # … and as float32
TEXT = pl.String()
JSON_NUMBER = r"^-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?$"

Check = tuple[str, pl.Expr]  # reason, and where it holds


def split_rejects(frame: pl.DataFrame, checks: Sequence[Check], file: str) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Split the rows that pass every check from those that do not.

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
    columns = [name for name in frame.columns if not name.startswith(OWN)]
    raw = pl.col(RAW).str.slice(0, reasons.RAW_LENGTH) if RAW in frame.columns else reasons.row_json(columns)
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


def stripped(name: str) -> pl.Expr:
    """The cell as text without the blanks around it."""
    return pl.col(name).cast(pl.String).str.strip_chars()


def integer(name: str) -> pl.Expr:
    """The cell as i64, null where it is no whole number."""
    return pl.col(name).cast(pl.String).str.strip_chars().cast(pl.Int64, strict=False)


def whole(name: str, dtype: pl.DataType) -> pl.Expr:
    """The cell as i64, null where it is no whole number; 5.0 is one."""
    if dtype.is_integer():
        return pl.col(name).cast(pl.Int64, strict=False)
    if dtype.is_numeric():
        return _whole_of_floats(name)

    def read(series: pl.Series) -> pl.Series:
        texts = series.cast(pl.String).str.strip_chars()
        values = texts.cast(pl.Int64, strict=False)
        if values.null_count() == texts.null_count():
            return values
        return values.fill_null(texts.str.extract(r"^(-?[0-9]+)\.0*$").cast(pl.Int64, strict=False))

    return pl.col(name).map_batches(read, return_dtype=pl.Int64)


def _whole_of_floats(name: str) -> pl.Expr:
    value = pl.col(name).cast(pl.Float64)
    return pl.when((value == value.floor()) & (value.abs() <= EXACT)).then(value).cast(pl.Int64, strict=False)


def whole_id(name: str, dtype: pl.DataType) -> pl.Expr:
    """The cell as i64, null unless it is spelt as whole numbers are, so that no two texts become the same id.

    Args:
        name: the column.
        dtype: its type; where cells are floats, as tables with gaps have them, 7.0 is 7.
    """
    if dtype.is_integer():
        return pl.col(name).cast(pl.Int64, strict=False)
    if dtype.is_numeric():
        return _whole_of_floats(name)
    texts = stripped(name)
    value = texts.cast(pl.Int64, strict=False)
    return pl.when(value.cast(pl.String) == texts).then(value)


def id_text(name: str, dtype: pl.DataType) -> pl.Expr:
    """The id as text, without the blanks around it; null where it is empty. Of floats 7.0 is ``7``."""
    texts = stripped(name)
    if dtype.is_numeric() and not dtype.is_integer():
        texts = pl.coalesce(_whole_of_floats(name).cast(pl.String), texts)
    return pl.when(texts != "").then(texts)


def number(name: str) -> pl.Expr:
    """The cell as f32, null where it is no finite number."""
    value = pl.col(name).cast(pl.String).str.strip_chars().cast(pl.Float32, strict=False)
    return pl.when(value.is_finite()).then(value)


def hash_of_id(text: str) -> int:
    """See ``hashed``: the number of one id."""
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big") >> 1


def hashed(name: str, dtype: pl.DataType = TEXT) -> pl.Expr:
    """The id's text as a number in [0, 2^63): BLAKE2b of its UTF-8 bytes, the same in every run and version."""

    def hash_each(cells: pl.Series) -> pl.Series:
        raw = cells.unique().drop_nulls()
        digests = [hash_of_id(text) for text in raw]
        return cells.replace_strict(raw, pl.Series(digests, dtype=pl.Int64), default=None, return_dtype=pl.Int64)

    return id_text(name, dtype).map_batches(hash_each, return_dtype=pl.Int64)


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
    if dtype == pl.Date:
        return pl.col(name).cast(pl.Datetime("us")).dt.replace_time_zone("UTC")
    if unit == "iso":
        return _iso(name)
    factor = 1_000_000 // PER_SECOND[unit]

    def read(series: pl.Series) -> pl.Series:
        ticks = _microseconds(series, factor)
        return (
            ticks
            if ticks.is_empty() or _lies_in_range(ticks)
            else ticks.set((ticks < 0) | (ticks > LAST_SECOND * 1_000_000), None)
        )

    return pl.col(name).map_batches(read, return_dtype=pl.Int64).cast(pl.Datetime("us")).dt.replace_time_zone("UTC")


def _lies_in_range(ticks: pl.Series) -> bool:
    least, most = ticks.min(), ticks.max()
    return not (isinstance(least, int) and least < 0) and not (isinstance(most, int) and most > LAST_SECOND * 1_000_000)


def _microseconds(cells: pl.Series, factor: int) -> pl.Series:
    """The cells times ``factor`` as i64, null where a cell is no number or does not fit; fractions are kept to the microsecond."""
    most = (2**63 - 1) // factor
    if cells.dtype.is_integer():
        return _within(cells.cast(pl.Int64, strict=False), most) * factor
    if cells.dtype.is_numeric():  # a float64 holds the microseconds of our days; a float32 only small whole numbers
        values = cells.cast(pl.Float64)
        values = values.set(values.abs() > EXACT_SINGLE, None) if cells.dtype == pl.Float32 else values
        return (values * factor).round().cast(pl.Int64, strict=False)
    texts = cells.cast(pl.String).str.strip_chars()
    values = _within(texts.cast(pl.Int64, strict=False), most) * factor
    if values.null_count() == texts.null_count():
        return values
    parts = texts.str.extract(r"^([0-9]+\.[0-9]*)$").cast(pl.Float64, strict=False)
    return values.fill_null((parts * factor).round().cast(pl.Int64, strict=False))


def _within(values: pl.Series, most: int) -> pl.Series:
    """The values, null where their size is above ``most``."""
    largest = values.max()
    least = values.min()
    if (largest is None or largest <= most) and (least is None or least >= -most):  # type: ignore[operator]
        return values
    return values.set((values > most) | (values < -most), None)


def fitting_unit(name: str, unit: str) -> pl.Expr:
    """The unit, of s, ms, us and ns, in which the cell is a time of 1990 to 2100; null where it is ``unit`` or none."""
    value = stripped(name).cast(pl.Float64, strict=False)
    fits = {
        other: value.is_between(_FROM * factor, _UNTIL * factor) for other, factor in (*PER_SECOND.items(), ("ns", 1_000_000_000))
    }
    return pl.coalesce([pl.when(is_it).then(pl.lit(other)) for other, is_it in fits.items() if other != unit])


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
    """The named cells as one list of texts, coarsest first; empty ones are left out. Cells may be lists (``JOINED``)."""
    joined = [text(name) if separator is None else text(name).str.replace_all(separator, JOINED, literal=True) for name in names]
    lists = [cell.str.split(JOINED) for cell in joined]
    return pl.concat_list([pl.lit([], dtype=pl.List(pl.String())), *(cells.fill_null([]) for cells in lists)]).list.filter(
        pl.element().fill_null("") != ""
    )


def in_contract(columns: Mapping[str, pl.Expr | None], table: Table) -> list[pl.Expr]:
    """An expression for each column of ``table``, of its type; a column that is not given is null."""
    given = {name: pl.lit(None) if expr is None else expr for name, expr in columns.items()}
    return [given.get(name, pl.lit(None)).cast(dtype).alias(name) for name, dtype in table.schema.items()]
