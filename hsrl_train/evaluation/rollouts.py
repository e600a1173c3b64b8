"""Judging policies by whole sessions with simulated users (docs/protocol.md)."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import numpy.typing as npt
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from hsrl_train.data.world import PADDING, Catalogue, Policy, State
from hsrl_train.evaluation.exposure import gini
from hsrl_train.evaluation.intervals import Interval, mean_interval
from hsrl_train.learner.decoding import seen
from hsrl_train.simulator.config import EnvironmentConfig
from hsrl_train.simulator.environment import Environment, Sessions
from pipeline.errors import TrainingError

# Sessions played at once; bounds the memory of policies that score a whole catalogue.
SESSIONS_AT_ONCE = 500


@dataclass(frozen=True)
class Rollouts:
    """What one policy did in m simulators, each from the same S starts.

    Attributes:
        name: of the row.
        k: length of a slate.
        rewards: (m, S) float64, sum of a session's rewards.
        depths: (m, S) int64, slates a session lasted.
        exposure: (n_active,) int64, how often each active item was shown, all simulators together.
        n_unsupported: shown places without support in the log: what the user was shown before though the log shows nobody an item
            twice, and what the log never showed anybody.
        families: of the m simulators; empty where all are of one.
    """

    name: str
    k: int
    rewards: npt.NDArray[np.float64]
    depths: npt.NDArray[np.int64]
    exposure: npt.NDArray[np.int64]
    n_unsupported: int = 0
    families: tuple[str, ...] = ()


@dataclass(frozen=True)
class SharedStarts:
    """What every policy that is compared meets alike.

    Attributes:
        states: S states in which sessions begin; every simulator begins in all of them.
        k: length of a slate.
        catalogue: what may be shown.
        seed: of the users' luck and of whatever is random about a policy.
        is_logged: true where the log showed an item to anybody; None where that does not count as support.
        log_shows_once: whether the log shows nobody an item twice, so that a session that does has no support there.
    """

    states: State
    k: int
    catalogue: Catalogue
    seed: int
    is_logged: Bool[Tensor, " n_plus_1"] | None = None
    log_shows_once: bool = False


@dataclass(frozen=True)
class Evaluation:
    """A row of the results.

    Attributes:
        name: the policy.
        n_simulators: m.
        n_sessions: S, in each simulator.
        total_reward: mean sum of rewards of a session.
        total_reward_sd: standard deviation of that sum over all m · S sessions.
        ci_low: lower bound of the mean, over users and simulators; see ``mean_interval``.
        ci_high: upper bound.
        depth: mean count of slates.
        user_reward_variance: variance over the S users of their mean total reward.
        distinct_items: active items shown at least once.
        gini: of exposure over the active items; 0 = all alike, near 1 = a few get all.
        unsupported_share: of the shown places, in [0, 1]; see ``Rollouts.n_unsupported``.
        temper_law: (1 + K) · depth − K · total_reward, the patience that a session spent. Who left spent more than temper0 − 1; who
            was stopped after max_steps slates spent at least max_steps (sql/audits/temper_law.sql states it for means).
    """

    name: str
    n_simulators: int
    n_sessions: int
    total_reward: float
    total_reward_sd: float
    ci_low: float
    ci_high: float
    depth: float
    user_reward_variance: float
    distinct_items: int
    gini: float
    unsupported_share: float
    temper_law: float


def evaluate(
    name: str,
    policies: Sequence[Policy],
    environments: Sequence[Environment],
    starts: SharedStarts,
    progress: Callable[[int, int], None] | None = None,
) -> Rollouts:
    """Play whole sessions with each policy in its environment.

    Two calls with the same ``starts`` meet the same users with the same luck, so that what differs is the policies'.

    Args:
        name: of the row.
        policies: as many as environments; mostly the same policy, but an oracle knows a single simulator only.
        environments: the m evaluation simulators.
        starts: S states, slate length, items and seed.
        progress: called with (sessions that are over, m · S) after every slate.

    Raises:
        TrainingError: a slate repeats an item, or shows an inactive one.
    """
    n_starts = len(starts.states.history)
    tally = _Tally(np.zeros(len(starts.catalogue.is_active), dtype=np.int64))
    n_over, n_sessions = 0, len(environments) * n_starts
    outcomes = []
    for policy, environment in zip(policies, environments, strict=True):
        generator = torch.Generator().manual_seed(starts.seed)
        luck = torch.rand(n_starts, environment.config.max_steps, starts.k, generator=generator)
        # All at once and by a generator of their own: whoever is played meets the same users.
        sessions = environment.start(starts.states, torch.Generator().manual_seed(starts.seed))
        choose = partial(_showable_slates, name, policy, starts, generator, environment.config)
        for rows in torch.arange(n_starts).split(SESSIONS_AT_ONCE):
            count = None if progress is None else partial(_count, progress, n_over, n_sessions)
            outcomes.append(_play(choose, environment, sessions.select(rows), luck[rows], partial(tally.add, starts), count))
            n_over += len(rows)
    rewards, depths = (np.concatenate(part).reshape(len(environments), -1) for part in zip(*outcomes, strict=True))
    return Rollouts(name, starts.k, rewards, depths, tally.exposure[starts.catalogue.is_active.numpy()], tally.n_unsupported)


@dataclass
class _Tally:
    """What was shown, counted on the way.

    Attributes:
        exposure: (n + 1,) how often each item was shown.
        n_unsupported: see ``Rollouts``.
    """

    exposure: npt.NDArray[np.int64]
    n_unsupported: int = 0

    def add(self, starts: SharedStarts, state: State, slate: Int[Tensor, "b k"]) -> None:
        """Count a slate a user, before it is answered."""
        self.exposure += np.bincount(slate.flatten().numpy(), minlength=len(self.exposure))
        has_none = torch.zeros_like(slate, dtype=torch.bool) if starts.is_logged is None else ~starts.is_logged[slate]
        if starts.log_shows_once:
            has_none |= shown_before(state, slate)
        self.n_unsupported += int(has_none.sum())


def _count(progress: Callable[[int, int], None], n_before: int, n_sessions: int, n_over: int) -> None:
    progress(n_before + n_over, n_sessions)


def _play(
    choose: Callable[[State], Int[Tensor, "b k"]],
    environment: Environment,
    sessions: Sessions,
    luck: Float[Tensor, "b steps k"],
    tally: Callable[[State, Int[Tensor, "b k"]], None],
    count: Callable[[int], None] | None,
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.int64]]:
    """Sum of rewards (b,) and slates (b,) of whole sessions."""
    b = len(luck)
    reward, depth = torch.zeros(b, dtype=torch.float64), torch.zeros(b, dtype=torch.int64)
    running = torch.arange(b)
    while len(running):
        slate = choose(sessions.state)
        tally(sessions.state, slate)
        step = environment.step(sessions, slate, luck[running, sessions.n_steps])
        reward[running] += step.reward
        depth[running] += 1
        running, sessions = running[~step.done], step.sessions.select(~step.done)
        if count is not None:
            count(b - len(running))
    return reward.numpy(), depth.numpy()


def shown_before(state: State, slate: Int[Tensor, "b k"]) -> Bool[Tensor, "b k"]:
    """Which places of a slate hold what the user liked or was shown before, as far as his state remembers it."""
    is_there: Bool[Tensor, "b k"] = (slate[:, :, None] == seen(state)[:, None]).any(dim=2)
    return is_there


def _showable_slates(
    name: str, policy: Policy, starts: SharedStarts, generator: torch.Generator, config: EnvironmentConfig, state: State
) -> Int[Tensor, "b k"]:
    """The policy's slates; TrainingError where they are none that may be shown."""
    slate = policy.slates(state, starts.k, generator)
    has_repeat = (slate.sort(dim=1).values.diff(dim=1) == 0).any(dim=1)
    is_wrong = has_repeat | ~starts.catalogue.is_active[slate].all(dim=1)
    if is_wrong.any():
        raise TrainingError(
            f"{name}: {int(is_wrong.sum())} of {len(slate)} slates repeat an item or show an inactive one, "
            f"expected {slate.shape[1]} different active items; mend the policy"
        )
    if config.repeats == "never":
        _require_new(name, slate, state, starts.catalogue)
    return slate


