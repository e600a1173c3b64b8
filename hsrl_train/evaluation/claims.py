"""The rule of claims: when a method may be called better than another (docs/learner.md).

A simulator answers where nobody was ever asked, and what is learned in simulators of one kind learns their errors. So a gain counts if
judges of other kinds see it, none of them at a price, and people's own answers do not speak against it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from hsrl_train.evaluation.intervals import Interval, mean_interval

Array = npt.NDArray[np.float64]
Verdict = Literal[
    "better", "not by every judge", "in its own family only", "no difference shown", "worse in its own family only", "worse"
]

# What a family may take away, as a share of the reference's reward there: smaller differences are of no account.
TOLERANCE = 0.01


@dataclass(frozen=True)
class Compared:
    """A method and a reference in the same simulators, from the same starts with the same luck.

    Attributes:
        method: total rewards, (m, S) or (n, m, S): n seeds of learning, m simulators, S sessions.
        reference: the same for the reference; (1, m, S) or (m, S) where it has one seed.
        families: of the m simulators.
    """

    method: Array
    reference: Array
    families: Sequence[str]

    @property
    def difference(self) -> Interval:
        """method − reference, the mean over families."""
        return mean_interval(self.method - self.reference, self.families)

    @property
    def by_family(self) -> dict[str, float]:
        """Difference in the mean of each family, as a share of the reference's reward there."""
        ours, theirs = (values.reshape(-1, *values.shape[-2:]).mean(axis=(0, 2)) for values in (self.method, self.reference))
        names = np.array(self.families)
        shares = {}
        for name in dict.fromkeys(self.families):
            base = float(theirs[names == name].mean())
            # A reward may be negative, where most of what is shown is refused: its size is what a loss is a share of.
            shares[name] = float((ours - theirs)[names == name].mean()) / max(abs(base), 1e-9)
        return shares


@dataclass(frozen=True)
class Claim:
    """What may be said of a method beside a reference.

    Attributes:
        verdict: the words.
        panel: difference in total reward in the mean over the families that it did not learn in; None where no other family judges.
        worst_family: where its share of the reference is lowest.
        worst_share: that difference, as a share of the reference's reward there.
        own: difference in the family that it learned in; None where that was not played.
        real: metric → difference on people's own answers; empty where there are none.
    """

    verdict: Verdict
    panel: Interval | None
    worst_family: str | None
    worst_share: float | None
    own: Interval | None
    real: Mapping[str, Interval]


def claim(panel: Compared | None, own: Compared | None, real: Mapping[str, Interval], tolerance: float = TOLERANCE) -> Claim:
    """Judge a method.

    It is *better* if all three hold: its interval lies above 0 in the mean over the families of the panel; in no family is its mean
    below the reference's by more than ``tolerance`` of that; and no figure of people's answers has fallen, which is to say that no
    interval of a difference lies below 0 as a whole. If the first holds alone, it is better, but *not by every judge*. It is *worse* if
    the panel's interval lies below 0 as a whole. Else it is better, or worse, *in its own family only* if the interval there lies above,
    or below, 0; without a panel nothing more can be said. Else no difference is shown. What gains at home and loses elsewhere is better
    at home only.

    Args:
        panel: rewards in families that it did not learn in; None where there are none.
        own: rewards in its own.
        real: metric → paired difference, see ``real_answers.paired``.
        tolerance: a share, ≥ 0.
    """
    at_home = None if own is None else own.difference
    if panel is None:
        return Claim(_without_panel(at_home), None, None, None, at_home, dict(real))
    difference, shares = panel.difference, panel.by_family
    worst = min(shares, key=lambda family: shares[family])
    is_honest = shares[worst] >= -tolerance and all(figure.high >= 0 for figure in real.values())
    verdict = _without_panel(at_home)
    if difference.low > 0:
        verdict = "better" if is_honest else "not by every judge"
    elif difference.high < 0 and verdict != "in its own family only":
        verdict = "worse"
    return Claim(verdict, difference, worst, shares[worst], at_home, dict(real))


def _without_panel(at_home: Interval | None) -> Verdict:
    """What the family that was learned in says alone."""
    if at_home is None or at_home.low <= 0 <= at_home.high:
        return "no difference shown"
    return "in its own family only" if at_home.low > 0 else "worse in its own family only"
