"""The mathematics of hyper-actions, by numbers that can be checked by eye."""

import math

import pytest
import torch

from hsrl_train.learner.hyper_action import alignment_loss, log_density, log_odds, noisy, of_length, of_log, pooled, smaller

ITEMS = torch.tensor([[0.0, 0.0], [1.0, 0.0], [0.0, 3.0], [2.0, 2.0]])


def test_a_slate_stands_for_the_mean_of_its_items() -> None:
    assert pooled(ITEMS, torch.tensor([[1, 2], [3, 3]])).tolist() == [[0.5, 1.5], [2.0, 2.0]]


def test_what_nobody_noted_is_read_off_the_slate() -> None:
    noted = torch.tensor([[7.0, 8.0], [math.nan, math.nan]])
    assert of_log(noted, torch.tensor([[1.0, 1.0], [2.0, 3.0]])).tolist() == [[7.0, 8.0], [2.0, 3.0]]


def test_alignment_is_the_mean_square_of_what_lies_between() -> None:
    assert float(alignment_loss(torch.tensor([[1.0, 2.0]]), torch.tensor([[0.0, 0.0]]))) == pytest.approx(2.5)


def test_twin_critics_are_believed_the_smaller() -> None:
    assert smaller(torch.tensor([[10.0, 1.0], [2.0, 3.0]])).tolist() == [1.0, 2.0]


def test_an_item_scores_by_its_inner_product() -> None:
    assert log_odds(torch.tensor([[1.0, -1.0]]), ITEMS, torch.tensor([[1, 2, 3]])).tolist() == [[1.0, -3.0, 0.0]]


def test_noise_is_in_units_of_the_hyper_action_and_can_be_cut() -> None:
    z = torch.tensor([[1.0, 1.0, 1.0, 1.0]]).repeat(4000, 1)
    small, large = (noisy(scale * z, 0.5, torch.Generator().manual_seed(0)) for scale in (1.0, 10.0))
    assert torch.allclose(10 * small, large, atol=1e-4)
    assert float((small - z).std()) == pytest.approx(0.5, abs=0.02)
    assert float((noisy(z, 0.5, torch.Generator().manual_seed(0), cut=1.0) - z).abs().max()) == pytest.approx(0.5)
    assert noisy(z, 0.0, torch.Generator()) is z


def test_a_held_hyper_action_has_the_length_of_as_many_ones() -> None:
    z = torch.tensor([[3.0, 4.0, 0.0, 0.0]])
    assert float(of_length(z, holds_length=True).norm()) == pytest.approx(2.0, abs=1e-5)
    assert of_length(z, holds_length=False) is z


def test_log_density_is_that_of_a_normal_but_for_its_constant() -> None:
    mean, log_sigma = torch.tensor([[0.0, 1.0]]), torch.tensor([0.3, -0.2])
    z = torch.tensor([[0.4, 2.0]])
    normal = torch.distributions.Normal(mean, log_sigma.exp()).log_prob(z).mean() + 0.5 * math.log(2 * math.pi)
    assert float(log_density(z, mean, log_sigma)) == pytest.approx(float(normal), abs=1e-6)
