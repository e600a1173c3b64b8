"""An A/B test, read out as a product team would: lift with its interval, CUPED, guard rails, and how long a test has to be."""

from bisect import bisect_left
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pipeline.errors import TrainingError

Users = npt.NDArray[np.float64]
Days = npt.NDArray[np.float64]
LEVEL, POWER = 0.05, 0.8
LONGEST = 365  # days that a test may be planned for


@dataclass(frozen=True)
class Lift:
    """What the treatment changes in the mean of a metric a user, with its 95 % interval.

    Attributes:
        metric: its name.
        control: mean over the users of the control.
        difference: treatment less control.
        low: lower bound of the difference.
        high: upper bound.
        p_value: two-sided, Welch's t test.
        variance_left: what CUPED left of the variance, in [0, 1]; 1 where nothing was taken out.
    """

    metric: str
    control: float
    difference: float
    low: float
    high: float
    p_value: float
    variance_left: float

    @property
    def relative(self) -> float:
        """Difference as a share of the control's mean; NaN where that is 0."""
        return self.difference / self.control if self.control else float("nan")


def lift(metric: str, control: Users, treatment: Users, before: tuple[Users, Users] | None = None) -> Lift:
    """Compare two groups of users, a number for each.

    Args:
        metric: its name.
        control: of users who met what there was.
        treatment: of users who met what is new.
        before: of the same users, what the metric was before the test, control and treatment. CUPED (Deng et al., WSDM 2013) takes
            out of every number what that foretells, θ (before − mean), θ = cov / var over all users: the difference stays unbiased and
            its interval narrows by the correlation.

    Raises:
        TrainingError: a group has fewer than two users.
    """
    from scipy import stats  # it takes longer to import than most commands to run

    if min(len(control), len(treatment)) < 2:
        raise TrainingError(
            f"A/B test: {len(control)} and {len(treatment)} users came, expected two at least in each arm; raise --traffic or --days"
        )
    mean, left = float(control.mean()), 1.0
    if before is not None:
        control, treatment, left = _adjusted(control, treatment, *before)
    found = stats.ttest_ind(treatment, control, equal_var=False)
    low, high = found.confidence_interval(1 - LEVEL)
    return Lift(metric, mean, float(treatment.mean() - control.mean()), float(low), float(high), float(found.pvalue), left)


def _adjusted(control: Users, treatment: Users, control_before: Users, treatment_before: Users) -> tuple[Users, Users, float]:
    now, then = np.concatenate([control, treatment]), np.concatenate([control_before, treatment_before])
    spread = float(then.var())
    if not spread:
        return control, treatment, 1.0
    theta = float(np.cov(now, then, ddof=0)[0, 1]) / spread
    centre = float(then.mean())
    control, treatment = control - theta * (control_before - centre), treatment - theta * (treatment_before - centre)
    left = float(np.concatenate([control, treatment]).var() / now.var()) if now.var() else 1.0
    return control, treatment, left


@dataclass(frozen=True)
class Spread:
    """How much users differ in a metric: the same users come every day, so that a longer test averages their days and nothing else.

    Attributes:
        between: variance of what a user is in the long run.
        within: variance of a user's day about that.
    """

    between: float
    within: float

    def of_mean(self, n_days: int) -> float:
        """Standard deviation over users of the mean of their days."""
        return float(np.sqrt(self.between + self.within / n_days))


def spread_of(days: Days, variance_left: float = 1.0) -> Spread:
    """What a finished test tells of the spread.

    Args:
        days: (D, n), a number for each day and user. With one day all of it is taken to be between users, so that no longer test helps.
        variance_left: what CUPED left of the variance of the users' means.
    """
    n_days = len(days)
    within = float(days.var(axis=0, ddof=1).mean()) if n_days > 1 else 0.0
    between = float(days.mean(axis=0).var(ddof=1)) * variance_left - within / n_days
    return Spread(max(between, 0.0), within)


def days_needed(spread: Spread, difference: float, n_users: int) -> int | None:
    """Days after which ``n_users`` in each arm find a difference as ``users_needed`` has it; None where ``LONGEST`` do not do.

    Raises:
        ValueError: the difference is 0.
    """

    def is_enough(n_days: int) -> bool:
        return users_needed(spread.of_mean(n_days), difference) <= n_users

    if not is_enough(LONGEST):
        return None
    return bisect_left(range(1, LONGEST), True, key=is_enough) + 1


def users_needed(standard_deviation: float, difference: float) -> int:
    """Users in each arm that find a difference with 80 % power at 5 %, two-sided, by the power of the t test (non-central t).

    Raises:
        ValueError: the difference is 0, which no number finds.
    """
    if not difference:
        raise ValueError("no number of users finds a difference of 0")
    if not standard_deviation:
        return 2
    from scipy import optimize, stats

    effect = abs(difference) / standard_deviation

    def short_of(n: float) -> float:
        freedom, shift = 2 * n - 2, effect * (n / 2) ** 0.5
        edge = stats.t.ppf(1 - LEVEL / 2, freedom)
        # The wrong side has no probability to speak of where the right one has some.
        return float(stats.nct.sf(edge, freedom, shift)) - POWER

    # The normal approximation is a few users short; twice it and some more is enough.
    about = 2 * ((stats.norm.ppf(1 - LEVEL / 2) + stats.norm.ppf(POWER)) / effect) ** 2
    if short_of(2.0) >= 0:
        return 2
    return int(np.ceil(optimize.brentq(short_of, 2.0, 2 * about + 10)))
