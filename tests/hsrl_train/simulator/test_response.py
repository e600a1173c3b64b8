"""The user response model by hand, and what must not change its answers."""

from typing import Any

import pytest
import torch

from hsrl_train.data.world import State
from hsrl_train.simulator.config import SimulatorConfig
from hsrl_train.simulator.response import FrozenResponse, UserResponse


def history(*items: int, width: int) -> torch.Tensor:
    return torch.tensor([[*items, *[0] * (width - len(items))]])


@pytest.fixture
def averaging(catalogue_of: Any) -> FrozenResponse:
    """Two items with vectors (1, 0) and (0, 1), and weights with which q is the mean of the start token, zero, and the history.

    Queries and keys are zero, so that attention weighs all keys alike; values, outputs and projections are the identity.
    """
    catalogue = catalogue_of([[0], [1]])
    module = UserResponse(catalogue, 0, SimulatorConfig(width=2, n_heads=1, hidden=1))
    one, none = torch.eye(2), torch.zeros(2, 2)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.zero_()
        module.item.weight.copy_(one)
        module.join.weight.copy_(torch.cat([one, none], dim=1))
        for attention in (module.over_history, module.by_user):
            attention.in_proj_weight.copy_(torch.cat([none, none, one]))
            attention.out_proj.weight.copy_(one)
    return FrozenResponse(module, catalogue)


def drawn(catalogue: Any, profile_width: int = 3) -> FrozenResponse:
    torch.manual_seed(0)
    return FrozenResponse(UserResponse(catalogue, profile_width, SimulatorConfig()), catalogue)


def test_logits_are_the_match_of_interest_and_item(averaging: FrozenResponse) -> None:
    """Liked 1, 1, 2. Four keys: start (0, 0), (1, 0), (1, 0), (0, 1); their mean q = (.5, .25); items 2 and 1 get .25 and .5.

    The self-attention averages first; the mean of four equal means is the same mean.
    """
    state = State(torch.zeros(1, 0), history(1, 1, 2, width=3))
    assert averaging.logits(state, torch.tensor([[2, 1]])).tolist() == [[0.25, 0.5]]


def test_an_empty_history_rests_on_the_start_token(averaging: FrozenResponse) -> None:
    assert averaging.logits(State(torch.zeros(1, 0), history(width=3)), torch.tensor([[1, 2]])).tolist() == [[0, 0]]


def test_longer_padding_changes_nothing(catalogue_of: Any) -> None:
    model, profile, slate = drawn(catalogue_of([[0]] * 9)), torch.randn(1, 3), torch.tensor([[4, 5]])
    short = model.logits(State(profile, history(1, 2, width=2)), slate)
    assert torch.allclose(model.logits(State(profile, history(1, 2, width=50)), slate), short, atol=1e-6)
    assert not torch.allclose(model.logits(State(profile, history(1, 3, width=2)), slate), short, atol=1e-6)


def test_neighbours_in_the_batch_change_nothing(catalogue_of: Any) -> None:
    model = drawn(catalogue_of([[0]] * 9))
    profile, slate = torch.randn(3, 3), torch.tensor([[4, 5]] * 3)
    together = State(profile, torch.cat([history(1, 2, width=5), history(width=5), history(7, 8, 9, 1, 2, width=5)]))
    alone = [model.logits(State(profile[[i]], together.history[[i]]), slate[[i]]) for i in range(3)]
    assert torch.allclose(model.logits(together, slate), torch.cat(alone), atol=1e-6)


def test_acting_agrees_with_fitting_but_for_dropout(catalogue_of: Any) -> None:
    model = drawn(catalogue_of([[0]] * 9))
    state, slate = State(torch.randn(2, 3), torch.cat([history(1, 2, width=4), history(3, width=4)])), torch.tensor([[4, 5]] * 2)
    assert torch.allclose(model.logits(state, slate), model.module(state, slate), atol=1e-6)
    assert not torch.allclose(model.logits(state, slate), model.module.train()(state, slate), atol=1e-6)


def test_all_logits_hide_padding_and_inactive_items(catalogue_of: Any) -> None:
    catalogue = catalogue_of([[0]] * 4)
    catalogue.is_active[3] = False
    model = drawn(catalogue)
    state = State(torch.randn(1, 3), history(1, width=2))
    every = model.all_logits(state)
    assert torch.isinf(every).tolist() == [[True, False, False, True, False]]
    assert torch.allclose(every[:, [1, 2, 4]], model.logits(state, torch.tensor([[1, 2, 4]])), atol=1e-6)
