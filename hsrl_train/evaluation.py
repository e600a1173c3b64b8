"""Judging policies by whole sessions with simulated users (DESIGN §7)."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from jaxtyping import Int
from scipy import stats
from torch import Tensor

from hsrl_train.environment import Environment
from hsrl_train.exposure import gini
from hsrl_train.world import Catalogue, Policy, Records, State, states_of
from pipeline.errors import TrainingError

# Sessions played at once; bounds the memory of policies that score a whole catalogue.
SESSIONS_AT_ONCE = 500


@dataclass(frozen=True)
class Played:
    """What one policy did in m simulators, each from the same S starts.

    Attributes:
        name: of the row.
        k: length of a slate.
        rewards: (m, S) float64, sum of a session's rewards.
        depths: (m, S) int64, slates a session lasted.
        exposure: (n_active,) int64, how often each active item was shown, all simulators together.
    """

    name: str
    k: int
    rewards: npt.NDArray[np.float64]
    depths: npt.NDArray[np.int64]
    exposure: npt.NDArray[np.int64]


@dataclass(frozen=True)
class Interval:
    """A mean with the bounds of its 95 % interval."""

    mean: float
    low: float
    high: float


@dataclass(frozen=True)
class Evaluation:
    """A row of the results.

    Attributes:
        name: the policy.
        n_simulators: m.
        n_sessions: S, in each simulator.
        total_reward: mean sum of rewards of a session.
        sd: standard deviation of that sum over all m · S sessions.
        ci95_low: lower bound of the mean, over sessions and simulators; see :func:`mean_interval`.
        ci95_high: upper bound.
        depth: mean count of slates.
        user_reward_variance: variance over the S users of their mean total reward.
        distinct_items: active items shown at least once.
        gini: of exposure over the active items; 0 = all alike, near 1 = a few get all.
        spent_temper: (1 + K) · depth − K · total_reward; by the rule of leaving it lies above temper0 − 1.
    """

    name: str
    n_simulators: int
    n_sessions: int
    total_reward: float
    sd: float
    ci95_low: float
    ci95_high: float
    depth: float
    user_reward_variance: float
    distinct_items: int
    gini: float
    spent_temper: float


def sample_starts(records: Records, n: int, seed: int) -> State:
    """Draw n states to begin sessions in from the test records.

    Every user gives one before any gives a second. With fewer than n test records the same come round again: their sessions differ
    by luck alone.

    Raises:
        TrainingError: there is no test record.
    """
    return states_of(records.select(_spread_over_users(records, ~records.is_train, n, seed, "test")))


def sample_training_states(records: Records, n: int, seed: int) -> State:
    """The same from the training records, for choices that must not see the test."""
    return states_of(records.select(_spread_over_users(records, records.is_train, n, seed, "training")))


def _spread_over_users(records: Records, wanted: Tensor, n: int, seed: int, kind: str) -> Tensor:
    rows = wanted.nonzero().squeeze(1).numpy()
    if not len(rows):
        raise TrainingError(f"evaluation: 0 of {len(records.user)} records are {kind} records, expected some; check the split")
    rows = np.random.default_rng(seed).permutation(rows)
    users = records.user.numpy()[rows]
    order = np.argsort(users, kind="stable")
    is_first = np.concatenate([[True], np.diff(users[order]) != 0])
    begins = np.maximum.accumulate(np.where(is_first, np.arange(len(rows)), 0))
    turn = np.empty(len(rows), dtype=np.int64)
    turn[order] = np.arange(len(rows)) - begins
    return torch.from_numpy(rows[np.argsort(turn, kind="stable")][np.arange(n) % len(rows)])


def evaluate(
    name: str,
    policies: Sequence[Policy],
    environments: Sequence[Environment],
    starts: State,
    k: int,
    catalogue: Catalogue,
    seed: int,
    progress: Callable[[int, int], None] | None = None,
) -> Played:
    """Play whole sessions with each policy in its environment.

    Two calls with the same starts, k and seed meet the same users with the same luck, so that their difference is the policies'.

    Args:
        name: of the row.
        policies: one for each environment; mostly the same one, but an oracle knows one simulator only.
        environments: the m evaluation simulators.
        starts: S states; every simulator begins in all of them.
        k: length of a slate.
        catalogue: what may be shown.
        seed: of the users' luck and of whatever is random about a policy.
        progress: told (sessions over, sessions in all) now and then.

    Raises:
        TrainingError: a slate repeats an item, or shows an inactive one.
    """
    n_starts = len(starts.history)
    rewards, depths, exposure = [], [], np.zeros(len(catalogue.is_active), dtype=np.int64)
    for policy, environment in zip(policies, environments, strict=True):
        generator = torch.Generator().manual_seed(seed)
        luck = torch.rand(n_starts, environment.config.max_steps, k, generator=generator)
        reward, depth = torch.zeros(n_starts, dtype=torch.float64), torch.zeros(n_starts, dtype=torch.int64)
        for rows in torch.arange(n_starts).split(SESSIONS_AT_ONCE):
            sessions = environment.start(State(starts.profile[rows], starts.history[rows]))
            while len(rows):
                slate = policy.slates(sessions.state, k, generator)
                _check_slate(name, slate, catalogue)
                step = environment.step(sessions, slate, luck[rows, sessions.n_steps])
                reward[rows] += step.reward
                depth[rows] += 1
                exposure += np.bincount(slate.flatten().numpy(), minlength=len(exposure))
                rows, sessions = rows[~step.done], step.sessions.select(~step.done)
            if progress is not None:
                progress(len(rewards) * n_starts + int((depth > 0).sum()), len(environments) * n_starts)
        rewards.append(reward.numpy())
        depths.append(depth.numpy())
    return Played(name, k, np.stack(rewards), np.stack(depths), exposure[catalogue.is_active.numpy()])


def _check_slate(name: str, slate: Int[Tensor, "b k"], catalogue: Catalogue) -> None:
    has_repeat = (slate.sort(dim=1).values.diff(dim=1) == 0).any(dim=1)
    is_wrong = has_repeat | ~catalogue.is_active[slate].all(dim=1)
    if is_wrong.any():
        raise TrainingError(
            f"{name}: {int(is_wrong.sum())} of {len(slate)} slates repeat an item or show an inactive one, expected different active items"
        )


def summarise(played: Played) -> Evaluation:
    """Reduce a policy's sessions to its row of the results."""
    interval = mean_interval(played.rewards)
    depth = float(played.depths.mean())
    return Evaluation(
        name=played.name,
        n_simulators=played.rewards.shape[0],
        n_sessions=played.rewards.shape[1],
        total_reward=interval.mean,
        sd=float(played.rewards.std(ddof=1)),
        ci95_low=interval.low,
        ci95_high=interval.high,
        depth=depth,
        user_reward_variance=float(played.rewards.mean(axis=0).var(ddof=1)),
        distinct_items=int((played.exposure > 0).sum()),
        gini=gini(played.exposure),
        spent_temper=(1 + played.k) * depth - played.k * interval.mean,
    )


