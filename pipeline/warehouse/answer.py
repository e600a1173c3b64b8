"""An answer in SQL as it comes: in frames, or as text for people."""

from collections.abc import Callable, Iterator
from itertools import chain
from typing import TYPE_CHECKING, Any

import duckdb

from pipeline.errors import QueryError
from pipeline.warehouse.sql_rules import as_line

if TYPE_CHECKING:
    import polars as pl

_BATCH_ROWS = 10_000
_NUMBERS = frozenset(
    {"tinyint", "smallint", "integer", "bigint", "hugeint", "utinyint", "usmallint", "uinteger", "ubigint", "uhugeint", "float"}
    | {"double", "decimal"}
)
# Types that frames hold exactly. All others become text: frames have no such type, or would hold another value without a word
# (24:00:00, numbers of 39 digits, the zone of a time).
_IN_FRAMES = (_NUMBERS - {"uhugeint"}) | {
    "boolean", "varchar", "date", "timestamp", "timestamp_s", "timestamp_ms", "timestamp_ns", "timestamp with time zone", "enum",
    "uuid", "sqlnull", '"null"', "null",
}  # fmt: skip


class Answer:
    """The rows of one question, read inside its block.

    Args:
        relation: the question, parsed and bound.
        check: called between batches; raises where a limit was hit.
    """

    def __init__(self, relation: duckdb.DuckDBPyRelation, check: Callable[[], None]) -> None:
        self._relation = relation
        self._check = check
        self.columns = list(relation.columns)
        self._unique = _unique(self.columns)
        self.is_number = [kind.id in _NUMBERS for kind in relation.types]

    def texts(self, limit: int) -> list[tuple[Any, ...]]:
        """The first rows for people: numbers and truth values as they are, everything else as the engine writes it, None for null."""
        casts = ["" if kind.id in _NUMBERS | {"boolean"} else "::VARCHAR" for kind in self._relation.types]
        # Not ``limit``: that plans a chain of WITHs anew at every step.
        return self._projected(casts, self.columns).fetchmany(limit)

    def count(self) -> int:
        """How many rows there are."""
        row = self._relation.aggregate("count(*)").fetchone()
        return int(row[0]) if row else 0

    def frames(self) -> Iterator["pl.DataFrame"]:
        """All rows, in frames of some thousand rows; one at least, which may be empty. Sums of whole numbers are i64 where they fit."""
        for frame in self._frames():
            yield _whole_numbers(frame, self._huge())

    def exact_frames(self) -> Iterator["pl.DataFrame"]:
        """All rows, in frames of the same types throughout: whole numbers beyond 64 bits are decimals where a first look finds one."""
        huge = [name for name in self._huge() if not self._fits(name)]
        for frame in self._frames():
            yield _whole_numbers(frame, [name for name in self._huge() if name not in huge])

    def frame(self, limit: int | None = None) -> "pl.DataFrame":
        """The rows, or the first ``limit``, in one frame; most of what comes after them is never computed."""
        import polars as pl

        taken: list[pl.DataFrame] = []
        for frame in self._frames():
            taken.append(frame)
            if limit is not None and sum(part.height for part in taken) >= limit:
                break
        rows = pl.concat(taken)
        return _whole_numbers(rows if limit is None else rows.head(limit), self._huge())

    def _huge(self) -> list[str]:
        return [name for name, kind in zip(self._unique, self._relation.types, strict=True) if kind.id == "hugeint"]

    def _fits(self, name: str) -> bool:
        column = f"#{self._unique.index(name) + 1}"
        row = self._relation.project(f"{column} AS n").aggregate("count(n) = count(TRY_CAST(n AS BIGINT))").fetchone()
        return bool(row and row[0])

    def _projected(self, casts: list[str], columns: list[str]) -> duckdb.DuckDBPyRelation:
        if not any(casts) and columns == self.columns:
            return self._relation
        names = ('"' + name.replace('"', '""') + '"' for name in columns)
        wanted = (
            f"map_entries(#{n}) AS {name}" if cast == "map" else f"#{n}{cast} AS {name}"
            for n, (cast, name) in enumerate(zip(casts, names, strict=True), 1)
        )
        return self._relation.project(", ".join(wanted))

    def _frames(self) -> Iterator["pl.DataFrame"]:
        import polars as pl
        import pyarrow as pa

        casts = [_cast(kind) for kind in self._relation.types]
        reader = self._projected(casts, self._unique).to_arrow_reader(_BATCH_ROWS)
        empty = pa.RecordBatch.from_pylist([], schema=reader.schema)
        try:
            batches = iter(reader)
            for batch in chain([next(batches, empty)], batches):
                self._check()
                frame = pl.DataFrame(batch)
                _refuse_far_times(frame)
                yield frame
        except (OSError, pa.ArrowException) as error:  # as Arrow passes on an error of the engine in the middle of an answer
            self._check()
            if "Out of Memory" in str(error):
                raise duckdb.OutOfMemoryException(str(error)) from error
            raise QueryError(as_line(str(error))) from error


