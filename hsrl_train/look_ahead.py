"""The look-ahead oracle: greedy by true probability plus what each item is worth later (DESIGN §7, FACTS, recipe)."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from hsrl_train.config import LookAheadConfig
from hsrl_train.environment import Environment
from hsrl_train.reference import mean_probabilities
from hsrl_train.world import Catalogue, ResponseModel, State

ELITE_SHARE = 0.2
N_DIRECTIONS = 8
# Standard deviation of the search below which a coordinate is kept alive, in probability.
LEAST_SPREAD = 0.02


@dataclass(frozen=True)
class LookAheadOracle:
    """The K items of highest probability + bonus, by the mean over the models.

    Attributes:
        models: what it knows; one that judges, or those that policies learn in.
        bonus: (n + 1,) what showing an item is worth beyond this slate, as if it were probability.
    """

    models: tuple[ResponseModel, ...]
    bonus: Float[Tensor, " n_plus_1"]

    def slates(self, state: State, k: int, generator: torch.Generator) -> Int[Tensor, "b k"]:
        """The K best active items; nothing is random."""
        liked = mean_probabilities(self.models, state)
        return torch.where(liked < 0, -torch.inf, liked + self.bonus).topk(k, dim=1).indices


def search_look_ahead(
    models: Sequence[ResponseModel],
    environment: Environment,
    starts: State,
    k: int,
    catalogue: Catalogue,
    config: LookAheadConfig,
    seed: int,
    progress: Callable[[int, int], None] | None = None,
) -> LookAheadOracle:
    """Find the bonus by cross-entropy search: whole sessions from the training starts, the best fifth of the candidates kept.

    The bonus is linear in the leading directions of the item vectors: so few coordinates can be found with few sessions. At the end the
    mean of the last round's best is kept only if it beats greedy on fresh sessions.

    Args:
        models: what the oracle knows.
        environment: where it is searched; of the same models.
        starts: states of training records; each candidate is played from ``config.n_sessions`` of them.
        k: length of a slate.
        catalogue: the items.
        config: the budget.
        seed: of candidates and luck.
        progress: told (rounds done, rounds) after each.
    """
    generator = torch.Generator().manual_seed(seed)
    features = item_features(catalogue)

    def values(candidates: Float[Tensor, "c f"]) -> Float[Tensor, " c"]:
        """Of each candidate, from the same starts with the same luck."""
        rows = torch.randint(len(starts.history), (config.n_sessions,), generator=generator)
        luck = torch.rand(config.n_sessions, environment.config.max_steps, k, generator=generator)
        oracles = [LookAheadOracle(tuple(models), features @ weights) for weights in candidates]
        return torch.stack([mean_reward(oracle, environment, starts.select(rows), luck, generator) for oracle in oracles])

    mean, spread = torch.zeros(features.shape[1]), torch.full((features.shape[1],), config.first_spread)
    for round_number in range(1, config.n_rounds + 1):
        candidates = mean + spread * torch.randn(config.n_candidates, len(mean), generator=generator)
        elite = candidates[values(candidates).topk(max(2, int(ELITE_SHARE * config.n_candidates))).indices]
        mean, spread = elite.mean(dim=0), elite.std(dim=0).clamp_min(LEAST_SPREAD)
        if progress is not None:
            progress(round_number, config.n_rounds)
    greedy, found = values(torch.stack([torch.zeros_like(mean), mean])).tolist()
    return LookAheadOracle(tuple(models), features @ mean if found > greedy else torch.zeros(len(features)))


def item_features(catalogue: Catalogue) -> Float[Tensor, "n_plus_1 f"]:
    """The leading directions of the item vectors, each of standard deviation 1 over the active items."""
    active = catalogue.vectors[catalogue.is_active]
    _, _, directions = torch.linalg.svd(active - active.mean(dim=0), full_matrices=False)
    scores = (catalogue.vectors - active.mean(dim=0)) @ directions[:N_DIRECTIONS].T
    return scores / scores[catalogue.is_active].std(dim=0).clamp_min(1e-6)


def mean_reward(
    policy: LookAheadOracle,
    environment: Environment,
    starts: State,
    luck: Float[Tensor, "b steps k"],
    generator: torch.Generator,
) -> Float[Tensor, ""]:
    """Mean total reward of whole sessions."""
    running, sessions, total = torch.arange(len(luck)), environment.start(starts), torch.zeros(())
    while len(running):
        slate = policy.slates(sessions.state, luck.shape[2], generator)
        step = environment.step(sessions, slate, luck[running, sessions.n_steps])
        total = total + step.reward.sum()
        running, sessions = running[~step.done], step.sessions.select(~step.done)
    return total / len(luck)
