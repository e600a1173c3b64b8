"""Judging a policy by people's own answers: the slates of the test split as they were logged, without any simulator.

A session cannot be replayed from a log, but a ranking can: of the items that a user was shown, a good policy scores those higher that he
liked. What is drawn is a user; his slates stand or fall together, so that every interval is over users.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt
import torch
from jaxtyping import Float, Int
from torch import Tensor

from hsrl_train.data.world import Records, State, states_of
from hsrl_train.evaluation.intervals import Interval
from hsrl_train.simulator.fit import calibration_error
from pipeline.errors import TrainingError

Array = npt.NDArray[np.float64]
Matrix = npt.NDArray[np.float64]

# Places that NDCG counts.
TOP = 10
AUC, NDCG, NDCG_LATER, ECE = "auc_in_slate", "ndcg_in_slate", "ndcg_of_later_items", "ece_of_scores"
METRICS = (AUC, NDCG, NDCG_LATER)
# Slates scored at once.
_SLATES_AT_ONCE = 2_000


class Scorer(Protocol):
    """Whatever gives an item a number for a user: higher = rather shown."""

    def scores(self, state: State, items: Int[Tensor, "b j"]) -> Float[Tensor, "b j"]:
        """Of each item for each of b users."""
        ...


@dataclass(frozen=True)
class RealAnswers:
    """How a policy ranks what users were really shown.

    Attributes:
        name: of the policy.
        figures: metric → (users, 2) sum over each user's slates that can tell, and how many they are; the users with a test slate, by row
            of ``Records.profiles``.
        ece: calibration error of σ(score) against the answers; None where scores are no log-odds of a like.
        n_slates: that were scored.
    """

    name: str
    figures: dict[str, Array]
    ece: float | None
    n_slates: int

    def interval(self, metric: str) -> Interval | None:
        """Mean over slates with its 95 % interval; None where fewer than two users have slates that can tell, as with slates of one."""
        return _over_slates(self.figures[metric])

    def n_users(self, metric: str) -> int:
        """Users whose slates can tell."""
        return int((self.figures[metric][:, 1] > 0).sum())


def judge_real_answers(name: str, policy: Scorer, test: Records, memory: int, *, are_log_odds: bool = True) -> RealAnswers:
    """Score every test slate from the state before it.

        AUC in the slate: chance that a liked item scores above a refused one of the same slate, ties half
        NDCG in the slate: DCG@10 of the slate's items in the order of their scores, over that of the best order
        NDCG of later items: the same over all items of the user's test slates, scored from the state before the first

    Args:
        name: of the policy.
        policy: what scores.
        test: records of the test split, by user and position.
        memory: shown items that its states remember.
        are_log_odds: whether scores are meant as log-odds of a like, so that calibration says something.

    Raises:
        TrainingError: there is no test record.
    """
    if not len(test):
        raise TrainingError("real answers: 0 records of the test split, expected some; check the split")
    scores = _scored(policy, test, test.exposed, memory)
    liked = test.feedback.double().numpy()
    users, rows = np.unique(test.user.numpy(), return_inverse=True)
    some = [slice(begin, begin + _SLATES_AT_ONCE) for begin in range(0, len(liked), _SLATES_AT_ONCE)]
    of_slates = (np.concatenate([figure(scores[part], liked[part]) for part in some]) for figure in (auc_in_slates, ndcg))
    figures = {
        **{metric: _by_user(values, rows, len(users)) for metric, values in zip((AUC, NDCG), of_slates, strict=True)},
        NDCG_LATER: _later(policy, test, rows, memory),
    }
    p = torch.sigmoid(torch.from_numpy(scores)).numpy()
    ece = calibration_error(p.ravel(), liked.ravel()) if are_log_odds else None
    return RealAnswers(name, figures, ece, len(liked))


def paired(a: RealAnswers, b: RealAnswers, metric: str) -> Interval | None:
    """a − b, user by user, with its 95 % interval; both were judged on the same slates. None where too few users can tell."""
    sums, counts = (a.figures[metric] - b.figures[metric])[:, 0], a.figures[metric][:, 1]
    return _over_slates(np.column_stack([sums, counts]))


def mean_of(judged: Sequence[RealAnswers]) -> RealAnswers:
    """Several seeds of one method as if they were one policy: user by user the mean over seeds, of the same slates."""
    first = judged[0]
    figures = {
        metric: np.column_stack([np.mean([answers.figures[metric][:, 0] for answers in judged], axis=0), counted[:, 1]])
        for metric, counted in first.figures.items()
    }
    errors = [answers.ece for answers in judged if answers.ece is not None]
    return RealAnswers(first.name, figures, float(np.mean(errors)) if errors else None, first.n_slates)


def auc_in_slates(scores: Matrix, liked: Matrix) -> Array:
    """(N,) of N slates of k items; NaN where all answers of a slate are alike."""
    above = scores[:, :, None] - scores[:, None]
    is_pair = (liked[:, :, None] > liked[:, None]).astype(np.float64)
    n_pairs = is_pair.sum(axis=(1, 2))
    won = ((above > 0) * is_pair + 0.5 * (above == 0) * is_pair).sum(axis=(1, 2))
    return np.where(n_pairs > 0, won / np.maximum(n_pairs, 1), np.nan)


def ndcg(scores: Matrix, liked: Matrix) -> Array:
    """(N,) NDCG@10 of N lists of k items, equal scores sharing their places; NaN where nothing was liked."""
    k = scores.shape[1]
    discount = np.where(np.arange(k) < TOP, 1 / np.log2(np.arange(k) + 2), 0.0)
    order = np.argsort(-scores, axis=1, kind="stable")
    ranked = np.take_along_axis(scores, order, axis=1)
    # Items of equal score have the mean discount of the places they take together: their order in the list tells nothing.
    group = np.cumsum(np.diff(ranked, axis=1, prepend=np.inf) != 0, axis=1) + k * np.arange(len(scores))[:, None]
    sums = np.bincount(group.ravel(), np.broadcast_to(discount, scores.shape).ravel())
    shared = (sums / np.maximum(np.bincount(group.ravel()), 1))[group]
    gained = (np.take_along_axis(liked, order, axis=1) * shared).sum(axis=1)
    best = (-np.sort(-liked, axis=1) * discount).sum(axis=1)
    return np.where(best > 0, gained / np.where(best > 0, best, 1.0), np.nan)


def _scored(policy: Scorer, records: Records, items: Int[Tensor, "N j"], memory: int) -> Matrix:
    """(N, j) scores from the states before the records' slates."""
    parts = []
    with torch.no_grad():
        for rows in torch.arange(len(records)).split(_SLATES_AT_ONCE):
            parts.append(policy.scores(states_of(records.select(rows), memory), items[rows]))
    return np.asarray(torch.cat(parts).double().numpy())