def paired_difference(a: Played, b: Played) -> Interval:
    """a − b in total reward, session by session: same simulator, same start, same luck.

    Raises:
        ValueError: they were not played in as many simulators from as many starts.
    """
    if a.rewards.shape != b.rewards.shape:
        raise ValueError(f"{a.name} has (simulators, sessions) {a.rewards.shape}, {b.name} {b.rewards.shape}")
    return mean_interval(a.rewards - b.rewards)


def mean_interval(values: npt.NDArray[np.float64]) -> Interval:
    """Mean of (m, S) values with its 95 % interval over users and, from two on, simulators.

    Users and simulators are both taken as drawn at random and every user meets every simulator. So, with a_i the mean of simulator i and
    b_j that of user j,

        se² = var(b) / S + var(a) / m,

    which errs slightly towards the wide side, and Student's t with Satterthwaite's degrees of freedom. With m = 1 the interval speaks of
    that simulator alone; with m = 2 or 3 it is as wide as so few simulators deserve.
    """
    m, s = values.shape
    parts = [(float(values.mean(axis=0).var(ddof=1)) / s, s - 1)]
    if m > 1:
        parts.append((float(values.mean(axis=1).var(ddof=1)) / m, m - 1))
    variance = sum(part for part, _ in parts)
    mean = float(values.mean())
    if variance == 0:
        return Interval(mean, mean, mean)
    freedom = variance**2 / sum(part**2 / free for part, free in parts)
    half = float(stats.t.ppf(0.975, freedom)) * variance**0.5
    return Interval(mean, mean - half, mean + half)
