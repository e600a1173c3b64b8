"""Reference rows on catalogues of a few items."""

from typing import Any

import pytest
import torch

from hsrl_train.data.world import State
from hsrl_train.evaluation.baselines import GreedyOracle, RandomSlates, best_constant_slate, popular_slate, reference_policies
from pipeline.errors import TrainingError
from tests.support.users import OpenUsers

ANYONE = State(torch.zeros(2, 0), torch.zeros(2, 3, dtype=torch.int64))
LUCK = torch.Generator().manual_seed(0)


def test_random_slates_show_every_active_item_and_repeat_none() -> None:
    many = State(torch.zeros(500, 0), torch.zeros(500, 3, dtype=torch.int64))
    slates = RandomSlates(torch.tensor([1, 2, 4, 5])).slates(many, 3, LUCK)
    counts = torch.bincount(slates.flatten(), minlength=6)
    assert all(len(set(slate)) == 3 for slate in slates.tolist())
    assert counts[[0, 3]].tolist() == [0, 0]
    assert counts[[1, 2, 4, 5]].tolist() == pytest.approx([375] * 4, abs=40)


def test_the_popular_slate_holds_the_most_liked_active_items(catalogue_of: Any) -> None:
    """Likes 5, 9, 5, 7; item 2 is inactive: 4, then 1 before 3."""
    catalogue = catalogue_of([[0]] * 4, popularity=[5, 9, 5, 7])
    catalogue.is_active[2] = False
    assert popular_slate(catalogue).slates(ANYONE, 3, LUCK).tolist() == [[4, 1, 3]] * 2


def test_the_best_constant_slate_follows_the_mean_over_simulators(catalogue_of: Any, fixed_response: Any) -> None:
    """Means .5, .45, .6 of (.9, .1), (.5, .4), (.6, .6)."""
    models = [fixed_response(0.9, 0.5, 0.6), fixed_response(0.1, 0.4, 0.6)]
    assert best_constant_slate(models, ANYONE, catalogue_of([[0]] * 3)).slates(ANYONE, 2, LUCK).tolist() == [[3, 1]] * 2


class Steep(OpenUsers):
    """Items 2 and 3 are liked, 1 so little that its probability is 0 in float32; 4 is inactive."""

    def all_logits(self, state: State, tastes: torch.Tensor | None = None) -> torch.Tensor:
        return torch.tensor([[-torch.inf, -200, 2, 1, -torch.inf]]).expand(2, -1)


def test_the_greedy_oracle_never_shows_what_is_inactive() -> None:
    assert GreedyOracle((Steep(),)).slates(ANYONE, 3, LUCK).tolist() == [[2, 3, 1]] * 2


def test_the_sid_oracle_sees_means_of_sids_and_shows_the_popular_first(catalogue_of: Any, fixed_response: Any) -> None:
    """SID 0 holds items 1 (p .9) and 2 (.1), mean .5; SID 1 item 3 (.6); SID 2 item 4 (.2). Item 2 is more popular than 1."""
    catalogue = catalogue_of([[0], [0], [1], [2]], popularity=[1, 2, 1, 1])
    model = fixed_response(0.9, 0.1, 0.6, 0.2)
    rows = reference_policies([model], model, ANYONE, catalogue, 3)
    assert rows["SID oracle"].slates(ANYONE, 3, LUCK).tolist() == [[3, 2, 1]] * 2
    assert rows["greedy oracle"].slates(ANYONE, 3, LUCK).tolist() == [[1, 3, 4]] * 2


def test_the_transfer_oracle_knows_the_training_simulators_only(catalogue_of: Any, fixed_response: Any) -> None:
    catalogue, training, judge = catalogue_of([[0], [1]]), fixed_response(0.2, 0.9), fixed_response(0.9, 0.2)
    rows = reference_policies([training], judge, ANYONE, catalogue, 1)
    assert list(rows) == ["random", "popular slate", "best constant slate", "SID oracle", "transfer oracle", "greedy oracle"]
    assert rows["transfer oracle"].slates(ANYONE, 1, LUCK).tolist() == [[2]] * 2
    assert rows["greedy oracle"].slates(ANYONE, 1, LUCK).tolist() == [[1]] * 2


def test_fewer_active_items_than_a_slate_holds_are_refused(catalogue_of: Any, fixed_response: Any) -> None:
    model = fixed_response(0.5, 0.5)
    with pytest.raises(TrainingError, match="2 items are active, expected at least the slate's 3"):
        reference_policies([model], model, ANYONE, catalogue_of([[0], [1]]), 3)