def _later(policy: Scorer, test: Records, rows: npt.NDArray[np.int64], memory: int) -> Matrix:
    """(users, 2) NDCG@10 of all that each user was shown in his test slates, scored from the state before the first of them."""
    k, starts = test.k, np.flatnonzero(np.diff(rows, prepend=-1))
    counts = np.diff(np.append(starts, len(rows)))
    first = test.select(torch.from_numpy(starts))
    found = np.full(len(starts), np.nan)
    for n_slates in np.unique(counts):  # users with as many slates have matrices of one shape
        members = np.flatnonzero(counts == n_slates)
        places = torch.from_numpy(starts[members][:, None] + np.arange(n_slates))
        items, liked = test.exposed[places].reshape(-1, n_slates * k), test.feedback[places].reshape(-1, n_slates * k)
        scores = _scored(policy, first.select(torch.from_numpy(members)), items, memory)
        found[members] = ndcg(scores, liked.double().numpy())
    return _by_user(found, np.arange(len(found)), len(found))


def _by_user(values: Array, rows: npt.NDArray[np.int64], n_users: int) -> Matrix:
    """(users, 2) sums of the values that are numbers, and how many they are."""
    is_there = np.isfinite(values)
    sums = np.bincount(rows[is_there], values[is_there], minlength=n_users)
    return np.column_stack([sums, np.bincount(rows[is_there], minlength=n_users)])


def _over_slates(figures: Matrix) -> Interval | None:
    """Σ sums / Σ counts, a ratio of two sums over users, with its 95 % interval: users are drawn, and their slates with them."""
    sums, counts = figures[figures[:, 1] > 0].T
    if len(sums) < 2:
        return None
    mean = float(sums.sum() / counts.sum())
    error = (sums - mean * counts).std(ddof=1) * len(sums) ** 0.5 / counts.sum()
    from scipy import stats  # it takes longer to import than most commands to run

    half = float(stats.t.ppf(0.975, len(sums) - 1) * error)
    return Interval(mean, mean - half, mean + half)
