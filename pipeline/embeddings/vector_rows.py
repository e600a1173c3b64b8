"""What the readers of vector files hand on: rows as they lie in the file, and rows of one width that were checked."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl

from pipeline.errors import ContractError

CHUNK_ROWS = 65_536
CHUNK_BYTES = 32 << 20
N_EXAMPLES = 3  # ids that a message names

Floats = npt.NDArray[np.float32] | npt.NDArray[np.float64]


class RawRows(NamedTuple):
    """n rows of a file, their vectors of any length.

    Attributes:
        lengths: (n,) int64, the length of each vector; −1 where there is none.
        values: all their numbers, one vector after another; NaN where one is missing inside a vector.
        ids: (n,) as the file has them; None where it has none.
        spaces: (n,) the column ``embedding_id``; None where the file has none.
    """

    lengths: npt.NDArray[np.int64]
    values: Floats
    ids: pl.Series | None
    spaces: pl.Series | None


class VectorRows(NamedTuple):
    """n checked rows.

    Attributes:
        vectors: (n, w), finite, in row-major order; float32 where the file's numbers fit into it, else float64.
        ids: (n,) as the file has them; None where it has none.
        spaces: (n,) the column ``embedding_id``; None where the file has none.
    """

    vectors: Floats
    ids: pl.Series | None
    spaces: pl.Series | None


def floats(values: npt.NDArray[Any]) -> Floats:
    """Numbers as float32 where none of them changes by it, else as float64; in this machine's byte order."""
    small = values.dtype.kind == "f" and values.dtype.itemsize <= np.dtype(np.float32).itemsize
    small |= values.dtype.kind in "iu" and values.dtype.itemsize <= np.dtype(np.int16).itemsize
    return np.ascontiguousarray(values, dtype=np.float32) if small else np.ascontiguousarray(values, dtype=np.float64)


def rows_per_chunk(width: int) -> int:
    """Rows to hold at a time."""
    return max(1, min(CHUNK_ROWS, CHUNK_BYTES // (8 * max(width, 1))))


def named(ids: Sequence[object], n: int) -> str:
    """The first few of ``n`` ids in words: ``7, 9, 12 and 4 more``."""
    text = ", ".join(f"{each!s:.40}" for each in ids[:N_EXAMPLES])
    return f"{text} and {n - N_EXAMPLES:,} more" if n > N_EXAMPLES else text


@dataclass
class Faults:
    """Rows that are no vector of ``width``, counted over a whole file, the first few by name.

    Attributes:
        where: who reads, for the messages.
        width: expected.
        n_rows: rows that were looked at.
    """

    where: str
    width: int
    n_rows: int = 0
    _counts: dict[str, int] = field(default_factory=dict)
    _names: dict[str, list[str]] = field(default_factory=dict)

    def checked(self, rows: RawRows) -> VectorRows | None:
        """The rows, if all of them are vectors; else they are counted."""
        first = self.n_rows
        self.n_rows += len(rows.lengths)
        if rows.ids is not None:
            self._note("have no id", rows.ids.is_null().to_numpy(), np.arange(first, self.n_rows), None)
        odd = np.asarray(rows.lengths != self.width)
        self._note(f"are not {self.width} long like the rest", odd, rows.lengths, rows.ids, first)
        if odd.any():
            return None
        vectors = rows.values.reshape(len(odd), self.width)
        self._note(
            "hold NaN, infinite or missing values",
            np.asarray(~np.isfinite(vectors).all(axis=1)),
            np.zeros(len(odd), np.int64),
            rows.ids,
            first,
        )
        return None if self._counts else VectorRows(vectors, rows.ids, rows.spaces)

    def refuse(self) -> None:
        """Refuse the file, if a fault was found.

        Raises:
            ContractError: the first kind of fault, how many rows have it, and which.
        """
        for fault, n in self._counts.items():
            raise ContractError(
                f"{self.where}: {n:,} of {self.n_rows:,} vectors {fault}: {named(self._names[fault], n)}; mend these rows or leave "
                "them out"
            )

    def _note(
        self, fault: str, is_bad: npt.NDArray[np.bool_], lengths: npt.NDArray[np.int64], ids: pl.Series | None, first: int = 0
    ) -> None:
        rows = np.flatnonzero(is_bad)
        if not len(rows):
            return
        self._counts[fault] = self._counts.get(fault, 0) + len(rows)
        names = self._names.setdefault(fault, [])
        for row in rows[: N_EXAMPLES - len(names)].tolist():
            name = f"row {first + row}" if ids is None or ids[row] is None else f"item {ids[row]}"
            length = "" if not fault.startswith("are not") else f" ({'none' if lengths[row] < 0 else lengths[row]})"
            names.append(name + length)
