"""How sure a mean over simulated users, simulators and seeds is."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True)
class Interval:
    """A mean with the bounds of its 95 % interval."""

    mean: float
    low: float
    high: float


def mean_interval(values: npt.NDArray[np.float64], families: Sequence[str] = ()) -> Interval:
    """Mean of (m, S) values, m simulators by S users, or of (n, m, S), n seeds of learning first, with its interval over all of them.

    Users and, wherever there are several, simulators and seeds are taken as drawn at random, and every user meets every simulator
    and every policy. With a_i the mean of simulator i, b_j that of user j and c_k that of seed k

        se² = var(b) / S + var(a) / m + var(c) / n,

    which errs slightly towards the wide side, and Student's t with Satterthwaite's degrees of freedom. With one simulator (or
    seed) the interval speaks of that one alone; with two or three it is as wide as so few deserve.

    Families of simulators are no sample of anything: where there are several, the mean is of these families, each weighing alike, and
    var(a) / m becomes the sum of what each family's own simulators leave open.

    Args:
        values: as above.
        families: of the m simulators; empty = all of one.
    """
    weights = _weights(families, values.shape[-2])
    parts = []
    for axis, size in enumerate(values.shape):
        if size > 1:
            if axis == values.ndim - 2:
                parts += _open_by_family(values.mean(axis=(*range(axis), axis + 1)), families)
                continue
            over_simulators = np.average(values, axis=-2, weights=weights)
            means = over_simulators if axis == values.ndim - 1 else np.moveaxis(over_simulators, axis, -1)
            means = means.reshape(-1, size).mean(axis=0)
            parts.append((float(means.var(ddof=1)) / size, size - 1))
    mean = float(np.average(values.reshape(-1, *values.shape[-2:]).mean(axis=(0, 2)), weights=weights))
    variance = sum(part for part, _ in parts)
    if variance == 0:
        return Interval(mean, mean, mean)
    freedom = variance**2 / sum(part**2 / free for part, free in parts)
    from scipy import stats  # it takes longer to import than most commands to run

    half = float(stats.t.ppf(0.975, freedom)) * variance**0.5
    return Interval(mean, mean - half, mean + half)


def _weights(families: Sequence[str], m: int) -> npt.NDArray[np.float64]:
    """(m,) of the simulators in the mean: each family alike, and inside one each simulator."""
    if not families:
        return np.full(m, 1 / m)
    counts = Counter(families)
    return np.array([1 / (len(counts) * counts[family]) for family in families])


def _open_by_family(means: npt.NDArray[np.float64], families: Sequence[str]) -> list[tuple[float, int]]:
    """Variance of the mean of all that simulators of one family leave open, with its degrees of freedom, a part a family."""
    names = np.array(families or ["all"] * len(means))
    parts = []
    for name in sorted(set(names)):
        own = means[names == name]
        if len(own) > 1:
            parts.append((float(own.var(ddof=1)) / len(own) / len(set(names)) ** 2, len(own) - 1))
    return parts
