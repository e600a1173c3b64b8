"""The weights of item features in simulated tastes, for score-aware Semantic IDs (docs/measurements.md)."""

from collections.abc import Sequence
from typing import Protocol, cast

import torch
from jaxtyping import Float
from torch import Tensor

from hsrl_train.data.world import ResponseModel, State
from pipeline.errors import TrainingError


class LinearTaste(Protocol):
    """A model whose scores are linear in item features: logit_i = ⟨interest, item_map ᵀ f_i⟩ + …"""

    @property
    def item_map(self) -> Float[Tensor, "d w"]:
        """From an item's features to the vector that an interest is matched with."""
        ...

    def interest(self, state: State) -> Float[Tensor, "b w"]:
        """Of each user."""
        ...


def linear_taste(model: ResponseModel, family: str) -> LinearTaste:
    """The model as one that is linear in item features.

    Raises:
        TrainingError: its family is not.
    """
    if not hasattr(model, "item_map"):
        raise TrainingError(
            f"score-aware codes: scores of simulator family {family} are not linear in item features, expected latent or attention; "
            "set family in [simulator], or score_aware = false in [embeddings]"
        )
    return cast(LinearTaste, model)


def score_weights(models: Sequence[LinearTaste], states: State) -> Float[Tensor, "d w"]:
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
        parts.append(model.item_map.double() @ root / len(models) ** 0.5)
    return torch.cat(parts, dim=1).float()
