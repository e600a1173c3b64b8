"""A2C and ItemA2C over items: their advantages by hand, logged slates left out, and a world in which they must look ahead."""

from typing import Any

import numpy as np
import pytest
import torch

from hsrl_train.data.world import Catalogue, State
from hsrl_train.learner import losses
from hsrl_train.learner.methods import method_named
from hsrl_train.learner.methods.a2c import A2c
from hsrl_train.learner.methods.item_a2c import ItemA2c, item_shares
from hsrl_train.learner.methods.own_sessions import own_rows
from hsrl_train.learner.replay import Batch
from hsrl_train.learner.supervision import Supervision
from pipeline.errors import TrainingError
from tests.support.known_worlds import SMALL, total_reward, trained
from tests.support.learner import learner_config

K, H = 2, 3
LOOKING_AHEAD: dict[str, Any] = {
    "n_iterations": 700,
    "temperature": 1.0,
    "polyak": 0.05,
    "critic_trains_encoder": True,
    "actor_lr": 2e-3,
    "critic_lr": 5e-3,
    "actor_critic": {"entropy_weight": 0.1},
}
CATALOGUE = Catalogue(
    item_ids=np.arange(1, 5),
    vectors=torch.eye(5)[:, 1:],
    tokens=torch.tensor([[-1, -1], [0, 0], [0, 1], [1, 0], [1, 1]]),
    vocabulary=(2, 2),
    is_active=torch.tensor([False, True, True, True, True]),
    popularity=torch.zeros(5),
)


def learner(method: str = "a2c", **settings: Any) -> A2c:
    config = learner_config(**{**SMALL, "width": 8, "critic_hidden": (8,), "method": method, **settings})
    made = method_named(method).fresh(CATALOGUE, 1, H, config, 0)
    assert isinstance(made, A2c)
    return made


def batch(notes: list[float], cost: float = 0.2) -> Batch:
    """A step for each note; items 1 and 4 were shown and 1 was liked, the session went on."""
    b = len(notes)
    state = State(torch.ones(b, 1), torch.tensor([[1, 2, 0]] * b))
    feedback = torch.tensor([[1.0, 0.0]] * b)
    rho = feedback - cost * (1 - feedback)
    slate = torch.tensor([[1, 4]] * b)
    return Batch(
        state,
        slate,
        rho,
        rho.mean(1),
        torch.zeros(b).bool(),
        state,
        torch.full((b, K), -1.0),
        Supervision(slate, feedback),
        torch.tensor(notes)[:, None],
        feedback,
    )


def test_item_advantages_share_the_future_by_reward_and_sum_to_the_slates() -> None:
    """ρ = (1, −.2), α = .3: shares (1.3, .1) / 1.4. V(s) = .5, γ V̄(s') = .9 · 1: the future adds .4.

    K A = (1 + 2 · 1.3 / 1.4 · .4, −.2 + 2 · .1 / 1.4 · .4) = (1.742857, −.142857), whose mean .8 is r + γ V̄ − V = .4 + .4.
    """
    item = learner("item_a2c", actor_critic={"item_smoothing": 0.3}, advantage_clip=9.0)
    slate = learner("a2c", advantage_clip=9.0)
    of_items = item.advantage(batch([0.0]), torch.tensor([0.5]), torch.tensor([1.0]))
    assert of_items[0].tolist() == pytest.approx([1.742857, -0.142857], abs=1e-5)
    assert slate.advantage(batch([0.0]), torch.tensor([0.5]), torch.tensor([1.0])).tolist() == pytest.approx([0.8])


def test_shares_are_of_1_and_never_negative() -> None:
    assert item_shares(torch.tensor([[1.0, 0.0]]), 0.5)[0].tolist() == pytest.approx([0.75, 0.25])
    with pytest.raises(TrainingError, match="an item's reward is -0.2, expected above -0.1; raise item_smoothing"):
        item_shares(torch.tensor([[1.0, -0.2]]), 0.1)


