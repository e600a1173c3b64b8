"""Vectors that lie in a column of a table: Parquet and Arrow (Feather), lists of every kind."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipeline.embeddings.vector_rows import RawRows, floats, rows_per_chunk
from pipeline.errors import ContractError

Form = Literal["Parquet", "Arrow", "Arrow stream"]
VECTOR, IDS, SPACE = "vector", ("item_id", "raw_id"), "embedding_id"
_PEEK_ROWS = 1_024
_END_OF_STREAM = b"\xff\xff\xff\xff\0\0\0\0"


@dataclass(frozen=True)
class Table:
    """A table in a file, of which only the columns of vectors, ids and spaces are read.

    Attributes:
        path: the file.
        form: how it is written.
        where: who reads, for the messages.
        n_rows: None where the form does not say.
        id_name: ``item_id``, ``raw_id``, or None.
        has_space: whether there is a column ``embedding_id``.
        fixed_width: of the vectors, where their type says it.
    """

    path: Path
    form: Form
    where: str
    n_rows: int | None
    id_name: str | None
    has_space: bool
    fixed_width: int | None

    def batches(self, n_rows: int | None = None) -> Iterator[RawRows]:
        """Its rows, some at a time.

        Raises:
            ContractError: the file is cut off or damaged.
        """
        columns = [VECTOR, *([self.id_name] if self.id_name else []), *([SPACE] if self.has_space else [])]
        size = n_rows or (rows_per_chunk(self.fixed_width) if self.fixed_width else _PEEK_ROWS)
        with _refusing(self.where, self.form):
            for batch in _BATCHES[self.form](self.path, columns, size):
                lengths, values = _vectors(batch.column(VECTOR), self.where)
                ids = _ids(batch.column(self.id_name), self.id_name, self.where) if self.id_name else None
                yield RawRows(lengths, values, ids, _series(batch.column(SPACE)).cast(pl.String) if self.has_space else None)


def table(path: Path, form: Form, where: str) -> Table:
    """The table of a file, by its schema.

    Raises:
        ContractError: the file is cut off or damaged, or has no column ``vector`` of numbers.
    """
    with _refusing(where, form):
        schema, n_rows = _schema(path, form)
        names = schema.names
        if VECTOR not in names:
            raise ContractError(
                f"{where}: has the columns {', '.join(names)[:200] or 'none'}, expected one named vector; rename it"
            )
        if repeated := sorted({name for name in (VECTOR, *IDS, SPACE) if names.count(name) > 1}):
            raise ContractError(
                f"{where}: has {names.count(repeated[0])} columns named {repeated[0]}, expected one; rename the others"
            )
        kind = _storage(schema.field(VECTOR).type)
    if not _is_list(kind) or not _is_number(kind.value_type):
        raise ContractError(f"{where}: the column vector is {kind}, expected a list of numbers a row, such as list<float>")
    fixed = int(kind.list_size) if pa.types.is_fixed_size_list(kind) else None
    return Table(path, form, where, n_rows, next((name for name in IDS if name in names), None), SPACE in names, fixed)


@contextmanager
def _refusing(where: str, form: str) -> Iterator[None]:
    """Whatever a library raises where bytes are not what their header says is one line."""
    try:
        yield
    except MemoryError:
        raise ContractError(
            f"{where}: its {form} header asks for more memory than there is; it is damaged: write it again"
        ) from None
    except OSError as error:
        if error.errno:
            raise ContractError(f"{where}: {error.strerror}; grant or put back the file") from None
        raise _damaged(where, form, error) from None
    except (pa.ArrowException, ValueError, KeyError, IndexError, TypeError, OverflowError, NotImplementedError) as error:
        raise _damaged(where, form, error) from None


def _damaged(where: str, form: str, error: Exception) -> ContractError:
    detail = (str(error).splitlines() or [type(error).__name__])[0]
    return ContractError(f"{where}: is no {form} file, or is cut off or damaged ({detail:.120}); write it again")


def _schema(path: Path, form: Form) -> tuple[pa.Schema, int | None]:
    if form == "Parquet":
        with pq.ParquetFile(path) as file:
            return file.schema_arrow, int(file.metadata.num_rows)
    with pa.OSFile(str(path)) as file:
        reader = pa.ipc.open_file(file) if form == "Arrow" else pa.ipc.open_stream(file)
        return reader.schema, None


def _parquet_batches(path: Path, columns: list[str], size: int) -> Iterator[pa.RecordBatch]:
    with pq.ParquetFile(path, page_checksum_verification=True) as file:
        yield from file.iter_batches(size, columns=columns)


def _arrow_batches(path: Path, columns: list[str], size: int) -> Iterator[pa.RecordBatch]:
    with pa.OSFile(str(path)) as file:
        reader = pa.ipc.open_file(file)
        yield from _cut((reader.get_batch(number) for number in range(reader.num_record_batches)), columns, size)


def _stream_batches(path: Path, columns: list[str], size: int) -> Iterator[pa.RecordBatch]:
    with pa.OSFile(str(path)) as file:
        yield from _cut(iter(pa.ipc.open_stream(file)), columns, size)
        if file.tell() != path.stat().st_size:
            raise pa.ArrowInvalid("a second stream follows the first")
    # the library takes the end of the file for the end of the stream: one that was cut between two batches would be whole
    with path.open("rb") as file:
        file.seek(-len(_END_OF_STREAM), os.SEEK_END)
        if file.read() != _END_OF_STREAM:
            raise pa.ArrowInvalid("its end is missing")


def _cut(batches: Iterator[pa.RecordBatch], columns: list[str], size: int) -> Iterator[pa.RecordBatch]:
    for batch in batches:
        chosen = batch.select(columns)
        chosen.validate(full=True)  # offsets that lead out of the buffers would end the process
        for start in range(0, chosen.num_rows, size):
            yield chosen.slice(start, size)


_BATCHES = {"Parquet": _parquet_batches, "Arrow": _arrow_batches, "Arrow stream": _stream_batches}


def _vectors(column: pa.Array, where: str) -> tuple[npt.NDArray[np.int64], Any]:
    """The length of every vector, −1 for none, and all their numbers."""
    while isinstance(column, pa.ExtensionArray):
        column = column.storage
    is_none = np.asarray(column.is_null())
    if pa.types.is_fixed_size_list(column.type):
        lengths = np.where(is_none, -1, column.type.list_size).astype(np.int64)
    else:
        lengths = pc.fill_null(pc.list_value_length(column), -1).to_numpy(zero_copy_only=False).astype(np.int64)
    flat = (column.drop_null() if is_none.any() else column).flatten()
    while isinstance(flat, pa.ExtensionArray):
        flat = flat.storage
    if pa.types.is_decimal(flat.type):
        flat = flat.cast(pa.float64())
    return lengths, floats(flat.to_numpy(zero_copy_only=False))


def _ids(column: pa.Array, name: str, where: str) -> pl.Series:
    ids = _series(column).alias(name)
    if ids.dtype == pl.Binary:
        ids = ids.cast(pl.String, strict=False)
    if isinstance(ids.dtype, pl.Categorical | pl.Enum):
        ids = ids.cast(pl.String)
    if ids.dtype == pl.Null:
        return ids.cast(pl.Int64)
    if ids.dtype.is_float() and (ids.is_null() | (ids.is_finite() & (ids == ids.floor()) & (ids.abs() < 2.0**53))).all():
        ids = ids.cast(pl.Int64)  # how pandas keeps whole numbers in a column that once had gaps
    if ids.dtype.is_decimal() and (whole := ids.cast(pl.Int64, strict=False)).cast(ids.dtype).equals(ids):
        ids = whole  # how warehouses unload whole numbers
    if not (ids.dtype.is_integer() or ids.dtype == pl.String):
        raise ContractError(f"{where}: the column {name} is {ids.dtype}, expected whole numbers or texts; cast it")
    return ids


def _series(column: pa.Array) -> pl.Series:
    return pl.Series(pl.from_arrow(column))


def _storage(kind: pa.DataType) -> pa.DataType:
    while isinstance(kind, pa.BaseExtensionType):
        kind = kind.storage_type
    return kind


def _is_list(kind: pa.DataType) -> bool:
    return any(
        is_kind(kind)
        for is_kind in (
            pa.types.is_list,
            pa.types.is_large_list,
            pa.types.is_fixed_size_list,
            pa.types.is_list_view,
            pa.types.is_large_list_view,
        )
    )


def _is_number(kind: pa.DataType) -> bool:
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind))
