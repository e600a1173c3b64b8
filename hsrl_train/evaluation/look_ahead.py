"""The look-ahead oracle: greedy by true probability plus what each item is worth later (docs/measurements.md)."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from hsrl_train.data.world import Catalogue, ResponseModel, State
from hsrl_train.evaluation.baselines import best_unseen, mean_probabilities
from hsrl_train.evaluation.config import LookAheadConfig
from hsrl_train.evaluation.rollouts import SharedStarts
from hsrl_train.learner.cross_entropy import cross_entropy_search
from hsrl_train.simulator.environment import Environment

N_DIRECTIONS = 16
# States that the directions are taken from, each with its logit for every item.
N_STATES = 500
# The check of what was found against greedy takes this many times the sessions of a candidate.
N_CHECKS = 4


@dataclass(frozen=True)
class LookAheadOracle:
    """The K items of highest probability + bonus, by the mean over the models.

    Attributes:
        models: what it knows; one that judges, or those that policies learn in.
        bonus: (n + 1,) what showing an item is worth beyond this slate, as if it were probability.
        forbids_repeats: whether what the user was shown before comes last.
    """

    models: tuple[ResponseModel, ...]
    bonus: Float[Tensor, " n_plus_1"]
    forbids_repeats: bool = False

    def slates(self, state: State, k: int, generator: torch.Generator) -> Int[Tensor, "b k"]:
        """The K best active items; nothing is random."""
        scores = mean_probabilities(self.models, state) + self.bonus
        return best_unseen(scores, state, k, forbids_repeats=self.forbids_repeats)


def search_look_ahead(
    models: Sequence[ResponseModel],
    environment: Environment,
    starts: SharedStarts,
    config: LookAheadConfig,
    progress: Callable[[int, int], None] | None = None,
) -> LookAheadOracle:
    """Find the bonus by cross-entropy search: whole sessions from the training starts, the best fifth of the candidates kept.

    The bonus is linear in the leading directions of what users ask for: so few coordinates can be found with few sessions. At the end
    it is kept only if it beats greedy on fresh sessions.

    Args:
        models: what the oracle knows.
        environment: where it is searched; of the same models.
        starts: states of training records, of which each candidate is played from ``config.n_sessions``; slate length, items,
            and the seed of candidates and luck.
        config: the budget.
        progress: called with (rounds done, rounds) after each.
    """
    forbids_repeats = environment.config.repeats == "never"
    generator, states = torch.Generator().manual_seed(starts.seed), starts.states
    features = item_features(models, states.select(torch.arange(min(N_STATES, len(states.history)))), starts.catalogue)

    def values(candidates: Float[Tensor, "c f"], n_sessions: int = config.n_sessions) -> Float[Tensor, " c"]:
        """Of each candidate, from the same starts with the same luck."""
        rows = torch.randint(len(states.history), (n_sessions,), generator=generator)
        luck = torch.rand(n_sessions, environment.config.max_steps, starts.k, generator=generator)
        oracles = [LookAheadOracle(tuple(models), features @ weights, forbids_repeats) for weights in candidates]
        return torch.stack([mean_reward(oracle, environment, states.select(rows), luck, generator) for oracle in oracles])

    found = cross_entropy_search(
        values,
        features.shape[1],
        config.n_rounds,
        config.n_candidates,
        config.first_spread,
        generator,
        None if progress is None else lambda done, _: progress(done, config.n_rounds),
    )
    greedy, looking = values(torch.stack([torch.zeros_like(found), found]), N_CHECKS * config.n_sessions).tolist()
    bonus = features @ found if looking > greedy else torch.zeros(len(features))
    return LookAheadOracle(tuple(models), bonus, forbids_repeats)


def item_features(models: Sequence[ResponseModel], states: State, catalogue: Catalogue) -> Float[Tensor, "n_plus_1 f"]:
    """The leading directions in which users' tastes differ, and their mean, each of standard deviation 1 over the active items.

    Directions of the item vectors themselves will not do: with those a search on ML-1M ended below greedy.
    """
    active = catalogue.is_active
    logits = torch.logit(mean_probabilities(models, states)[:, active].clamp(1e-6, 1 - 1e-6))
    mean = logits.mean(dim=0)
    leading = torch.linalg.svd(logits - mean, full_matrices=False).Vh[:N_DIRECTIONS]
    features = torch.zeros(len(active), len(leading) + 1)
    features[active] = torch.cat([leading, mean[None]]).T
    centred = features - features[active].mean(dim=0)
    return centred / features[active].std(dim=0, correction=0).clamp_min(1e-6)


def mean_reward(
    policy: LookAheadOracle,
    environment: Environment,
    starts: State,
    luck: Float[Tensor, "b steps k"],
    generator: torch.Generator,
) -> Float[Tensor, ""]:
    """Mean total reward of whole sessions."""
    # Candidates are compared, so that all of them must meet the same users.
    sessions = environment.start(starts, torch.Generator().manual_seed(0))
    running, total = torch.arange(len(luck)), torch.zeros(())
    while len(running):
        slate = policy.slates(sessions.state, luck.shape[2], generator)
        step = environment.step(sessions, slate, luck[running, sessions.n_steps])
        total = total + step.reward.sum()
        running, sessions = running[~step.done], step.sessions.select(~step.done)
    return total / len(luck)
