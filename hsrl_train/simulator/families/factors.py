"""Factors of users and items from logged answers: the fit of the latent user (docs/simulators.md).

    logit(u, i) = a_i + b_u + ⟨t_u, v_i⟩,   (t_u, b_u) ~ N(W profile_u, Λ),   (v_i, a_i) ~ N(B features_i, S)

Expectation–maximisation with Laplace approximations: users given items by two Newton steps, then W and Λ; items given users and how
unsure they are, then B and S. Whoever has few answers stays near what profile or features foretell, so that new users and new items need
no case of their own.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from hsrl_train.simulator.families.family import Progress

Array = npt.NDArray[np.float64]
# Numbers of answers.
Order = npt.NDArray[np.int32] | npt.NDArray[np.int64]

# Widths of 4, 6, 8 and 16 reach a test AUC of .8127, .8132, .8145 and .806 on ML-1M, at a calibration error of .008, .013, .014, .032.
WIDTH = 6
N_ROUNDS = 8
_N_NEWTON = 2
# Answers whose outer products are held at once: 40 MB each.
_ANSWERS_AT_ONCE = 100_000
# Ridge of the regressions on profiles and features, in answers' worth of users or items.
_RIDGE = 10.0
# Likes and refusals at the mean rate that an item's first offset begins with.
_FIRST_WEIGHT = 5.0


class Answers(Protocol):
    """Logged answers of n places; an answer's members are its user and its item."""

    def __len__(self) -> int:
        """N."""
        ...

    def at(self, places: npt.NDArray[np.int64]) -> "Picked":
        """Some of them."""
        ...


class Picked(NamedTuple):
    """Answers at hand.

    Attributes:
        user: row of the profiles.
        item: row of the features.
        liked: 1.0 = liked.
    """

    user: npt.NDArray[np.int64]
    item: npt.NDArray[np.int64]
    liked: Array


@dataclass(frozen=True)
class Factors:
    """What was fitted; w factors and an offset.

    Attributes:
        items: (n, w + 1) v_i and a_i.
        item_covariance: (n, w + 1, w + 1) how unsure they are.
        from_profile: (u + 1, w + 1) W; the last row belongs to a 1.
        user_covariance: (w + 1, w + 1) Λ.
        from_features: (f + 1, w + 1) B; the last row belongs to a 1.
    """

    items: Array
    item_covariance: Array
    from_profile: Array
    user_covariance: Array
    from_features: Array


@dataclass(frozen=True)
class _Known:
    """The answers in the order of one side, with what is known of the other.

        p_i = E[σ(η_i)],   η_i = offset_i + ⟨x_i, z⟩,   x_i and offset_i the factors of answer i's other member

    Taking users at their modes as if these were known makes items' factors too large, since modes lie nearer to one another than users
    do: on ML-1M with thirty answers a user the calibration error was .031 so, and is .017 with users as unsure as they are. Means over
    a normal η are MacKay's, and E[σ(η) x] = E[σ(η)] x̄ + E[σ′(η)] Cov(x, η) is Stein's lemma.

    They are gathered as they are worked through: n times w numbers are more than memory should hold.

    Attributes:
        answers: all.
        order: theirs.
        is_item: whether the other side is that of the items.
        z: (members of the other side, w + 1) factors, and an offset in the last column.
        unsure: (members of the other side, w + 1, w + 1) covariance of their factors (x without its 1, offset); None = they are known.
    """

    answers: Answers
    order: Order
    is_item: bool
    z: Array
    unsure: Array | None = None

    def derivatives(self, rows: slice, z: Array) -> tuple[Array, Array]:
        """Of each answer's log-probability by z, its own member's: (n, w + 1) gradient and (n, w + 1, w + 1) curvature, negative."""
        picked = self.answers.at(self.order[rows].astype(np.int64))
        other = picked.item if self.is_item else picked.user
        x, liked = _with_constant(self.z[other, :-1]), picked.liked
        logit = self.z[other, -1] + np.einsum("nw,nw->n", x, z)
        outer = x[:, :, None] * x[:, None]
        if self.unsure is None:
            p = sigmoid(logit)
            return x * (liked - p)[:, None], outer * (p * (1 - p))[:, None, None]
        covariance = self.unsure[other]
        weights = np.concatenate([z[:, :-1], np.ones((len(z), 1))], axis=1)
        with_logit = np.einsum("nij,nj->ni", covariance, weights)
        flatness = 1 / np.sqrt(1 + np.pi / 8 * np.einsum("ni,ni->n", with_logit, weights))
        p = sigmoid(flatness * logit)
        slope = flatness * p * (1 - p)
        with_logit[:, -1] = 0  # the last input is a 1 for sure
        outer[:, :-1, :-1] += covariance[:, :-1, :-1]
        return x * (liked - p)[:, None] - with_logit * slope[:, None], outer * slope[:, None, None]