def _unique(names: list[str]) -> list[str]:
    """Names for the columns of a frame, which are all different: a, a_2, a_3."""
    given, taken, numbers = set(names), set[str](), dict[str, int]()
    unique: list[str] = []
    for name in names:
        fresh = name
        while fresh in taken or (fresh != name and fresh in given):
            numbers[name] = numbers.get(name, 1) + 1
            fresh = f"{name}_{numbers[name]}"
        taken.add(fresh)
        unique.append(fresh)
    return unique


def _cast(kind: Any) -> str:
    """What makes a column fit a frame: nothing, "map" (a list of entries in its place) or a cast."""
    if kind.id == "map" and all(_is_in_frames(inner) for _, inner in kind.children):
        return "map"
    return "" if _is_in_frames(kind) else "::VARCHAR"


def _is_in_frames(kind: Any) -> bool:
    if kind.id in ("list", "array", "struct"):
        return all(_is_in_frames(inner) for _, inner in kind.children if not isinstance(inner, int))
    return kind.id in _IN_FRAMES


def _whole_numbers(rows: "pl.DataFrame", names: list[str]) -> "pl.DataFrame":
    """Sums of whole numbers as i64, where they fit: the engine gives them as HUGEINT, and Arrow those as decimals."""
    import polars as pl

    limits = pl.Int64.min(), pl.Int64.max()
    fit = [name for name in names if rows[name].drop_nulls().is_between(*limits).all()]
    return rows.with_columns(pl.col(fit).cast(pl.Int64))


def _refuse_far_times(rows: "pl.DataFrame") -> None:
    """Frames count times, and cannot write those that no calendar of theirs has: infinity, and years beyond 9999.

    Raises:
        QueryError: there is one, in whatever column.
    """
    for name in rows.columns:
        if _has_far_time(rows[name]):
            column = '"' + name.replace('"', '""') + '"'
            raise QueryError(
                as_line(
                    f"{name} holds a time outside the years 1 to 9999, such as infinity; ask for it as text: {column}::varchar"
                )
            )


def _has_far_time(series: "pl.Series") -> bool:
    import polars as pl

    if isinstance(series.dtype, pl.List | pl.Array):
        return _holds_times(series.dtype) and _has_far_time(series.drop_nulls().explode())
    if isinstance(series.dtype, pl.Struct):
        return _holds_times(series.dtype) and any(_has_far_time(field) for field in series.struct.unnest())
    if isinstance(series.dtype, pl.Date):
        per_day = 1
    elif isinstance(series.dtype, pl.Datetime):
        per_day = 86_400 * {"ms": 10**3, "us": 10**6, "ns": 10**9}[series.dtype.time_unit]
    else:
        return False
    counted = series.drop_nulls().to_physical()
    # Days of 0001-01-01 and 9999-12-31, counted from 1970.
    first, last = -719_162 * per_day, 2_932_897 * per_day
    endless = 2**63 - 1
    low, high = counted.min(), counted.max()
    return low is not None and bool(low < first or high >= last or low <= -endless or high >= endless)  # type: ignore[operator]


def _holds_times(dtype: Any) -> bool:
    import polars as pl

    if isinstance(dtype, pl.List | pl.Array):
        return _holds_times(dtype.inner)
    if isinstance(dtype, pl.Struct):
        return any(_holds_times(field.dtype) for field in dtype.fields)
    return isinstance(dtype, pl.Date | pl.Datetime)
