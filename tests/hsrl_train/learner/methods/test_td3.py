"""TD3: two critics, of which the smaller is believed; the actor waits; the target is smoothed."""

from typing import Any

import pytest
import torch

from hsrl_train.learner.methods import method_named
from hsrl_train.learner.methods.td3 import Td3
from tests.support.known_worlds import FAR_SIGHTED, MYOPIC, reward_on
from tests.support.updates import CATALOGUE, WIDTH, H, small_config, steps

BATCH = steps(torch.tensor([[1, 5], [2, 6]]), torch.tensor([[1.0, 0.0], [1.0, 1.0]]), torch.ones(2, WIDTH))


def learner(method: str = "td3", **settings: object) -> Td3:
    made = method_named(method).fresh(CATALOGUE, 0, H, small_config(method, **settings), 0)
    assert isinstance(made, Td3)
    return made


def test_the_target_uses_the_critic_that_promises_less() -> None:
    """Q_1 = 100 and Q_2 = 3 everywhere: y = r + γ 3."""
    ours = learner(gamma=0.5)
    for critic, value in zip(ours.target.critics, (100.0, 3.0), strict=True):
        for weight in critic.parameters():
            weight.zero_()
        critic[-1].bias.fill_(value)  # type: ignore[index]
    assert ours.td_target(BATCH).tolist() == pytest.approx([0.4 + 1.5, 1.0 + 1.5])


def test_actor_and_targets_move_together_at_every_second_update_only() -> None:
    """As Algorithm 1 of the paper: where t mod d = 0, the actor takes its step and then all targets follow."""
    ours = learner(hyper_action={"delay": 2})
    moved = []
    for _ in range(4):
        before = [weight.clone() for weight in (*ours.network.hyper_actor.parameters(), *ours.target.critics.parameters())]
        critics = [weight.detach().clone() for weight in ours.network.critics.parameters()]
        ours.learn(BATCH, 1.0)
        now = [*ours.network.hyper_actor.parameters(), *ours.target.critics.parameters()]
        n_actor = len(list(ours.network.hyper_actor.parameters()))
        changed = [not torch.equal(old, new) for old, new in zip(before, now, strict=True)]
        moved.append((any(changed[:n_actor]), any(changed[n_actor:])))
        assert any(not torch.equal(old, new) for old, new in zip(critics, ours.network.critics.parameters(), strict=True))
    assert moved == [(False, False), (True, True)] * 2


def test_smoothing_moves_the_targets_vector_and_is_cut() -> None:
    def next_action(smoothing: float) -> torch.Tensor:
        ours = learner(hyper_action={"smoothing": smoothing})
        return ours.next_action(BATCH, ours.target.context(BATCH.state_tp1, CATALOGUE))

    still = next_action(0.0)
    assert torch.equal(still, next_action(0.0))
    apart = (next_action(0.2) - still).abs()
    assert apart.max() > 0
    assert apart.max() <= 2.5 * 0.2 * float(still.square().mean(dim=1).sqrt().max()) + 1e-5


def test_as_published_it_has_twins_but_neither_delay_nor_smoothing() -> None:
    ours = learner("td3_published", hyper_action={"delay": 5, "smoothing": 0.5})
    settings = ours.config.hyper_action
    assert (settings.delay, settings.smoothing, ours.actor_asks, len(ours.network.critics)) == (1, 0.0, 2, 2)
    assert len(learner(hyper_action={"twin": False}).network.critics) == 1


@pytest.mark.slow
def test_it_gives_up_clicks_now_for_more_clicks_later(two_shelves: Any) -> None:
    assert reward_on(two_shelves, "td3", n_iterations=800) >= 0.95 * FAR_SIGHTED


@pytest.mark.slow
def test_without_a_future_it_stays_with_the_shelf_that_pays_now(two_shelves: Any) -> None:
    assert reward_on(two_shelves, "td3", gamma=0.0) == pytest.approx(MYOPIC, abs=0.2)