def _require_new(name: str, slate: Int[Tensor, "b k"], state: State, catalogue: Catalogue) -> None:
    """TrainingError where a slate shows something again while enough was never shown."""
    n_again = shown_before(state, slate).sum(dim=1)
    n_showable = int((catalogue.is_active & (catalogue.tokens >= 0).all(dim=1)).sum())
    has_enough = n_showable - (seen(state) != PADDING).sum(dim=1) >= slate.shape[1]  # errs on the side of the policy
    if ((n_again > 0) & has_enough).any():
        raise TrainingError(
            f"{name}: {int(n_again[has_enough].sum())} of {slate.numel()} places show what the user was shown before, "
            "expected none where [environment] repeats is never; set leaves_out_seen in [learner.decoding], or mend the policy"
        )


def summarise(played: Rollouts) -> Evaluation:
    """Reduce a policy's sessions to its row of the results."""
    interval = mean_interval(played.rewards, played.families)
    depth = float(played.depths.mean())
    return Evaluation(
        name=played.name,
        n_simulators=played.rewards.shape[0],
        n_sessions=played.rewards.shape[1],
        total_reward=interval.mean,
        total_reward_sd=float(played.rewards.std(ddof=1)),
        ci_low=interval.low,
        ci_high=interval.high,
        depth=depth,
        user_reward_variance=float(played.rewards.mean(axis=0).var(ddof=1)),
        distinct_items=int((played.exposure > 0).sum()),
        gini=gini(played.exposure),
        unsupported_share=played.n_unsupported / int(played.exposure.sum()),
        temper_law=(1 + played.k) * depth - played.k * interval.mean,
    )


def paired_difference(a: Rollouts, b: Rollouts) -> Interval:
    """a − b in total reward, session by session: same simulator, same start, same luck.

    Raises:
        ValueError: they were not played in as many simulators from as many starts.
    """
    if a.rewards.shape != b.rewards.shape:
        raise ValueError(f"{a.name} has (simulators, sessions) {a.rewards.shape}, {b.name} {b.rewards.shape}")
    return mean_interval(a.rewards - b.rewards, a.families)
