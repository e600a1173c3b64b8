"""The weights of item features in simulated tastes, for score-aware Semantic IDs (docs/measurements.md, recipe)."""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from hsrl_train.data.world import State
from hsrl_train.simulator.response import FrozenResponse


def score_weights(models: Sequence[FrozenResponse], states: State) -> Float[Tensor, "d w"]:
    """A with ‖Aᵀ(f_i − f_j)‖² = E[(logit_i − logit_j)²], the mean over models and states, f an item's features.

        logit_i = ⟨q, W f_i⟩ + …   ⟹   A = [Wᵀ M^½ / √m] side by side for m models,   M = E[q qᵀ]

    So k-means on Aᵀ f spends its codes where users' scores differ.

    Args:
        models: m of the same features.
        states: of users whose tastes count, from training records.
    """
    parts = []
    for model in models:
        interest = model.interest(states).double()
        values, directions = torch.linalg.eigh(interest.T @ interest / len(interest))
        root = directions * values.clamp_min(0).sqrt() @ directions.T
        parts.append(model.module.item.weight.detach().double().T @ root / len(models) ** 0.5)
    return torch.cat(parts, dim=1).float()
