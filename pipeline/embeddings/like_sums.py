"""Sums over users, kept exactly: so that a night adds and takes away only the users whose likes changed, to the same last bit."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from pipeline.embeddings.vectors import Ids, Matrix
from pipeline.errors import ContractError

Whole = npt.NDArray[np.int64]
# A loading is a whole number of quanta, of which all loadings of a coordinate together have at most 2⁶²: so has any user's taste.
_TASTE_BITS = 62
_LOW_BITS = 32
_LOW = (1 << _LOW_BITS) - 1


@dataclass(frozen=True)
class LikeSums:
    """Of each item, how many users like it and the sum of their tastes: high · 2³² + low quanta.

    In whole numbers, as floating-point sums hang on the order of their terms, and what was added cannot be taken away again. In two
    halves, so that the tastes of 2³¹ users fit.

    Attributes:
        item_ids: (n,) rising.
        popularity: (n,) users who like the item.
        high: (n, w).
        low: (n, w) in [0, 2³²).
    """

    item_ids: Ids
    popularity: Whole
    high: Whole
    low: Whole

    @classmethod
    def zero(cls, item_ids: Ids, width: int) -> Self:
        """Of nobody."""
        return cls(item_ids, np.zeros(len(item_ids), np.int64), *np.zeros((2, len(item_ids), width), np.int64))

    @classmethod
    def of_users(cls, item_ids: Ids, loadings: Whole, likes: Iterable[Any]) -> Self:
        """Of some users.

        Args:
            item_ids: (n,) rising.
            loadings: (n, w) what a like of an item adds to the taste of its user; in a coordinate at most 2⁶² in size together.
            likes: sparse (users, n) ones, no pair twice, block by block, all likes of a user in one block.
        """
        total = cls.zero(item_ids, loadings.shape[1])
        for block in likes:
            ones = block.astype(np.int64)
            tastes = ones @ loadings
            for half, parts in ((total.high, tastes >> _LOW_BITS), (total.low, tastes & _LOW)):
                half += ones.T @ parts  # low halves overflow after 2³¹ users
            total.popularity[:] += np.bincount(ones.indices, minlength=len(item_ids))
        return total._carried()

    def plus(self, other: "LikeSums", sign: int = 1) -> Self:
        """Together with ``other``, or without it where ``sign`` is −1; of the same items."""
        pairs = ((self.popularity, other.popularity), (self.high, other.high), (self.low, other.low))
        return type(self)(self.item_ids, *(mine + sign * theirs for mine, theirs in pairs))._carried()

    def among(self, item_ids: Ids) -> Self:
        """The same sums in a catalogue that grew.

        Args:
            item_ids: (m,) rising; every item of these sums is among them.

        Raises:
            ContractError: some are not.
        """
        if n_gone := int((~np.isin(self.item_ids, item_ids)).sum()):
            raise ContractError(
                f"embeddings: {n_gone} of {len(self.item_ids)} items with likes are gone from the table items; sum the likes anew"
            )
        rows, grown = np.searchsorted(item_ids, self.item_ids), self.zero(item_ids, self.high.shape[1])
        for mine, whole in ((self.popularity, grown.popularity), (self.high, grown.high), (self.low, grown.low)):
            whole[rows] = mine
        return grown

    def totals(self, quantum: Matrix) -> Matrix:
        """(n, w) the sums of tastes; ``quantum``: (w,) powers of two."""
        return (np.ldexp(self.high.astype(np.float64), _LOW_BITS) + self.low) * quantum

    def to_arrays(self) -> dict[str, npt.NDArray[Any]]:
        """Arrays for ``safetensors.numpy.save``."""
        low = self.low.astype(np.uint32)
        return {"item_ids": self.item_ids, "popularity": self.popularity, "high": self.high, "low": low}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, npt.NDArray[Any]]) -> Self:
        """The sums that were stored."""
        return cls(arrays["item_ids"], arrays["popularity"], arrays["high"], arrays["low"].astype(np.int64))

    def _carried(self) -> Self:
        """The same with ``low`` in its bounds."""
        return type(self)(self.item_ids, self.popularity, self.high + (self.low >> _LOW_BITS), self.low & _LOW)


def quantum_of(loadings: Matrix) -> Matrix:
    """(w,) the quantum of each coordinate, a power of two, from (b, w) loadings."""
    _, exponents = np.frexp(np.abs(loadings).sum(axis=0))
    return np.ldexp(1.0, exponents + 1 - _TASTE_BITS)


def in_quanta(loadings: Matrix) -> Whole:
    """(b, w) loadings as whole numbers of quanta."""
    return np.rint(loadings / quantum_of(loadings)).astype(np.int64)
