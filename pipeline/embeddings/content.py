"""Vectors from what is told of an item: its categories, rare ones weighing more, and numbers among its attributes."""

import hashlib
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl
from scipy import sparse

from pipeline.embeddings.categories import membership, names_of
from pipeline.embeddings.numbers import Standardised
from pipeline.embeddings.vectors import Directions, Matrix, directions, unit


@dataclass(frozen=True)
class Content:
    """Categories and numbers, frozen.

        vector = unit([unit(Σ_c w_c e_c), λ · z / √q]),   w_c = 1 + ln((1 + n) / (1 + n_c))

    with n_c of n items in category c when the model was learned, z the q standardised numbers, λ their weight.

    Attributes:
        vocabulary: the categories known when it was learned, sorted.
        weights: (c,) w_c.
        n_columns: columns for categories: c, or fewer if they are hashed.
        is_hashed: true if each category has a column and a sign by the hash of its name; unknown ones then count too, with the
            weight of a category that no item had, and are otherwise left out.
        numbers: what is known of the numbers.
        number_weight: λ ≥ 0.
    """

    vocabulary: tuple[str, ...]
    weights: npt.NDArray[np.float64]
    n_columns: int
    is_hashed: bool
    numbers: Standardised
    number_weight: float

    @classmethod
    def learn(cls, items: pl.DataFrame, max_columns: int, numbers: tuple[str, ...], number_weight: float) -> "Content":
        """Fix the vocabulary, its weights and the standardisation on ``items``, a row an item."""
        counts = names_of(items).group_by("name").len().sort("name")
        weights = _weight(items.height, counts["len"].to_numpy())
        is_hashed = counts.height > max_columns
        n_columns = max_columns if is_hashed else counts.height
        standardised = Standardised.learn(items["attributes"], numbers)
        return cls(tuple(counts["name"]), weights, n_columns, is_hashed, standardised, number_weight)

    def fold(self, items: pl.DataFrame) -> Directions:
        """The direction of each item, in the order of the rows; no signal without known category and number."""
        numbers = self.numbers.encode(items["attributes"]) / max(1.0, np.sqrt(len(self.numbers.names)))
        parts = [unit(self._categories(items)), self.number_weight * numbers]
        return directions(np.hstack(parts), np.full(items.height, np.inf))

    def _categories(self, items: pl.DataFrame) -> Matrix:
        if not self.is_hashed:
            return np.asarray((membership(items, self.vocabulary) @ sparse.diags(self.weights)).todense())
        names = tuple(names_of(items)["name"].unique().sort())
        known = dict(zip(self.vocabulary, self.weights, strict=True))
        unknown = self.weights.max()
        columns, signs = zip(*(_hashed(name, self.n_columns) for name in names), strict=True) if names else ((), ())
        values = np.array(signs, dtype=np.float64) * [known.get(name, unknown) for name in names]
        spread = sparse.csr_matrix((values, (np.arange(len(names)), columns)), shape=(len(names), self.n_columns))
        return np.asarray((membership(items, names) @ spread).todense())


def _weight(n_items: int, n_items_in: npt.NDArray[np.integer]) -> npt.NDArray[np.float64]:
    return 1 + np.log((1 + n_items) / (1 + n_items_in))


def _hashed(name: str, n_columns: int) -> tuple[int, int]:
    """A column and a sign that hang on the name alone."""
    number = int.from_bytes(hashlib.blake2b(name.encode(), digest_size=8).digest(), "little")
    return (number >> 1) % n_columns, 1 if number & 1 else -1
