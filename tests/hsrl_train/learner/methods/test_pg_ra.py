"""PG-RA: a policy gradient of the vector that was drawn, as far as it was noted."""

from typing import Any

import pytest
import torch

from hsrl_train.data.world import State
from hsrl_train.learner.hyper_action import log_density
from hsrl_train.learner.methods.pg_ra import METHOD, PgRa
from tests.support.known_worlds import FAR_SIGHTED, MYOPIC, reward_on
from tests.support.updates import CATALOGUE, WIDTH, H, K, small_config, steps

SLATES, LIKED = torch.tensor([[1, 5], [2, 6]]), torch.tensor([[1.0, 0.0], [1.0, 1.0]])
OWN: dict[str, Any] = {"hyper_action": {"noise": 2.0}}


def learner(**settings: object) -> PgRa:
    made = METHOD.fresh(CATALOGUE, 0, H, small_config("pg_ra", **settings), 0)
    assert isinstance(made, PgRa)
    return made


def test_what_was_drawn_and_its_density_are_noted() -> None:
    ours = learner(hyper_action={"noise": 0.5})
    state = State(torch.zeros(500, 0), torch.zeros(500, H, dtype=torch.int64))
    note = ours.act(state, K, torch.Generator().manual_seed(0)).note
    assert note is not None
    assert note.shape == (500, WIDTH + 1)
    mean = ours.network.mean(ours.network.context(state, CATALOGUE))
    assert float((note[:, :-1] - mean).std()) == pytest.approx(0.5, abs=0.03)
    assert torch.allclose(note[:, -1], log_density(note[:, :-1], mean, ours.network.log_sigma), atol=1e-6)


def gradient_of(reward: float, note: torch.Tensor, **settings: object) -> torch.Tensor:
    """Of the mean's last bias, by the policy gradient alone, V being 0."""
    ours = learner(gamma=0.0, **settings)
    for weight in ours.network.value.parameters():
        weight.data.zero_()
    batch = steps(SLATES, LIKED, note)._replace(reward_t=torch.full((2,), reward))
    ours.terms(batch, 0.0)["policy_gradient_loss"].backward()
    gradient = ours.network.hyper_actor[-1].bias.grad
    assert isinstance(gradient, torch.Tensor)
    return gradient


def test_a_good_reward_pulls_the_mean_to_what_was_drawn_and_a_bad_one_pushes() -> None:
    note = torch.cat([torch.randn(2, WIDTH), torch.zeros(2, 1)], dim=1)
    assert torch.allclose(gradient_of(0.5, note), -gradient_of(-0.5, note), atol=1e-6)
    assert gradient_of(0.5, note).abs().max() > 0


def test_slates_of_the_log_teach_the_policy_nothing() -> None:
    assert float(gradient_of(0.5, torch.full((2, WIDTH + 1), torch.nan)).abs().max()) == 0


def test_a_replayed_vector_counts_by_how_likely_it_is_now_and_no_more_than_twice() -> None:
    """A density then far below today's is cut at 2; one far above leaves nothing."""
    chosen = torch.randn(2, WIDTH)

    def size(then: float) -> float:
        return float(gradient_of(0.5, torch.cat([chosen, torch.full((2, 1), then)], dim=1)).norm())

    assert size(-100.0) == pytest.approx(size(-200.0)) and size(-100.0) > 0
    assert size(100.0) == pytest.approx(0, abs=1e-6)


@pytest.mark.slow
def test_it_gives_up_clicks_now_for_more_clicks_later(two_shelves: Any) -> None:
    assert reward_on(two_shelves, "pg_ra", **OWN) >= 0.95 * FAR_SIGHTED


@pytest.mark.slow
def test_without_a_future_it_stays_with_the_shelf_that_pays_now(two_shelves: Any) -> None:
    assert reward_on(two_shelves, "pg_ra", **OWN, gamma=0.0) == pytest.approx(MYOPIC, abs=0.2)