@dataclass(frozen=True)
class _Side:
    """One side of the answers, users or items: its members with a normal prior, given the other side.

    Attributes:
        order: the answers, member by member.
        first: where each member's answers begin in that order, with their number as last entry.
    """

    order: Order
    first: npt.NDArray[np.int64]

    @classmethod
    def of(cls, answers: Answers, n: int, *, is_item: bool) -> "_Side":
        """Sorted by counting, some answers at a time; answers of a member stay in their order."""
        counts = np.zeros(n, np.int64)
        for _, picked in _some(answers):
            counts += np.bincount(picked.item if is_item else picked.user, minlength=n)
        first = np.concatenate([[0], counts.cumsum()])
        free = first[:-1].copy()
        order: Order = np.empty(len(answers), np.int32) if len(answers) < 2**31 else np.empty(len(answers), np.int64)
        for places, picked in _some(answers):
            member = picked.item if is_item else picked.user
            sorted_places = np.argsort(member, kind="stable")
            member = member[sorted_places]
            in_run = np.arange(len(member)) - np.searchsorted(member, member)
            order[free[member] + in_run] = places[sorted_places]
            free += np.bincount(member, minlength=n)
        return cls(order, first)

    @property
    def has_answers(self) -> npt.NDArray[np.bool_]:
        return np.diff(self.first) > 0

    def given(self, known: _Known, prior: tuple[Array, Array], start: Array) -> tuple[Array, Array]:
        """Modes and covariances of the members' factors z, from ``start`` on.

        Args:
            known: the answers, in the order of this side.
            prior: means and the covariance they share.
            start: where Newton's steps begin.
        """
        mean, precision = prior[0], np.linalg.inv(prior[1])
        z = start
        for _ in range(_N_NEWTON):
            gradient, curvature = self._derivatives(known, z)
            curvature += precision
            gradient -= (z - mean) @ precision
            z = z + np.linalg.solve(curvature, gradient[..., None])[..., 0]
        return z, np.asarray(np.linalg.inv(curvature), np.float64)

    def _derivatives(self, known: _Known, z: Array) -> tuple[Array, Array]:
        """Sums over each member's answers."""
        width = z.shape[1]
        gradient, curvature = np.zeros((len(z), width)), np.zeros((len(z), width, width))
        members = np.flatnonzero(self.has_answers)
        for some in _in_parts(members, self.first):
            rows = slice(self.first[some[0]], self.first[some[-1] + 1])
            begins = self.first[some] - self.first[some[0]]
            parts = known.derivatives(rows, np.repeat(z[some], np.diff(self.first)[some], axis=0))
            gradient[some], curvature[some] = (np.add.reduceat(part, begins, axis=0) for part in parts)
        return gradient, curvature


