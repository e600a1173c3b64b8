"""Rows of unequal length as one flat array and offsets: no Python loop, no padding."""

from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa

Numbers = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]


def starts_of(lengths: Numbers) -> Numbers:
    """Where each row starts in the flat array, and where the last one ends: n lengths → n + 1 offsets, the first 0."""
    return np.concatenate(([0], np.cumsum(lengths)))


def spans(low: Numbers, lengths: Numbers) -> Numbers:
    """The indices low[i], low[i] + 1, … of each row one after the other: lows 5, 0 of lengths 2, 3 → 5 6 0 1 2."""
    offsets = starts_of(lengths)
    return np.arange(offsets[-1]) + np.repeat(low - offsets[:-1], lengths)


def flatten(lists: pl.Series) -> tuple[Numbers, npt.NDArray[Any]]:
    """The lengths (n,) of n lists without nulls, and their values one after the other."""
    lengths = lists.list.len().to_numpy().astype(np.int64)
    return lengths, lists.explode(empty_as_null=False).to_numpy()


def list_column(values: npt.NDArray[Any], lengths: Numbers) -> pl.Series:
    """A list column from flat values and the length of each row; its inner type is that of ``values``."""
    lists = pa.LargeListArray.from_arrays(_as_arrow(starts_of(lengths)), _as_arrow(values))
    return pl.Series(pl.from_arrow(lists))


def _as_arrow(values: npt.NDArray[Any]) -> pa.Array:
    """The numbers without a copy; ``pa.array`` would import pandas, which takes 0.3 CPU seconds a process."""
    values = np.ascontiguousarray(values)
    return pa.Array.from_buffers(pa.from_numpy_dtype(values.dtype), len(values), [None, pa.py_buffer(values)])
