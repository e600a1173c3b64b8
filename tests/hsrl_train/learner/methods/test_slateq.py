"""SlateQ for independent answers: its targets and its best slate by hand, and a world in which it must look ahead."""

from itertools import combinations
from typing import Any

import numpy as np
import pytest
import torch

from hsrl_train.data.world import Catalogue, State
from hsrl_train.learner import losses
from hsrl_train.learner.methods import method_named
from hsrl_train.learner.methods.slateq import SlateQ, liked_value_loss
from hsrl_train.learner.replay import Batch
from hsrl_train.learner.supervision import Supervision
from tests.support.known_worlds import SMALL, total_reward, trained
from tests.support.learner import learner_config

K, H, COST = 2, 3, 0.2
LOOKING_AHEAD: dict[str, Any] = {
    "n_iterations": 450,
    "temperature": 0.1,
    "polyak": 0.1,
    "critic_trains_encoder": True,
    "actor_lr": 3e-3,
    "critic_lr": 5e-3,
    "item_share": 0.0,
    "slateq": {"clicked_only": False},
}
CATALOGUE = Catalogue(
    item_ids=np.arange(1, 6),
    vectors=torch.eye(6)[:, 1:],
    tokens=torch.zeros(6, 1, dtype=torch.int64),
    vocabulary=(1,),
    is_active=torch.arange(6) > 0,
    popularity=torch.zeros(6),
)


def learner(**settings: Any) -> SlateQ:
    config = learner_config(**{**SMALL, "width": 8, "critic_hidden": (8,), "method": "slateq", **settings})
    made = method_named("slateq").fresh(CATALOGUE, 1, H, config, 0)
    assert isinstance(made, SlateQ)
    return made


def batch(notes: list[float]) -> Batch:
    """A step for each note; items 1 and 4 were shown and 1 was liked, the session ended."""
    b = len(notes)
    state = State(torch.ones(b, 1), torch.tensor([[1, 2, 0]] * b))
    feedback, slate = torch.tensor([[1.0, 0.0]] * b), torch.tensor([[1, 4]] * b)
    rho = feedback - COST * (1 - feedback)
    done = torch.ones(b).bool()
    asked, note = Supervision(slate, feedback), torch.tensor(notes)[:, None]
    return Batch(state, slate, rho, rho.mean(1), done, state, torch.zeros(b, K), asked, note, feedback)


def test_only_liked_items_learn_what_came_after() -> None:
    """γ V̄ = 2, so that a like is worth 3: Q̃ = 1 and 3 of two likes miss it by 4 and 0, the refused one by nothing; mean 2."""
    values, feedback = torch.tensor([[1.0, 9.0], [3.0, 9.0]]), torch.tensor([[1.0, 0.0], [1.0, 0.0]])
    assert float(liked_value_loss(values, feedback, torch.tensor([2.0, 2.0]))) == 2.0
    assert float(liked_value_loss(values, torch.zeros(2, 2), torch.tensor([2.0, 2.0]))) == 0.0


def test_every_item_learns_the_slates_reward_and_its_own_by_the_share() -> None:
    """ρ = (1, −.2), r = .4: at share 1 their own, at ½ (.7, .1), at 0 the slate's."""
    found = [
        losses.shared_reward(torch.tensor([0.4]), torch.tensor([[1.0, -0.2]]), share)[0].tolist() for share in (1.0, 0.5, 0.0)
    ]
    assert [pytest.approx(row) for row in ([1.0, -0.2], [0.7, 0.1], [0.4, 0.4])] == found


def test_the_k_items_of_highest_worth_are_the_best_of_all_slates() -> None:
    """Σ_i p (Q̃ + c) − c over each pair of items: none is above the one that is shown."""
    taught = learner()
    taught.learn(batch([0.0]), 1.0)
    policy, state = taught.policy(), State(torch.ones(1, 1), torch.tensor([[3, 0, 0]]))
    c0 = taught.network.encoder(state, CATALOGUE.vectors)
    chance, values = taught.network.likes(c0, CATALOGUE)[0].sigmoid(), taught.network.values(c0, CATALOGUE)[0]
    worth = (chance * (values + COST) - COST).tolist()
    best = max(combinations(range(1, 6), K), key=lambda pair: sum(worth[item] for item in pair))
    assert set(policy.slates(state, K, torch.Generator())[0].tolist()) == set(best)


def test_what_a_refusal_costs_is_read_off_the_rewards() -> None:
    taught = learner()
    taught.learn(batch([0.0, 0.0]), 1.0)
    assert float(taught.network.cost) == pytest.approx(COST)


def test_slates_of_the_log_teach_who_likes_what_and_no_values() -> None:
    nan = float("nan")
    alone, mixed = (learner().terms(batch(notes), 0.0) for notes in ([0.0, 0.0], [0.0, nan, 0.0]))
    assert float(mixed["value_loss"].detach()) == pytest.approx(float(alone["value_loss"].detach()))
    taught = learner(critic_trains_encoder=False)
    logged = taught.network.likes(taught.network.encoder(batch([nan]).state_t, CATALOGUE.vectors), CATALOGUE).gather(
        1, batch([nan]).slate
    )
    expected = losses.two_sided_loss(logged, batch([nan]).feedback_t)
    assert float(mixed["likelihood_loss"].detach()) == pytest.approx(float(expected.detach()))


@pytest.mark.slow
def test_it_gives_up_clicks_now_for_more_clicks_later(two_shelves: Any) -> None:
    """At least 95 % of 10.731, which only a user taught to like shelf B gives."""
    assert total_reward(two_shelves, trained(two_shelves, "slateq", **LOOKING_AHEAD)[1]) >= 0.95 * 10.731


@pytest.mark.slow
def test_without_a_future_it_stays_with_the_shelf_that_pays_now(two_shelves: Any) -> None:
    """γ = 0, and an item's own reward: shelf A, 5.363."""
    settings = {**LOOKING_AHEAD, "n_iterations": 250, "gamma": 0.0, "item_share": 1.0}
    assert total_reward(two_shelves, trained(two_shelves, "slateq", **settings)[1]) == pytest.approx(5.363, abs=0.25)