def fit_factors(
    answers: Answers, profiles: Array, features: Array, start: Array, progress: Progress | None = None
) -> tuple[Factors, Array]:
    """Fit factors of items and what users are drawn from; also the users' own factors.

    Args:
        answers: n places.
        profiles: (m, u) of users.
        features: (i, f) of items.
        start: (i, w) directions of the items that the fit begins with; they decide its width, and which of the equal turns of the
            factor space it ends in.
        progress: called with (rounds done, rounds) after each.

    Returns:
        The factors, and (m, w + 1) the modes of the users' own, those of users without answers as their profile foretells.
    """
    profiles, features = _with_constant(profiles), _with_constant(features)
    by_user, by_item = _Side.of(answers, len(profiles), is_item=False), _Side.of(answers, len(features), is_item=True)
    items = np.concatenate([start, _log_odds(answers, len(features))[:, None]], axis=1)
    width = items.shape[1]
    users, user_mean, user_covariance = np.zeros((len(profiles), width)), np.zeros((len(profiles), width)), np.eye(width)
    from_features, item_covariance = np.zeros((features.shape[1], width)), np.eye(width)
    for done in range(1, N_ROUNDS + 1):
        seen_by_users = _Known(answers, by_user.order, True, items)
        users, unsure = by_user.given(seen_by_users, (user_mean, user_covariance), users)
        from_profile, user_covariance = _prior(profiles, users, unsure, by_user.has_answers)
        user_mean = profiles @ from_profile
        seen_by_items = _Known(answers, by_item.order, False, users, unsure)
        items, item_unsure = by_item.given(seen_by_items, (features @ from_features, item_covariance), items)
        from_features, item_covariance = _prior(features, items, item_unsure, by_item.has_answers)
        if progress is not None:
            progress(done, N_ROUNDS)
    return Factors(items, item_unsure, from_profile, user_covariance, from_features), users


def _prior(known: Array, z: Array, unsure: Array, has_answers: npt.NDArray[np.bool_]) -> tuple[Array, Array]:
    """The regression of z on what is known, and the covariance about it; of members with answers."""
    x, z = known[has_answers], z[has_answers]
    weights = np.asarray(np.linalg.solve(x.T @ x + _RIDGE * np.eye(x.shape[1]), x.T @ z), np.float64)
    rest = z - x @ weights
    return weights, (rest.T @ rest + unsure[has_answers].sum(axis=0)) / len(z)


def _log_odds(answers: Answers, n_items: int) -> Array:
    """Of each item's likes among its answers, drawn towards the mean of all."""
    shown, liked = np.zeros(n_items), np.zeros(n_items)
    for _, picked in _some(answers):
        shown += np.bincount(picked.item, minlength=n_items)
        liked += np.bincount(picked.item, picked.liked, minlength=n_items)
    mean = liked.sum() / len(answers)
    return np.asarray(np.log((liked + _FIRST_WEIGHT * mean) / (shown - liked + _FIRST_WEIGHT * (1 - mean))))


def _some(answers: Answers) -> Iterator[tuple[npt.NDArray[np.int64], Picked]]:
    """All answers with their places, some at a time."""
    for begin in range(0, len(answers), _ANSWERS_AT_ONCE):
        places = np.arange(begin, min(begin + _ANSWERS_AT_ONCE, len(answers)))
        yield places, answers.at(places)


def _in_parts(members: npt.NDArray[np.int64], first: npt.NDArray[np.int64]) -> list[npt.NDArray[np.int64]]:
    """The members in runs of some ``_ANSWERS_AT_ONCE`` answers; a run is never empty."""
    part = first[members] // _ANSWERS_AT_ONCE
    return np.split(members, np.flatnonzero(np.diff(part)) + 1) if len(members) else []


def _with_constant(rows: Array) -> Array:
    return np.concatenate([rows, np.ones((len(rows), 1))], axis=1)


def sigmoid(logits: Array) -> Array:
    """1 / (1 + e^−x)."""
    return np.asarray(1 / (1 + np.exp(-logits)))
