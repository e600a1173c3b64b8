"""What another policy would have earned, from a log whose propensities are known: IPS, SNIPS and DR (docs/metrics.md).

Only where it is known how probable every shown item was can a log say what other items would have brought. Each place counts as an event
of its own. The formulae are those of the Open Bandit Pipeline (Saito et al., NeurIPS 2021), with intervals by influence functions.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from hsrl_train.evaluation.intervals import Interval
from pipeline.errors import TrainingError

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Logged:
    """n events of a log, and what a policy makes of them.

    Attributes:
        reward: (n,) what each brought.
        propensity: (n,) how probable the shown item was when it was shown, in (0, 1].
        probability: (n,) how probable the policy would make it, in [0, 1].
        user: (n,) whose event it is: users are drawn, and their events with them. The events' own numbers where that is not known.
    """

    reward: Array
    propensity: Array
    probability: Array
    user: npt.NDArray[np.int64]


@dataclass(frozen=True)
class OffPolicy:
    """Estimates of a policy's mean reward an event, each with its 95 % interval.

    Attributes:
        ips: mean of w r with w = probability / propensity: unbiased, and wild where the policy and the log differ.
        snips: Σ w r / Σ w: a little biased, steadier, and within the range of rewards.
        dr: mean of q_π + w (r − q): unbiased if either the propensities or the model of rewards are right; None without a model.
        n_effective: (Σ w)² / Σ w²: how many events of the policy's own would say as much.
        largest_weight: of all; a few large ones are a warning.
        clipped_share: of events whose weight was cut.
    """

    ips: Interval
    snips: Interval
    dr: Interval | None
    n_effective: float
    largest_weight: float
    clipped_share: float


def estimate(logged: Logged, model: tuple[Array, Array] | None = None, clip: float = float("inf")) -> OffPolicy:
    """Estimate what the policy earns.

    Args:
        logged: the events.
        model: of rewards, for DR: (n,) foretold for the shown item, and (n,) its mean over what the policy would show.
        clip: largest weight; smaller ones are steadier and biased towards the log.

    Raises:
        TrainingError: no event, or a propensity that is not in (0, 1].
    """
    n_wrong = int((~((logged.propensity > 0) & (logged.propensity <= 1))).sum())
    if n_wrong or not len(logged.reward):
        raise TrainingError(
            f"off-policy: {n_wrong} of {len(logged.reward)} events have a propensity outside (0, 1], expected some events and none such; "
            "leave out events without a propensity"
        )
    weight = logged.probability / logged.propensity
    clipped_share = float((weight > clip).mean())
    weight = np.minimum(weight, clip)
    total = float(weight.sum())
    if total == 0:
        raise TrainingError(
            f"off-policy: the policy would have shown none of {len(weight)} logged items, expected some; it shares nothing with this log"
        )
    snips = float((weight * logged.reward).sum() / total)
    mean_weight = total / len(weight)
    doubly = None
    if model is not None:
        foretold, of_policy = model
        doubly = _interval(of_policy + weight * (logged.reward - foretold), logged.user)
    return OffPolicy(
        ips=_interval(weight * logged.reward, logged.user),
        # Its influence on a ratio of means: w (r − ratio) / mean(w) about the ratio.
        snips=_interval(snips + weight * (logged.reward - snips) / mean_weight, logged.user),
        dr=doubly,
        n_effective=total**2 / float((weight**2).sum()),
        largest_weight=float(weight.max()),
        clipped_share=clipped_share,
    )


def _interval(values: Array, user: npt.NDArray[np.int64]) -> Interval:
    """Mean of the events with its 95 % interval over users."""
    from scipy import stats  # it takes longer to import than most commands to run

    _, rows = np.unique(user, return_inverse=True)
    mean = float(values.mean())
    by_user = np.bincount(rows, values - mean)
    n_users = len(by_user)
    if n_users < 2:
        raise TrainingError(f"off-policy: events of {n_users} user, expected two users at least for an interval")
    error = float(np.sqrt(n_users / (n_users - 1) * (by_user**2).sum())) / len(values)
    half = float(stats.t.ppf(0.975, n_users - 1)) * error
    return Interval(mean, mean - half, mean + half)
