"""Categories of items as a sparse matrix, and the mean direction of each: where an item without a signal of its own is put."""

from dataclasses import dataclass

import numpy as np
import polars as pl
from scipy import sparse

from pipeline.embeddings.vectors import Directions, Matrix


def names_of(items: pl.DataFrame) -> pl.DataFrame:
    """Each pair of row number (``row``, i64) and category (``name``) once, in the order of the rows, then of the names."""
    pairs = items.select(pl.col("categories").alias("name")).with_row_index("row").explode("name", empty_as_null=False)
    return pairs.select(pl.col("row").cast(pl.Int64), "name").drop_nulls().unique().sort("row", "name")


def membership(items: pl.DataFrame, vocabulary: tuple[str, ...]) -> sparse.csr_matrix:
    """(n, c) ones where item i has category c of ``vocabulary``; categories that it does not hold are left out."""
    known = pl.DataFrame({"name": vocabulary}, schema={"name": pl.String}).with_row_index("column")
    pairs = names_of(items).join(known, on="name")
    ones = np.ones(pairs.height)
    return sparse.csr_matrix((ones, (pairs["row"].to_numpy(), pairs["column"].to_numpy())), shape=(items.height, len(vocabulary)))


@dataclass(frozen=True)
class Centroids:
    """The mean direction of the items of each category, frozen when the model was learned.

    Attributes:
        vocabulary: c category names, sorted.
        means: (c, w), at most length 1: shorter the less the items of the category agree.
    """

    vocabulary: tuple[str, ...]
    means: Matrix

    @classmethod
    def learn(cls, items: pl.DataFrame, own: Directions) -> "Centroids":
        """Means over the items with a signal; a category that none of them has is not in the vocabulary."""
        has_signal = own.evidence > 0
        with_signal = items.filter(pl.Series(has_signal))
        vocabulary = tuple(names_of(with_signal)["name"].unique().sort())
        belongs = membership(with_signal, vocabulary)
        totals = belongs.T @ (own.vectors if has_signal.all() else own.vectors[has_signal])
        return cls(vocabulary, totals / np.asarray(belongs.sum(axis=0)).reshape(-1, 1))

    def prior(self, items: pl.DataFrame) -> Matrix:
        """(n, w) for each item the mean over its known categories; zero where it has none."""
        belongs = membership(items, self.vocabulary)
        n_known = np.asarray(belongs.sum(axis=1)).reshape(-1, 1)
        return np.asarray(np.asarray(belongs @ self.means) / np.maximum(n_known, 1))
