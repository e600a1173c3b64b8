"""How sure a mean over simulated users is."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import stats


@dataclass(frozen=True)
class Interval:
    """A mean with the bounds of its 95 % interval."""

    mean: float
    low: float
    high: float


def mean_interval(values: npt.NDArray[np.float64]) -> Interval:
    """Mean of (m, S) values, m simulators by S users, with its interval over both.

    Users and, from m = 2 on, simulators are taken as drawn at random; every user meets every simulator. With a_i the mean of
    simulator i and b_j that of user j

        se² = var(b) / S + var(a) / m,

    which errs slightly towards the wide side, and Student's t with Satterthwaite's degrees of freedom. With m = 1 the interval
    speaks of that simulator alone; with m = 2 or 3 it is as wide as so few simulators deserve.
    """
    m, s = values.shape
    parts = [(float(values.mean(axis=0).var(ddof=1)) / s, s - 1)]
    if m > 1:
        parts.append((float(values.mean(axis=1).var(ddof=1)) / m, m - 1))
    mean, variance = float(values.mean()), sum(part for part, _ in parts)
    if variance == 0:
        return Interval(mean, mean, mean)
    freedom = variance**2 / sum(part**2 / free for part, free in parts)
    half = float(stats.t.ppf(0.975, freedom)) * variance**0.5
    return Interval(mean, mean - half, mean + half)
