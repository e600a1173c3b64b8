"""The look-ahead oracle on Two Shelves, where greedy is known to be myopic."""

from typing import Any

import pytest
import torch

from hsrl_train.evaluation.baselines import GreedyOracle
from hsrl_train.evaluation.config import LookAheadConfig
from hsrl_train.evaluation.look_ahead import LookAheadOracle, search_look_ahead
from hsrl_train.evaluation.rollouts import SharedStarts, evaluate, summarise
from hsrl_train.simulator.config import EnvironmentConfig
from hsrl_train.simulator.environment import Environment

LUCK = torch.Generator().manual_seed(0)


def test_a_bonus_of_nothing_is_greedy_and_inactive_items_stay_hidden(two_shelves: Any) -> None:
    models, states = two_shelves.environment.models, two_shelves.starts(3)
    greedy = GreedyOracle(models).slates(states, 2, LUCK)
    assert torch.equal(LookAheadOracle(models, torch.zeros(5)).slates(states, 2, LUCK), greedy)
    padding_praised = torch.tensor([9.0, 0, 0, 0.6, 0.5])
    assert LookAheadOracle(models, padding_praised).slates(states, 2, LUCK).tolist() == [[3, 4]] * 3


def test_looking_ahead_finds_the_shelf_that_pays_later(two_shelves: Any) -> None:
    """Greedy stays with A and gets 5.36; B is worth 10.73."""
    world, counts = two_shelves, []
    budget = LookAheadConfig(n_rounds=4, n_candidates=15, n_sessions=100, first_spread=0.3)
    oracle = search_look_ahead(
        world.environment.models,
        world.environment,
        world.shared(100, seed=0),
        budget,
        progress=lambda done, of: counts.append((done, of)),
    )
    played = evaluate("look-ahead", [oracle], [world.environment], world.shared(1000))
    assert summarise(played).total_reward == pytest.approx(10.7, abs=0.4)
    assert counts[-1] == (4, 4)


def test_where_nothing_pays_later_it_is_not_below_greedy(catalogue_of: Any, fixed_response: Any, two_shelves: Any) -> None:
    """Answers that no history changes: the search may find nothing better, and says so with a bonus of nothing or of no harm."""
    catalogue, models = catalogue_of([[0]] * 4), [fixed_response(0.9, 0.8, 0.2, 0.1)]
    environment = Environment(models, EnvironmentConfig(repeats="allowed"))
    budget = LookAheadConfig(n_rounds=2, n_candidates=6, n_sessions=50)
    oracle = search_look_ahead(models, environment, SharedStarts(two_shelves.starts(50), 2, catalogue, seed=0), budget)
    assert set(oracle.slates(two_shelves.starts(1), 2, LUCK)[0].tolist()) == {1, 2}
