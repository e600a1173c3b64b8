"""The order of rows by several columns, from a single sort of 64-bit keys that hold them all."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl

Rows = npt.NDArray[np.int64]
_BITS = 63
# Units in which all values of a column often are whole: of microseconds seconds, milliseconds.
_UNITS = (1_000_000, 1_000)


class _Part(NamedTuple):
    """A column as whole numbers in [0, 2^bits)."""

    values: npt.NDArray[np.int64]
    bits: int


def row_order(rows: pl.DataFrame, by: Sequence[str]) -> Rows:
    """The row numbers by rising ``by``, nulls first; rows that are equal stay in their order.

    Columns are packed into 64 bits together with the number of the row, so that one sort of plain numbers gives the order. What
    does not fit is sorted column by column, which is slower.

    Args:
        rows: n rows.
        by: columns of whole numbers, times, truth values or texts, the first counts most.

    Returns:
        (n,) a permutation of 0 … n − 1.
    """
    columns = [rows[name] for name in by]
    while columns and columns[-1].is_sorted():  # equal rows stay in their order, in which this column rises already
        columns.pop()
    packed = _packed([_part(column) for column in columns], rows.height)
    if packed is not None:
        return packed
    order = pl.arg_sort_by(columns, nulls_last=False, maintain_order=True)
    return rows.select(order).to_series().to_numpy().astype(np.int64)


def _packed(parts: Sequence[_Part | None], n_rows: int) -> Rows | None:
    """The order by the parts, the first highest; None where they and the number of the row do not fit into a number."""
    known = [part for part in parts if part is not None]
    n_row_bits = max(n_rows - 1, 0).bit_length()
    if len(known) < len(parts) or n_row_bits + sum(part.bits for part in known) > _BITS:
        return None
    keys = np.zeros(n_rows, dtype=np.int64)
    for part in known:
        keys <<= part.bits
        keys |= part.values
    keys <<= n_row_bits
    keys |= np.arange(n_rows)
    keys.sort()
    keys &= (1 << n_row_bits) - 1
    return keys


def _part(column: pl.Series) -> _Part | None:
    """The column as a part of a key, which keeps its order; None where its numbers lie too far apart."""
    if column.dtype == pl.String:
        names = column.drop_nulls().unique().sort()
        column = column.cast(pl.Enum(names)).to_physical()
    values = column.to_physical().cast(pl.Int64)
    least, most = values.min(), values.max()
    if not isinstance(least, int) or not isinstance(most, int):
        return _Part(np.zeros(column.len(), dtype=np.int64), 0)  # nulls only
    if most - least >= 1 << _BITS - 1:
        return None
    has_nulls = values.null_count() > 0
    numbers = (values.fill_null(least) if has_nulls else values).to_numpy() - least
    span = most - least
    for unit in _UNITS:
        if span > unit and not (numbers % unit).any():
            numbers, span = numbers // unit, span // unit
            break
    if has_nulls:
        numbers, span = np.where(values.is_null().to_numpy(), 0, numbers + 1), span + 1
    return _Part(numbers, span.bit_length())
