"""Nested columns of Parquet: fields of structs by dotted names, and lists as texts."""

from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.errors import SourceError
from pipeline.ingest.cells import JOINED


def type_of(schema: pa.Schema, name: str) -> pa.DataType | None:
    """The type of a column, or of a struct's field by its dotted name; None where there is none. A column's own name goes first."""
    if name in schema.names:  # by its number, since two columns may have the name
        return schema.field(schema.names.index(name)).type
    top, *fields = name.split(".")
    if not fields or schema.names.count(top) != 1:
        return None
    kind = schema.field(top).type
    for field in fields:
        if not pa.types.is_struct(kind) or kind.get_field_index(field) < 0:
            return None
        kind = kind.field(field).type
    return kind


def column_of(batch: pa.RecordBatch, name: str) -> pa.Array:
    """The cells of a column, or of a struct's field by its dotted name."""
    if name in batch.schema.names:
        return batch.column(batch.schema.names.index(name))
    top, *fields = name.split(".")
    return pc.struct_field(batch.column(top), fields)


def element_of(kind: pa.DataType) -> pa.DataType | None:
    """The type of a list's elements; None of what is no list."""
    types = pa.types
    is_list = types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind)
    return kind.value_type if is_list else None


def joined(cells: pa.Array, path: Path, name: str) -> pl.Series:
    """Lists as texts, their elements parted by ``cells.JOINED``; an empty element is an empty text.

    Raises:
        SourceError: a text among them is no UTF-8.
    """
    try:
        cells.flatten().validate(full=True)
    except pa.ArrowInvalid as error:
        raise SourceError(f"{path}: {name} holds texts that are no UTF-8; the file is damaged, fetch it again") from error
    lists = pl.Series(name, pl.from_arrow(cells))
    if isinstance(lists.dtype, pl.Array):
        lists = lists.arr.to_list()
    return lists.list.eval(pl.element().cast(pl.String).fill_null("")).list.join(JOINED)
