"""How sure a mean over simulated users, simulators and seeds is."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True)
class Interval:
    """A mean with the bounds of its 95 % interval."""

    mean: float
    low: float
    high: float


def mean_interval(values: npt.NDArray[np.float64]) -> Interval:
    """Mean of (m, S) values, m simulators by S users, or of (n, m, S), n seeds of learning first, with its interval over all of them.

    Users and, wherever there are several, simulators and seeds are taken as drawn at random, and every user meets every simulator
    and every policy. With a_i the mean of simulator i, b_j that of user j and c_k that of seed k

        se² = var(b) / S + var(a) / m + var(c) / n,

    which errs slightly towards the wide side, and Student's t with Satterthwaite's degrees of freedom. With one simulator (or
    seed) the interval speaks of that one alone; with two or three it is as wide as so few deserve.
    """
    parts = []
    for axis, size in enumerate(values.shape):
        if size > 1:
            means = values.mean(axis=tuple(other for other in range(values.ndim) if other != axis))
            parts.append((float(means.var(ddof=1)) / size, size - 1))
    mean, variance = float(values.mean()), sum(part for part, _ in parts)
    if variance == 0:
        return Interval(mean, mean, mean)
    freedom = variance**2 / sum(part**2 / free for part, free in parts)
    from scipy import stats  # it takes longer to import than most commands to run

    half = float(stats.t.ppf(0.975, freedom)) * variance**0.5
    return Interval(mean, mean - half, mean + half)
