"""DDPG-RA: DDPG, and items that learn from what they did to a state."""

from typing import Any

import pytest
import torch

from hsrl_train.learner.methods.ddpg_ra import METHOD, DdpgRa
from tests.support.known_worlds import FAR_SIGHTED, MYOPIC, reward_on
from tests.support.updates import CATALOGUE, WIDTH, H, small_config, steps

NOTE = torch.ones(2, WIDTH)
SLATES, LIKED = torch.tensor([[1, 5], [2, 6]]), torch.tensor([[1.0, 0.0], [1.0, 1.0]])


def learner(**settings: object) -> DdpgRa:
    made = METHOD.fresh(CATALOGUE, 0, H, small_config("ddpg_ra", **settings), 0)
    assert isinstance(made, DdpgRa)
    return made


def test_the_representation_moves_items_and_the_inverse_model_alone() -> None:
    ours = learner()
    ours.terms(steps(SLATES, LIKED, NOTE), 0.0)["representation_loss"].backward()
    moved = {name for name, weight in ours.network.named_parameters() if weight.grad is not None}
    assert {name.split(".")[0] for name in moved} == {"encoder", "inverse"}
    assert {name for name in moved if name.startswith("encoder")} == {"encoder.item.weight", "encoder.item.bias"}


def test_refused_items_are_guessed_only_where_the_switch_says_so() -> None:
    """Where nothing was liked there is nothing to guess, and the loss is 0."""
    refused = steps(SLATES, torch.zeros(2, 2), NOTE)
    assert float(learner().terms(refused, 0.0)["representation_loss"]) == 0
    assert float(learner(hyper_action={"clicked_only": False}).terms(refused, 0.0)["representation_loss"]) > 0


@pytest.mark.slow
def test_it_gives_up_clicks_now_for_more_clicks_later(two_shelves: Any) -> None:
    assert reward_on(two_shelves, "ddpg_ra") >= 0.95 * FAR_SIGHTED


@pytest.mark.slow
def test_without_a_future_it_stays_with_the_shelf_that_pays_now(two_shelves: Any) -> None:
    assert reward_on(two_shelves, "ddpg_ra", gamma=0.0) == pytest.approx(MYOPIC, abs=0.2)
