"""GFN4Rec: slates become as probable as they pay."""

from itertools import permutations
from typing import Any

import pytest
import torch
from torch import Tensor

from hsrl_train.data.world import Catalogue, State
from hsrl_train.learner.methods.gfn4rec import METHOD, Gfn4rec, PrefixNetwork
from hsrl_train.learner.replay import Batch
from hsrl_train.learner.supervision import Supervision
from pipeline.errors import TrainingError
from tests.support.known_worlds import SMALL, trained
from tests.support.learner import learner_config

H = 4
SLATES = torch.tensor(list(permutations([1, 2, 3], 2)))


def fresh(catalogue: Catalogue, **settings: Any) -> Gfn4rec:
    learner = METHOD.fresh(catalogue, 0, H, learner_config(method="gfn4rec", **{**SMALL, **settings}), 0)
    assert isinstance(learner, Gfn4rec)
    return learner


def batch_of(slate: Tensor, reward: Tensor) -> Batch:
    b = len(slate)
    state = State(torch.zeros(b, 0), torch.zeros(b, H, dtype=torch.int64))
    items = reward[:, None].expand_as(slate)
    done = torch.ones(b, dtype=torch.bool)
    return Batch(
        state,
        slate,
        items,
        reward,
        done,
        state,
        torch.zeros(b, 2),
        Supervision(slate, items),
        torch.zeros(b, 0),
        (items > 0).float(),
    )


def test_slates_become_as_probable_as_they_pay(catalogue_of: Any) -> None:
    """Three items, so six slates of two; they pay −.2, 0, .2, .4, .7 and 1. With b_r = .3 and hardly any b_f, P is (r + .3) / 3.9."""
    catalogue = catalogue_of([[0, 0], [0, 1], [1, 0]])
    rewards = torch.tensor([-0.2, 0.0, 0.2, 0.4, 0.7, 1.0])
    learner = fresh(catalogue, actor_lr=5e-3, critic_lr=5e-3, gfn4rec={"reward_offset": 0.3, "forward_offset": 1e-4})
    for _ in range(300):
        learner.learn(batch_of(SLATES, rewards), rate=1.0)
    network = learner.network
    with torch.no_grad():
        state = batch_of(SLATES, rewards).state_t
        items = network.encoder.item(catalogue.vectors)
        logits = network.next_item(network.encoder(state, catalogue.vectors), items[SLATES])[:, :-1] @ items.T
        found = learner._log_probabilities(logits, SLATES).sum(dim=1).exp()
    assert torch.allclose(found, (rewards + 0.3) / 3.9, atol=0.03)
    assert float(found.sum()) == pytest.approx(1, abs=1e-4)


def test_greedy_slates_show_what_is_liked_most(two_shelves: Any, fixed_response: Any) -> None:
    """Items liked at .2, .9, .8 and .1: everybody gets 2 and 3."""
    world = type(two_shelves)(
        two_shelves.catalogue,
        type(two_shelves.environment)([fixed_response(0.2, 0.9, 0.8, 0.1)], two_shelves.environment.config),
        2,
    )
    policy = trained(world, "gfn4rec", n_iterations=120, actor_lr=3e-3, critic_lr=3e-3, gfn4rec={"forward_offset": 0.1})[1]
    assert policy.slates(world.starts(1), 2, torch.Generator()).sort(dim=1).values.tolist() == [[2, 3]]


def test_a_prefix_is_read_as_its_joined_slots() -> None:
    """Hidden layer = W_c c + Σ_{j<k} W_j e_j: the same by hand, place by place, and by adding item to item."""
    torch.manual_seed(0)
    network, c0, items = PrefixNetwork(4, 5, 6, 3), torch.randn(2, 4), torch.randn(2, 3, 4)
    found = network(c0, items)
    hidden = network.of_state(c0)
    for place in range(4):
        assert torch.allclose(found[:, place], network.out(hidden.relu()), atol=1e-6)
        if place < 3:
            hidden = hidden + network.added(items[:, place], place)
    with pytest.raises(TrainingError, match="slates of 6 items, expected at most 5"):
        network(c0, torch.randn(2, 6, 4))


def test_an_item_of_an_earlier_place_cannot_be_drawn_again(catalogue_of: Any) -> None:
    """Equal logits: 1/3 at the first place, 1/2 at the second; an item twice, as in a mended logged slate, is left as it is."""
    learner = fresh(catalogue_of([[0, 0], [0, 1], [1, 0]]))
    found = learner._log_probabilities(torch.zeros(2, 2, 4), torch.tensor([[1, 2], [3, 3]])).exp()
    assert torch.allclose(found, torch.tensor([[1 / 3, 1 / 2], [1 / 3, 1 / 3]]))


def test_a_reward_without_a_logarithm_is_refused(catalogue_of: Any) -> None:
    learner = fresh(catalogue_of([[0, 0], [0, 1], [1, 0]]), gfn4rec={"reward_offset": 0.3})
    with pytest.raises(TrainingError, match="a reward is -0.50, expected more than −0.3"):
        learner.terms(batch_of(SLATES, torch.full((6,), -0.5)), 0.0)