def test_logged_slates_teach_neither_values_nor_the_policy_gradient() -> None:
    """The terms of two own steps are the same whatever of the log stands among them."""
    nan = float("nan")
    assert len(own_rows(batch([0.0, nan, 0.0])).slate) == 2
    pure, mixed = (learner().terms(batch(notes), 0.0) for notes in ([0.0, 0.0], [0.0, nan, 0.0]))
    assert set(pure) == {"policy_gradient_loss", "critic_loss", "entropy_loss"}
    assert {name: float(term.detach()) for name, term in mixed.items()} == pytest.approx(
        {name: float(term.detach()) for name, term in pure.items()}
    )


def test_the_likelihood_is_help_that_it_gets_where_it_has_a_weight() -> None:
    helped = learner(actor_critic={"likelihood_weight": 0.5})
    given = batch([0.0, float("nan")])
    term = helped.terms(given, 0.0)["likelihood_loss"]
    logits = helped.network.scores(given.state_t, CATALOGUE).gather(1, given.slate) + helped.network.bias
    assert float(term.detach()) == pytest.approx(0.5 * float(losses.two_sided_loss(logits, given.supervision.answers).detach()))


def test_batches_of_logged_slates_alone_are_refused() -> None:
    for settings in ({"answers": "logged"}, {"answers": "expected", "log_share": 1.0}):
        with pytest.raises(TrainingError, match="a2c learns from its own sessions"):
            learner(**settings)


def test_a_decomposed_critic_learns_from_the_target_by_way_of_the_action_value() -> None:
    """V = 1, Q = 3, target 5, β = ½: (3 − 5)² + ½ (1 − 3)² = 6; no gradient from V's loss reaches Q."""
    value, action_value = torch.tensor([1.0], requires_grad=True), torch.tensor([3.0], requires_grad=True)
    loss = losses.decomposed_critic_loss(value, action_value, torch.tensor([5.0]), torch.tensor([0.5]))
    loss.backward()
    assert (float(loss.detach()), float(value.grad), float(action_value.grad)) == (6.0, -2.0, -4.0)


def test_the_ratio_of_a_slate_is_the_geometric_mean_of_its_items_and_cut() -> None:
    """Items now ¼ and 4 times as probable: 1; both 4 times: 4, cut to 2."""
    now = torch.tensor([[-4.0, 4.0], [4.0, 4.0]]).div(4).exp2().log() * 2
    assert losses.slate_ratio(now, torch.zeros(2, 2), 2.0).tolist() == pytest.approx([1.0, 2.0])


def test_only_the_decomposed_critic_has_an_action_value_and_it_moves_with_an_update() -> None:
    assert learner().network.action_critic is None
    decomposed = learner(critic="decomposed")
    before = [weight.detach().clone() for weight in decomposed.network.action_critic.parameters()]
    decomposed.learn(batch([0.0, 0.0]), 1.0)
    assert any(not torch.equal(old, new) for old, new in zip(before, decomposed.network.action_critic.parameters(), strict=True))


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("method", ["a2c", "item_a2c"])
def test_it_gives_up_clicks_now_for_more_clicks_later(two_shelves: Any, method: str, seed: int) -> None:
    """At least 95 % of 10.731, which only a user taught to like shelf B gives."""
    assert total_reward(two_shelves, trained(two_shelves, method, seed, **LOOKING_AHEAD)[1]) >= 0.95 * 10.731


@pytest.mark.slow
@pytest.mark.parametrize("method", ["a2c", "item_a2c"])
def test_without_a_future_it_stays_with_the_shelf_that_pays_now(two_shelves: Any, method: str) -> None:
    """γ = 0: shelf A, 5.363, after 350 iterations; after 700 one seed of ItemA2C's four has taught users by chance (docs/baselines.md §4)."""
    policy = trained(two_shelves, method, **{**LOOKING_AHEAD, "n_iterations": 350}, gamma=0.0)[1]
    assert total_reward(two_shelves, policy) == pytest.approx(5.363, abs=0.25)


@pytest.mark.slow
def test_a_decomposed_critic_looks_ahead_too(two_shelves: Any) -> None:
    policy = trained(two_shelves, "a2c", **LOOKING_AHEAD, critic="decomposed")[1]
    assert total_reward(two_shelves, policy) >= 0.95 * 10.731


def test_item_a2c_is_a2c_in_all_but_the_advantage() -> None:
    assert issubclass(ItemA2c, A2c)
    own = {name for name in vars(ItemA2c) if not name.startswith("_")}
    assert own == {"advantage"}
