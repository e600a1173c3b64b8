"""Parquet files of any kind as rows of plain cells: texts, numbers, truth values, dates and times.

Only the columns that are asked for are read, and every type becomes one of a few before Polars sees it: what Polars or Arrow cannot
hold is refused by the name of its column, or left out where no setting names it.
"""

from collections.abc import Callable, Iterator
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.contracts import REJECTS
from pipeline.errors import EmptyFileError, SourceError
from pipeline.ingest import causes, reasons
from pipeline.ingest.cells import LINE, split_rejects
from pipeline.ingest.delimited import Rows
from pipeline.ingest.files import refusing
from pipeline.ingest.lines import REPLACEMENT, LineCount
from pipeline.ingest.parquet_nested import column_of, element_of, joined, type_of
from pipeline.ingest.wanted import WantedColumns

MAGIC = b"PAR1"
_UTC = pa.timestamp("us", "UTC")


def parquet_rows(path: Path, name: str, wanted: WantedColumns, chunk_rows: int) -> Iterator[Rows]:
    """Stream a file's rows with ``cells.LINE``, 0 = first.

    Args:
        path: the file.
        name: its name, for rejects and errors.
        wanted: its columns, those of structs by dotted names; of others those are read whose cells are single values.
        chunk_rows: rows handed out at once, at most.

    Yields:
        The cells, and REJECTS of rows of which a text is none.

    Raises:
        EmptyFileError: there are no rows.
        SourceError: no Parquet file, damaged, or without a wanted column of single values or (where they are wanted) lists.
    """
    n_read = n_promised = 0
    for batch, n_rows in _batches(path, wanted, chunk_rows):
        n_promised = n_rows
        cells, n_unreadable = _plain(batch, path)
        lacking = [pl.lit(None, pl.String).alias(column) for column in wanted.names if column not in cells.columns]
        cells = cells.with_columns(pl.int_range(n_read, n_read + cells.height).alias(LINE), *lacking)
        n_read += batch.num_rows
        rejects = REJECTS.empty()
        if n_unreadable:
            texts = [column for column, dtype in cells.schema.items() if dtype == pl.String]
            is_bad = pl.any_horizontal(pl.col(texts).str.contains(REPLACEMENT, literal=True).fill_null(value=False))
            cells, rejects = split_rejects(cells, [(reasons.TEXT, is_bad)], name)
        yield Rows(cells, rejects, LineCount(n_lines=batch.num_rows))
    if not n_read:
        raise EmptyFileError(f"{name}: no rows; expected a Parquet file with some")
    if n_read != n_promised:
        raise SourceError(f"{path}: {n_read:,} rows were read where its footer tells {n_promised:,}; fetch it again")


def _batches(path: Path, wanted: WantedColumns, chunk_rows: int) -> Iterator[tuple[pa.RecordBatch, int]]:
    """Batches of the columns to read, and the number of rows by the footer."""
    try:
        with refusing(path), pq.ParquetFile(path) as file:
            schema = file.schema_arrow
            names = _columns_to_read(path, schema, wanted)
            for batch in file.iter_batches(batch_size=chunk_rows, columns=names):
                # Asking for "a" brings the fields of a struct of that name too, and the order is that of the file.
                columns = [column_of(batch, name) for name in names]
                yield pa.RecordBatch.from_arrays(columns, names=names), file.metadata.num_rows
    except (pa.ArrowException, OSError, ValueError) as error:
        raise SourceError(
            f"{path}: no Parquet file, or truncated or damaged or encrypted ({str(error).splitlines()[0][:200]}); fetch it again, "
            "or run again once it is written"
        ) from error


def _columns_to_read(path: Path, schema: pa.Schema, wanted: WantedColumns) -> list[str]:
    types = {name: kind for name in wanted.names if (kind := type_of(schema, name)) is not None}
    if missing := [name for name in wanted.names if name not in types and name not in wanted.may_lack]:
        raise causes.missing_columns(path, missing, schema.names, is_text=False)
    if twice := [name for name in types if schema.names.count(name) > 1]:
        raise SourceError(f"{path}: names column {', '.join(twice)} twice; name each column once")
    if odd := [f"{name} holds {_in_words(kind)}" for name, kind in types.items() if not _is_readable(kind, name in wanted.lists)]:
        hint = "name lists in source.lists, and fields of structs by dotted names, or write it as text"
        raise SourceError(f"{path}: {', '.join(odd)[:300]}, expected texts, numbers or times; {hint}")
    if patterns := [name for name in types if is_pattern(name)]:
        raise SourceError(f"{path}: column {', '.join(patterns)} is named like a pattern of Polars; rename it in the file")
    others = [
        name
        for name in schema.names
        if wanted.with_others
        and schema.names.count(name) == 1
        and not is_pattern(name)
        and _is_attribute(schema.field(name).type)
    ]
    return list(dict.fromkeys([*others, *types]))


