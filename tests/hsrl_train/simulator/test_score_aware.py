"""Distances under score weights are what they are said to be."""

from collections.abc import Callable

import pytest
import torch

from hsrl_train.data.world import Catalogue, State
from hsrl_train.simulator.config import SimulatorConfig
from hsrl_train.simulator.response import FrozenResponse, UserResponse
from hsrl_train.simulator.score_aware import score_weights


def test_a_distance_is_the_root_mean_squared_difference_of_scores(catalogue_of: Callable[..., Catalogue]) -> None:
    """Over two simulators and five users with different histories, for every pair of nine items."""
    catalogue = catalogue_of([[0]] * 9)
    models = []
    for seed in (0, 1):
        torch.manual_seed(seed)
        models.append(FrozenResponse(UserResponse(catalogue, 2, SimulatorConfig()), catalogue))
    generator = torch.Generator().manual_seed(2)
    states = State(
        torch.randn(5, 2, generator=generator), torch.randint(10, (5, 4), generator=generator).sort(descending=True).values
    )
    y = catalogue.vectors[1:] @ score_weights(models, states)
    logits = torch.cat([model.all_logits(states)[:, 1:] for model in models])
    expected = (logits[:, :, None] - logits[:, None]).square().mean(dim=0)
    assert torch.cdist(y, y).square() == pytest.approx(expected, rel=1e-3, abs=1e-5)
