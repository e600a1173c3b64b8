"""Vectors that the user brings."""

from dataclasses import dataclass

import numpy as np
import polars as pl

from pipeline.embeddings.vectors import Directions, Ids, directions
from pipeline.errors import ContractError


@dataclass(frozen=True)
class External:
    """Vectors of one width; what they mean from night to night is the bringer's business.

    Attributes:
        width: w, the length of every vector.
    """

    width: int

    @classmethod
    def learn(cls, vectors: pl.DataFrame) -> "External":
        """Take the width of the first vector.

        Raises:
            ContractError: no vectors.
        """
        _require_columns(vectors)
        if vectors.is_empty():
            raise ContractError("embeddings: 0 external vectors, expected one an item; see embeddings.external_path")
        return cls(int(vectors["vector"].list.len().fill_null(0)[0]))

    def fold(self, item_ids: Ids, vectors: pl.DataFrame) -> Directions:
        """The direction of each of ``item_ids``; no signal for items without a vector. Vectors of other items are not looked at.

        Args:
            item_ids: (n,) the items asked for.
            vectors: item_id (i64), vector (a list or array of numbers).

        Raises:
            ContractError: an item twice, a vector of another width, or one with NaN, infinite or missing values.
        """
        _require_columns(vectors)
        if n_repeats := vectors.height - vectors["item_id"].n_unique():
            raise ContractError(
                f"embeddings: {n_repeats} of {vectors.height} external vectors repeat an item_id, expected one each"
            )
        lengths = vectors["vector"].list.len()
        if n_odd := int((lengths.fill_null(0) != self.width).sum()):
            raise ContractError(
                f"embeddings: {n_odd} of {vectors.height} external vectors are not {self.width} long, the model's width; "
                "mend the file, or learn a new model with: hsrl refresh --rebuild"
            )
        values = vectors["vector"].list.explode().cast(pl.Float64).fill_null(np.nan).to_numpy().reshape(-1, self.width)
        if n_broken := int((~np.isfinite(values).all(axis=1)).sum()):
            raise ContractError(f"embeddings: {n_broken} of {vectors.height} external vectors hold NaN, infinite or empty values")
        rows = pl.DataFrame({"item_id": item_ids}).join(
            vectors.select("item_id").with_row_index("row"), on="item_id", how="left", maintain_order="left"
        )["row"]
        is_given = rows.is_not_null().to_numpy()
        found = np.zeros((len(item_ids), self.width))
        found[is_given] = values[rows.drop_nulls().to_numpy()]
        return directions(found, np.full(len(item_ids), np.inf))


def _require_columns(vectors: pl.DataFrame) -> None:
    types = {name: vectors.schema.get(name) for name in ("item_id", "vector")}
    if types["item_id"] != pl.Int64 or not isinstance(types["vector"], pl.List) or not types["vector"].inner.is_numeric():
        raise ContractError(f"embeddings: external vectors are {types}, expected item_id Int64 and vector a list of numbers")
