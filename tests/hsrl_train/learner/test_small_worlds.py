"""HSRL where the best that can be had is known (docs/baselines.md §4): it must look ahead, and find a hidden taste."""

from dataclasses import replace
from typing import Any

import pytest
import torch

from hsrl_train.data.world import Records
from hsrl_train.evaluation.rollouts import evaluate, summarise
from hsrl_train.learner.loop import train
from hsrl_train.learner.methods.hsrl import Hsrl
from hsrl_train.simulator.config import EnvironmentConfig
from hsrl_train.simulator.environment import Environment
from tests.support.known_worlds import FAR_SIGHTED, MYOPIC, total_reward, trained
from tests.support.learner import learner_config

H = 20
pytestmark = pytest.mark.slow
SMALL: dict[str, Any] = {
    "learn_after": 500,
    "critic_hidden": (64, 32),
    "width": 16,
    "n_heads": 2,
    "n_blocks": 1,
    "actor_lr": 2e-3,
}
# As published, with rates and targets that are quick enough for so few updates, without cloning, which repeats the clicks of this slate
# whatever comes after, and on the newest 2,000 transitions: where (21) is learned from all that was ever shown, it has no lower bound, and
# what sessions taught at first is lost again (docs/baselines.md §4).
LOOKING_AHEAD: dict[str, Any] = {
    "preset": "paper",
    "n_iterations": 800,
    "polyak": 0.05,
    "actor_lr": 2e-3,
    "critic_lr": 3e-3,
    "likelihood_weight": 0.0,
    "replay_capacity": 2000,
}
# `best` with refusals in the state and exploration by the policy itself; each simulator is a taste, so that answers must be drawn from the one
# that the session has; both kinds of reward of an item weigh alike (K = 2).
HIDDEN_TASTE = {
    **SMALL,
    "n_iterations": 2000,
    "uses_refusals": True,
    "answers": "drawn",
    "critic_trains_encoder": True,
    "pg_weight": 0.2,
    "temperature": 1.0,
    "item_share": 0.5,
    "entropy_weight": 0.03,
    "likelihood_end_weight": 0.2,
}


# `best` without a reward in any gradient: what it knows beyond this slate comes from the search alone.
SEARCHING: dict[str, Any] = {**SMALL, "n_iterations": 300, "pg_weight": 0.0, "search": {"n_sessions": 40, "first_spread": 0.5}}


def learned(world: Any, seed: int, **settings: object) -> float:
    """Total reward of what HSRL learned, over 2,000 sessions."""
    config = learner_config(**settings)
    records = Records.of(
        user=torch.zeros(1, dtype=torch.int64),
        exposed=torch.ones(1, world.k, dtype=torch.int64),
        feedback=torch.zeros(1, world.k),
        history=torch.zeros(1, H, dtype=torch.int64),
        is_train=torch.ones(1, dtype=torch.bool),
        profiles=torch.zeros(1, 0),
    )
    policy = train(Hsrl(world.catalogue, 0, H, config, seed), world.environment, records, config, seed).policy
    played = evaluate("hsrl", [policy], [world.environment], world.shared(2000))
    return summarise(played).total_reward


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_it_gives_up_clicks_now_for_more_clicks_later(two_shelves: Any, seed: int) -> None:
    """At least 95 % of 10.731, which only a user taught to like shelf B gives; all of ten seeds did, these are the first."""
    assert total_reward(two_shelves, trained(two_shelves, "hsrl", seed, **LOOKING_AHEAD)[1]) >= 0.95 * FAR_SIGHTED


def test_without_a_future_it_stays_with_the_shelf_that_pays_now(two_shelves: Any) -> None:
    """γ = 0: shelf A for ever, 5.363."""
    policy = trained(two_shelves, "hsrl", 0, **LOOKING_AHEAD, gamma=0.0)[1]
    assert total_reward(two_shelves, policy) == pytest.approx(MYOPIC, abs=0.2)


def test_the_search_finds_what_supervision_cannot_see(two_shelves: Any) -> None:
    """Supervised alone stays with shelf A, 5.363; with foresight it gets at least 95 % of 10.731."""
    assert learned(two_shelves, 0, **SEARCHING) == pytest.approx(5.363, abs=0.2)
    assert learned(two_shelves, 0, **{**SEARCHING, "search": {**SEARCHING["search"], "n_rounds": 6}}) >= 0.95 * 10.731


def test_it_finds_a_hidden_taste_by_what_was_refused(four_genres: Any) -> None:
    """Greedy by the true posterior gives 9.6 with refusals remembered and 6.4 without; asking first gives 10.77. Runs fall into one of two
    ways to ask: with a memory of the whole session two seeds reached 92 and 95 % of that, with the newest twelve items four seeds 82,
    95, 86 and 95 %. The bound is below most, and far above what can be had without refusals."""
    environment = Environment(four_genres.environment.models, EnvironmentConfig(cost=0.2, memory=40, repeats="allowed"))
    assert learned(replace(four_genres, environment=environment), 0, **HIDDEN_TASTE) >= 0.83 * 10.77
