"""DDPG: its critic judges vectors as they were noted, its actor climbs that critic, and both see beyond the next slate."""

from typing import Any

import pytest
import torch

from hsrl_train.data.world import State
from hsrl_train.learner.methods.ddpg import METHOD, Ddpg
from tests.support.known_worlds import FAR_SIGHTED, MYOPIC, reward_on
from tests.support.updates import CATALOGUE, WIDTH, H, K, small_config, steps

SLATES = torch.tensor([[1, 5], [2, 6]])
LIKED = torch.tensor([[1.0, 0.0], [1.0, 1.0]])


def learner(**settings: object) -> Ddpg:
    made = METHOD.fresh(CATALOGUE, 0, H, small_config("ddpg", **settings), 0)
    assert isinstance(made, Ddpg)
    return made


def test_the_critic_judges_what_was_noted_and_of_logged_slates_their_mean_item() -> None:
    ours = learner()
    note = torch.randn(2, WIDTH)
    note[1] = torch.nan
    items = ours.network.items(CATALOGUE)
    taken = ours.taken(steps(SLATES, LIKED, note), items)
    assert torch.equal(taken[0], note[0])
    assert torch.allclose(taken[1], (items[2] + items[6]) / 2)
    assert torch.allclose(ours.taken(steps(SLATES, LIKED, torch.zeros(2, 0)), items), items[SLATES].mean(dim=1))


def test_the_target_is_the_reward_and_the_promise_of_the_targets_actor() -> None:
    ours, batch = learner(gamma=0.5), steps(SLATES, LIKED, torch.randn(2, WIDTH))
    context = ours.target.context(batch.state_tp1, CATALOGUE)
    promised = ours.target.values(context, ours.target.hyper_action(context))[:, 0]
    assert torch.allclose(ours.td_target(batch), torch.tensor([0.4, 1.0]) + 0.5 * promised)
    ended = steps(SLATES, LIKED, torch.randn(2, WIDTH), is_done=True)
    assert ours.td_target(ended).tolist() == pytest.approx([0.4, 1.0])


def test_the_actors_loss_moves_no_critic_and_the_critics_loss_no_actor() -> None:
    ours = learner(critic_trains_encoder=False)
    terms = ours.terms(steps(SLATES, LIKED, torch.randn(2, WIDTH)), 0.0)
    assert terms.keys() == {"critic_loss", "actor_loss"}
    terms["actor_loss"].backward(retain_graph=True)
    assert all(weight.grad is None for weight in ours.network.critics.parameters())
    assert all(weight.grad is not None for weight in ours.network.hyper_actor.parameters())
    ours.network.zero_grad()
    terms["critic_loss"].backward()
    moved = {name.split(".")[0] for name, weight in ours.network.named_parameters() if weight.grad is not None}
    assert moved == {"critics"}


def test_noise_is_noted_and_chooses_the_slate() -> None:
    ours = learner(hyper_action={"noise": 3.0})
    state = State(torch.zeros(64, 0), torch.zeros(64, H, dtype=torch.int64))
    choice = ours.act(state, K, torch.Generator().manual_seed(0))
    assert choice.note is not None
    scores = choice.note @ ours.network.items(CATALOGUE).T
    assert torch.equal(choice.slate, scores[:, 1:].topk(K, dim=1).indices + 1)
    assert len(choice.slate.unique(dim=0)) > 10
    still = learner(hyper_action={"noise": 0.0}).act(state, K, torch.Generator().manual_seed(0))
    assert len(still.slate.unique(dim=0)) == 1


def test_slates_are_drawn_by_their_scores_where_they_are_not_the_best() -> None:
    state = State(torch.zeros(200, 0), torch.zeros(200, H, dtype=torch.int64))

    def share(greedy: float) -> float:
        ours = learner(hyper_action={"noise": 0.0, "greedy_share": greedy}, temperature=5.0)
        best = ours.policy().slates(state, K, torch.Generator())
        return float((ours.act(state, K, torch.Generator().manual_seed(0)).slate == best).all(dim=1).float().mean())

    assert share(1.0) == 1
    assert 0.4 < share(0.5) < 0.6
    assert share(0.0) < 0.1


@pytest.mark.slow
def test_it_gives_up_clicks_now_for_more_clicks_later(two_shelves: Any) -> None:
    assert reward_on(two_shelves, "ddpg") >= 0.95 * FAR_SIGHTED


@pytest.mark.slow
def test_without_a_future_it_stays_with_the_shelf_that_pays_now(two_shelves: Any) -> None:
    assert reward_on(two_shelves, "ddpg", gamma=0.0) == pytest.approx(MYOPIC, abs=0.2)
