"""Vectors that the user brings."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from pipeline.embeddings.vector_rows import N_EXAMPLES, named
from pipeline.embeddings.vectors import Directions, Ids, directions, rescaled
from pipeline.errors import ContractError

_CHUNK_ROWS = 16_384  # 8 MB of 64 numbers in double precision


@dataclass(frozen=True)
class External:
    """Vectors of one width; what they mean from night to night is the bringer's business.

    Attributes:
        width: w, the length of every vector.
    """

    width: int

    @classmethod
    def learn(cls, vectors: pl.DataFrame) -> "External":
        """Take the width that most vectors have.

        Raises:
            ContractError: no vectors.
        """
        lengths = _lists(vectors).list.len().drop_nulls()
        if not lengths.len() or not lengths.max():
            raise ContractError("embeddings: 0 external vectors, expected one an item; see embeddings.external_path")
        return cls(int(lengths.mode().sort()[-1]))

    def fold(self, item_ids: Ids, vectors: pl.DataFrame) -> Directions:
        """The direction of each of ``item_ids``; no signal for items without a vector. Vectors of other items are not looked at.

        Args:
            item_ids: (n,) the items asked for.
            vectors: item_id (i64), vector (a list or array of numbers).

        Raises:
            ContractError: an item twice, a vector of another width, or one with NaN, infinite or missing values.
        """
        lists, ids = _lists(vectors), vectors["item_id"]
        if n_repeats := vectors.height - ids.n_unique():
            repeated = named(ids.filter(ids.is_duplicated()).unique(maintain_order=True)[:N_EXAMPLES].to_list(), n_repeats)
            raise ContractError(
                f"embeddings: {n_repeats} of {vectors.height} external vectors repeat an item_id, expected one each: item {repeated}"
            )
        is_odd = lists.list.len().fill_null(0) != self.width
        if n_odd := int(is_odd.sum()):
            raise ContractError(
                f"embeddings: {n_odd} of {vectors.height} external vectors are not {self.width} long, the model's width: item "
                f"{named(ids.filter(is_odd)[:N_EXAMPLES].to_list(), n_odd)}; mend the file, or learn a new model with: hsrl refresh --rebuild"
            )
        values = _numbers(lists, self.width)
        starts = range(0, len(values), _CHUNK_ROWS)
        is_finite = [np.isfinite(values[start : start + _CHUNK_ROWS]).all(axis=1) for start in starts]
        is_broken = pl.Series(~np.concatenate([np.zeros(0, dtype=bool), *is_finite]), dtype=pl.Boolean)
        if n_broken := int(is_broken.sum()):
            raise ContractError(
                f"embeddings: {n_broken} of {vectors.height} external vectors hold NaN, infinite or empty values: item "
                f"{named(ids.filter(is_broken)[:N_EXAMPLES].to_list(), n_broken)}; mend them in the file of embeddings.external_path"
            )
        rows = pl.DataFrame({"item_id": item_ids}).join(
            vectors.select("item_id").with_row_index("row"), on="item_id", how="left", maintain_order="left"
        )["row"]
        return self._gathered(values, rows.cast(pl.Int64).fill_null(-1).to_numpy())

    def _gathered(self, values: npt.NDArray[Any], rows: Ids) -> Directions:
        """The directions of some rows of ``values``, −1 for none; a chunk at a time, as the way there takes five copies."""
        found = Directions(np.zeros((len(rows), self.width)), np.zeros(len(rows)))
        for start in range(0, len(rows), _CHUNK_ROWS):
            chunk = slice(start, start + _CHUNK_ROWS)
            is_given = rows[chunk] >= 0
            given = self.directions_of(values[rows[chunk][is_given]])
            found.vectors[chunk][is_given], found.evidence[chunk][is_given] = given
        return found

    def directions_of(self, vectors: npt.NDArray[Any]) -> Directions:
        """What (n, w) brought vectors say: their direction, whatever their length; no signal where a vector is zero.

        Raises:
            ContractError: they are of another width.
        """
        if vectors.shape[1] != self.width:
            raise ContractError(f"embeddings: {len(vectors)} brought vectors are {vectors.shape[1]} long, expected {self.width}")
        return directions(rescaled(vectors), np.full(len(vectors), np.inf))


def _lists(vectors: pl.DataFrame) -> pl.Series:
    """The vectors as lists.

    Raises:
        ContractError: there are none, or item_id is no whole number.
    """
    types = {name: vectors.schema.get(name) for name in ("item_id", "vector")}
    kind = types["vector"]
    if types["item_id"] != pl.Int64 or not isinstance(kind, pl.List | pl.Array) or not kind.inner.is_numeric():
        raise ContractError(f"embeddings: external vectors are {types}, expected item_id Int64 and vector a list of numbers")
    return vectors["vector"] if isinstance(kind, pl.List) else vectors["vector"].arr.to_list()


def _numbers(lists: pl.Series, width: int) -> npt.NDArray[Any]:
    """(n, width) in the precision that they come in where nothing is missing; else in double precision, NaN where one is missing."""
    flat = lists.list.explode()
    if flat.dtype not in {pl.Float32, pl.Float64} or flat.null_count():
        flat = flat.cast(pl.Float64).fill_null(np.nan)
    return flat.to_numpy().reshape(-1, width)
