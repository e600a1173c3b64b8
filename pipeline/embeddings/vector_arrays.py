"""Vectors that lie in a file as one plain matrix: numpy's .npy, or bare numbers; read piece by piece, nothing is unpickled."""

import io
import tokenize
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl
from numpy.lib import format as npy

from pipeline.embeddings.vector_rows import RawRows, floats, rows_per_chunk
from pipeline.errors import ContractError

# Bare numbers, little-endian, are read only from files that are named so.
RAW_TYPES = {".f16": "<f2", ".f32": "<f4", ".f64": "<f8"}
_TITLES = ("item_id", "raw_id", "item", "id")  # of a column, where a file of ids was cut out of a table
_SIMPLE_KINDS = "fiu"
_MAX_FLOAT_BYTES = 8
_MATRIX = 2
# What numpy's reader of headers lets through where the header is none.
_NO_HEADER = (
    ValueError,
    SyntaxError,
    TypeError,
    KeyError,
    OverflowError,
    RecursionError,
    MemoryError,
    EOFError,
    tokenize.TokenError,
)


@dataclass(frozen=True)
class Matrix:
    """An (n, w) matrix in a file.

    Attributes:
        path: the file.
        shape: n, w.
        dtype: of its numbers.
        offset: bytes before the first number.
        by_columns: whether it lies column after column (Fortran's order).
    """

    path: Path
    shape: tuple[int, int]
    dtype: np.dtype[Any]
    offset: int = 0
    by_columns: bool = False

    def batches(self, n_rows: int | None = None) -> Iterator[RawRows]:
        """Its rows, some at a time.

        Raises:
            ContractError: the file became shorter while it was read.
        """
        n, width = self.shape
        size = n_rows or rows_per_chunk(width)
        with self.path.open("rb") as file:
            for start in range(0, n, size):
                rows = floats(self._read(file, start, min(start + size, n)))
                yield RawRows(np.full(len(rows), width, dtype=np.int64), rows.reshape(-1), None, None)

    def _read(self, file: io.BufferedReader, start: int, stop: int) -> npt.NDArray[Any]:
        n, width = self.shape
        if not self.by_columns:
            return self._numbers(file, start * width, (stop - start) * width).reshape(-1, width)
        rows = np.empty((stop - start, width), dtype=self.dtype)
        for column in range(width):
            rows[:, column] = self._numbers(file, column * n + start, stop - start)
        return rows

    def _numbers(self, file: io.BufferedReader, first: int, count: int) -> npt.NDArray[Any]:
        file.seek(self.offset + first * self.dtype.itemsize)
        found = np.fromfile(file, dtype=self.dtype, count=count)
        if len(found) < count:
            raise ContractError(f"{self.path}: became shorter while it was read; run it again once it is written whole")
        return found


def npy_matrix(path: Path, where: str) -> Matrix:
    """The matrix of a .npy file, by its header; float16, float32, float64 or whole numbers, in C's or Fortran's order.

    Raises:
        ContractError: a header that is none, another number of dimensions, no plain numbers, or bytes that do not fit the header.
    """
    shape, by_columns, dtype, offset = _header(path, where)
    if dtype.kind not in _SIMPLE_KINDS or dtype.itemsize > _MAX_FLOAT_BYTES:
        what = "Python objects, which are not opened" if dtype.hasobject else f"numbers of type {dtype}"
        raise ContractError(
            f"{where}: holds {what}; expected float16, float32, float64 or whole numbers: save it with .astype('float32')"
        )
    if len(shape) != _MATRIX or min(shape) < 0 or (shape[0] and not shape[1]):
        raise ContractError(
            f"{where}: has the shape {shape}, expected one vector a row, as in (300, 16); save it reshaped to that"
        )
    expected, found = offset + shape[0] * shape[1] * dtype.itemsize, path.stat().st_size
    if found != expected:
        fault = "is cut off" if found < expected else "holds more than one array"
        raise ContractError(f"{where}: {fault}: {found:,} bytes, expected {expected:,} for the shape {shape}; write it again")
    return Matrix(path, (shape[0], shape[1]), dtype, offset, by_columns)


def raw_matrix(path: Path, where: str, width: int | None, n_rows: int | None) -> Matrix:
    """The matrix of a file of bare numbers, ``width`` of them a vector, or ``n_rows`` vectors of one width.

    Raises:
        ContractError: its size is not that of whole vectors, or nothing says how long they are.
    """
    dtype = np.dtype(RAW_TYPES[path.suffix.lower()])
    size = path.stat().st_size
    if not size:
        raise ContractError(f"{where}: is empty; write it again")
    if width is None and n_rows:
        width = max(1, size // (dtype.itemsize * n_rows))
    if not width:
        raise ContractError(f"{where}: bare numbers do not say how long a vector is; write it as .npy or Parquet")
    n = size // (dtype.itemsize * width)
    if size != n * width * dtype.itemsize:
        raise ContractError(f"{where}: has {size:,} bytes, expected a multiple of {dtype.itemsize} × {width}; write it again")
    return Matrix(path, (n, width), dtype)


def read_ids(path: Path, where: str) -> pl.Series:
    """Ids in a file of their own, in the order of the vectors: a .npy of whole numbers or texts, else a text file, one a line.

    Raises:
        ContractError: it is neither.
    """
    if path.read_bytes()[: len(npy.MAGIC_PREFIX)] != npy.MAGIC_PREFIX:
        try:
            lines = path.read_text(encoding="utf-8-sig").splitlines()
        except UnicodeDecodeError:
            raise ContractError(f"{where}: is no text of UTF-8 and no .npy; write one id a line") from None
        if lines and lines[0].strip().strip('"').casefold() in _TITLES:
            raise ContractError(
                f"{where}: its first line is {lines[0]:.40}, a title and no id; leave it out, so that line 1 is of vector 1"
            )
        return pl.Series("raw_id", lines, dtype=pl.String)
    shape, _, dtype, offset = _header(path, where)
    if len(shape) != 1 or dtype.kind not in "iuU":
        raise ContractError(
            f"{where}: holds {dtype} of the shape {shape}, expected one whole number or text a vector; save it flat and with "
            ".astype('int64') or .astype('str')"
        )
    if path.stat().st_size != offset + shape[0] * dtype.itemsize:
        raise ContractError(f"{where}: is cut off, or holds more than one array; write it again")
    ids = np.fromfile(path, dtype=dtype, offset=offset)
    return pl.Series("item_id", ids.tolist()) if dtype.kind == "U" else pl.Series("item_id", ids.astype(dtype.newbyteorder("=")))


def _header(path: Path, where: str) -> tuple[tuple[int, ...], bool, np.dtype[Any], int]:
    try:
        with path.open("rb") as file:
            major, _ = npy.read_magic(file)
            read = npy.read_array_header_1_0 if major == 1 else npy.read_array_header_2_0
            shape, by_columns, dtype = read(file)
            return tuple(int(length) for length in shape), bool(by_columns), dtype, file.tell()
    except _NO_HEADER:
        raise ContractError(
            f"{where}: its .npy header is damaged or of an unknown version; write it again with numpy.save"
        ) from None
