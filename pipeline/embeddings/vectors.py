"""Arithmetic that the kinds of vectors share."""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

Matrix = npt.NDArray[np.float64]
Ids = npt.NDArray[np.int64]

# Below this length a vector is rounding, not direction.
NEAR_ZERO = 1e-9


class Directions(NamedTuple):
    """What a part says of n items, before rare ones lean on their categories.

    Attributes:
        vectors: (n, w) of length 1, or 0 without signal.
        evidence: (n,) positives that stand behind each; infinite where the vector is simply given, 0 without signal.
    """

    vectors: Matrix
    evidence: npt.NDArray[np.float64]


def unit(rows: Matrix) -> Matrix:
    """Each row at length 1; rows near zero become zero."""
    norms = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.where(norms > NEAR_ZERO, rows / np.maximum(norms, NEAR_ZERO), 0.0)


def rescaled(rows: npt.NDArray[Any]) -> Matrix:
    """Each row times a power of two, so that its largest number lies in [½, 1); rows of zeros stay.

    No bit of a direction is lost, and no length, however huge or tiny, makes a square overflow or vanish.
    """
    exact = np.ascontiguousarray(rows, dtype=np.float64)
    _, exponents = np.frexp(np.abs(exact).max(axis=1, initial=0.0))
    return np.asarray(np.ldexp(exact, -exponents[:, None]))


def directions(rows: Matrix, evidence: npt.NDArray[np.float64]) -> Directions:
    """Unit vectors of ``rows``; where a row is near zero there is no evidence either."""
    vectors = unit(rows)
    return Directions(vectors, np.where(vectors.any(axis=1), evidence, 0.0))


def shrunk(own: Directions, prior: Matrix, prior_evidence: float) -> Matrix:
    """Own direction and prior, weighed by their evidence, at length 1:

        x = unit(n · own + m · prior) = unit(a · own + (1 − a) · prior),   a = n / (n + m)

    An item without evidence takes the direction of its prior; where that is zero as well, x is zero.

    Args:
        own: n items.
        prior: (n, w), at most length 1: the mean of directions, shorter the less they agree.
        prior_evidence: m ≥ 0.
    """
    with np.errstate(invalid="ignore"):  # ∞ / ∞ and 0 / 0, decided in the next line
        share = own.evidence / (own.evidence + prior_evidence)
    share = np.where(np.isinf(own.evidence), 1.0, np.where(own.evidence > 0, share, 0.0))[:, None]
    return unit(share * own.vectors + (1 - share) * prior)