def _is_readable(kind: pa.DataType, may_be_list: bool) -> bool:
    element = element_of(kind) if may_be_list else None
    return _reader(kind) is not None or (element is not None and _reader(element) is not None)


def _is_attribute(kind: pa.DataType) -> bool:
    """Whether a column that no setting names may describe an item or user; bytes, such as pictures, do not."""
    is_bytes = pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_binary_view(kind)
    return _reader(kind) is not None and not is_bytes


def _in_words(kind: pa.DataType) -> str:
    return "lists or structs" if pa.types.is_nested(kind) else str(kind)


def is_pattern(name: str) -> bool:
    """Whether Polars would read a column's name as a pattern of names."""
    return name == "*" or (name.startswith("^") and name.endswith("$"))


Reader = Callable[[pa.Array], pa.Array]


def _reader(kind: pa.DataType) -> Reader | None:
    """How cells of a type become one of the plain types; None where they are no single values."""
    types = pa.types
    if types.is_dictionary(kind):
        inner = _reader(kind.value_type)
        return None if inner is None else lambda cells: inner(cells.dictionary_decode())
    if types.is_timestamp(kind):
        target = _UTC if kind.tz else pa.timestamp("us")
        return lambda cells: cells.cast(target, safe=False)
    if types.is_string_view(kind) or types.is_binary_view(kind):
        return lambda cells: cells.cast(pa.large_binary())
    if types.is_string(kind) or types.is_large_string(kind):
        return lambda cells: cells.view(pa.binary() if types.is_string(kind) else pa.large_binary())
    if types.is_decimal(kind) or types.is_null(kind):
        return lambda cells: cells.cast(pa.string()).view(pa.binary())
    if types.is_float16(kind):
        return lambda cells: cells.cast(pa.float32())
    if types.is_date(kind):
        return lambda cells: cells.cast(pa.date32())
    is_plain = types.is_integer(kind) or types.is_floating(kind) or types.is_boolean(kind)
    if is_plain or types.is_binary(kind) or types.is_large_binary(kind):
        return lambda cells: cells
    return None


def _plain(batch: pa.RecordBatch, path: Path) -> tuple[pl.DataFrame, int]:
    """The batch's cells in plain types, and how many texts among them are no UTF-8; their bytes that are none became U+FFFD."""
    columns, n_unreadable = [], 0
    for name, cells in zip(batch.schema.names, batch.columns, strict=True):
        reader = _reader(cells.type)
        if reader is None and element_of(cells.type) is not None:  # read only where lists are wanted
            columns.append(joined(cells, path, name))
            continue
        if reader is None:
            raise SourceError(f"{path}: {name} holds {cells.type}, expected texts, numbers or times; write it as text")
        values = reader(cells)
        if pa.types.is_binary(values.type) or pa.types.is_large_binary(values.type):
            texts, n_bad = _texts(values)
            n_unreadable += n_bad
            columns.append(texts.alias(name))
        else:
            columns.append(pl.Series(name, pl.from_arrow(values)))
    return pl.DataFrame(columns), n_unreadable


def _texts(values: pa.Array) -> tuple[pl.Series, int]:
    """Bytes as texts. Polars takes Arrow's word that a text is UTF-8, which of a damaged file it is not."""
    texts = values.view(pa.large_string() if pa.types.is_large_binary(values.type) else pa.string())
    try:
        texts.validate(full=True)
    except pa.ArrowInvalid:
        decoded = [None if cell is None else cell.decode(errors="replace") for cell in values.to_pylist()]
        return pl.Series(decoded, dtype=pl.String), sum(REPLACEMENT in cell for cell in decoded if cell is not None)
    return pl.Series(pl.from_arrow(texts)), 0
