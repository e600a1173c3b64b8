"""How much two groupings of the same items say of one another: normalised mutual information, and what is left of it beyond chance.

scikit-learn has the same figures, to which tests compare these; to load it takes more than what the rest of a small night's Semantic
IDs does. Natural logarithms cancel out.

    I(a, b) = Σ_ij n_ij/N · log(N n_ij / (a_i b_j)),      NMI = I / M,      AMI = (I − E) / (M − E),      M = (H(a) + H(b)) / 2

E is the expectation of I over all ways to deal the items to groups of the same sizes (Vinh, Epps, Bailey, JMLR 2010, eq. 24a).
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import gammaln

Numbers = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
_ROUNDING = 1e-12


@dataclass(frozen=True)
class Groupings:
    """Two groupings of N items.

    Attributes:
        first, second: items of each group of either; sum to N.
        both: items of each pair of groups that has any, and ``pairs`` (n, 2) which these are.
    """

    first: Numbers
    second: Numbers
    both: Numbers
    pairs: Numbers

    @classmethod
    def of(cls, first: Numbers, second: Numbers) -> "Groupings":
        """Those of (N,) numbers of groups, N ≥ 1."""
        a, b = (np.unique(numbers, return_inverse=True)[1].astype(np.int64) for numbers in (first, second))
        n_b = int(b.max()) + 1
        cells, both = np.unique(a * n_b + b, return_counts=True)
        return cls(np.bincount(a), np.bincount(b), both, np.stack([cells // n_b, cells % n_b], axis=1))

    @property
    def information(self) -> float:
        """I, nats, ≥ 0."""
        n = self.both.sum()
        expected = self.first[self.pairs[:, 0]].astype(np.float64) * self.second[self.pairs[:, 1]]
        return max(0.0, float((self.both / n * np.log(n * self.both / expected)).sum()))

    @property
    def most(self) -> float:
        """M, nats."""
        return (_entropy(self.first) + _entropy(self.second)) / 2

    @property
    def by_chance(self) -> float:
        """E, nats: groups of one size are counted together, so that the cost is that of the different sizes."""
        (sizes, times), (others, their_times) = (np.unique(sizes, return_counts=True) for sizes in (self.first, self.second))
        return sum(
            int(count) * float(their_times @ _expected(int(size), others, int(self.both.sum())))
            for size, count in zip(sizes, times, strict=True)
        )


def normalised(first: Numbers, second: Numbers) -> float:
    """NMI in [0, 1] of (N,) numbers of groups, N ≥ 1; 1 where both are a single group."""
    groupings = Groupings.of(first, second)
    most = groupings.most
    return groupings.information / most if most else 1.0


def adjusted(first: Numbers, second: Numbers) -> float:
    """AMI of (N,) numbers of groups, N ≥ 1: 1 where they are the same, 0 where chance gives as much, below where it gives more."""
    groupings = Groupings.of(first, second)
    by_chance = groupings.by_chance
    room = groupings.most - by_chance
    if abs(room) < _ROUNDING:
        return 1.0  # no grouping of these sizes could say more or less
    return (groupings.information - by_chance) / room


def _entropy(sizes: Numbers) -> float:
    shares = sizes / sizes.sum()
    return float(-(shares * np.log(shares)).sum())


def _expected(size: int, others: Numbers, n_items: int) -> Floats:
    """For a group of ``size`` and each of ``others`` (m,): the expectation of their term of I; the overlap is hypergeometric."""
    overlap = np.arange(1, min(size, int(others.max())) + 1)[:, None]
    rest = n_items - size - others + overlap  # items of neither
    can_be = (overlap <= others) & (rest >= 0)
    logs = [gammaln(np.where(can_be, number, 0) + 1.0) for number in (overlap, size - overlap, others - overlap, rest)]
    constant = gammaln([size + 1.0, n_items - size + 1.0]).sum() + gammaln(others + 1.0) + gammaln(n_items - others + 1.0)
    probability = np.exp(np.where(can_be, constant - gammaln(n_items + 1.0) - sum(logs), -np.inf))
    worth = overlap / n_items * np.log(n_items * overlap / (float(size) * others))
    expectation: Floats = (probability * worth).sum(axis=0)
    return expectation
