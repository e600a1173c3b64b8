"""The losses, each worked by hand."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from hsrl_train.learner import losses


def test_the_target_bootstraps_only_where_the_session_goes_on() -> None:
    """r + γ V' = 0.5 + 0.9 · 2 = 2.3; where the session ended only r = 0.5 remains."""
    next_value = torch.tensor([2.0, 2.0], requires_grad=True)
    target = losses.td_target(torch.tensor([0.5, 0.5]), torch.tensor([False, True]), next_value, gamma=0.9)
    assert target.tolist() == pytest.approx([2.3, 0.5])
    assert not target.requires_grad


def test_the_slate_advantage_is_cut_and_has_no_gradient() -> None:
    """2.3 − 0.5 = 1.8, cut to 1; 0.5 − 0.75 = −0.25 stays."""
    value = torch.tensor([0.5, 0.75], requires_grad=True)
    advantage = losses.slate_advantage(torch.tensor([2.3, 0.5]), value, clip=1.0)
    assert advantage.tolist() == pytest.approx([1.0, -0.25])
    assert not advantage.requires_grad


def test_the_item_advantage_tells_liked_from_refused() -> None:
    """Q̂ − V = 0.2 and r = 0.45: liked 1 − 0.45 + 0.2 = 0.75, refused −0.1 − 0.45 + 0.2 = −0.35; their mean is 0.2."""
    advantage = losses.item_advantage(
        torch.tensor([1.2]) - torch.tensor([1.0]), torch.tensor([0.45]), torch.tensor([[1.0, -0.1]]), clip=1.0
    )
    assert advantage.tolist() == [pytest.approx([0.75, -0.35])]


@given(st.lists(st.booleans(), min_size=1, max_size=10), st.floats(-0.2, 0.2))
def test_item_advantages_have_the_slates_as_mean_before_the_cut(answers: list[bool], gap: float) -> None:
    liked = torch.tensor([answers], dtype=torch.float32)
    item_reward = liked - 0.1 * (1 - liked)
    reward, value = item_reward.mean(dim=1), torch.tensor([3.0])
    per_item = losses.item_advantage(value + gap - value, reward, item_reward, clip=100.0)
    assert per_item.mean(dim=1).item() == pytest.approx(losses.slate_advantage(value + gap, value, 100.0).item(), abs=1e-5)


def test_the_critic_pays_the_squared_gap() -> None:
    """((1 − 2)² + (3 − 3)²) / 2 = 0.5."""
    assert losses.critic_loss(torch.tensor([1.0, 3.0]), torch.tensor([2.0, 3.0])).item() == 0.5


def test_the_policy_gradient_weighs_mean_log_probabilities() -> None:
    """−½ · (log ¼ + log ½) with A = 1 is (3/2) log 2; one advantage an item, (1, −1), gives −½ · (log ¼ − log ½) = ½ log 2."""
    log_probs = torch.tensor([[0.25, 0.5]]).log()
    assert losses.policy_gradient_loss(torch.tensor([1.0]), log_probs).item() == pytest.approx(1.5 * math.log(2))
    assert losses.policy_gradient_loss(torch.tensor([[1.0, -1.0]]), log_probs).item() == pytest.approx(0.5 * math.log(2))


def test_entropy_is_taken_level_by_level() -> None:
    """Level 1 is even over two tokens: log 2. Level 2 is sure: 0. The loss is minus their mean."""
    log_probs = torch.tensor([[0.5, 0.5, 1.0, 1e-30]]).log()
    entropies = losses.entropy_by_level(log_probs, (2, 2))
    assert entropies.tolist() == pytest.approx([math.log(2), 0.0])
    assert losses.entropy_loss(entropies).item() == pytest.approx(-math.log(2) / 2)


def test_cloning_sums_over_the_liked_items_only() -> None:
    """Liked items of probability ½ and ¼: log 2 + log 4 = 3 log 2; the refused one does not count."""
    log_probs = torch.tensor([[0.5, 0.25, 0.1]]).log()
    assert losses.cloning_loss(log_probs, torch.tensor([[1.0, 1.0, 0.0]])).item() == pytest.approx(3 * math.log(2))


def test_the_two_sided_likelihood_pushes_liked_up_and_refused_down() -> None:
    """At logit 0 each item costs log 2, and the gradient is (σ(0) − y) / 2 = −¼ for the liked, +¼ for the refused."""
    logits = torch.zeros(1, 2, requires_grad=True)
    loss = losses.two_sided_loss(logits, torch.tensor([[1.0, 0.0]]))
    loss.backward()
    assert loss.item() == pytest.approx(math.log(2))
    assert logits.grad is not None and logits.grad.tolist() == [[-0.25, 0.25]]


def test_an_items_own_reward_can_count_by_its_share_of_the_slate() -> None:
    """K = 2, Q̂ − V = 0.2 and r = 0.45: at share ½ the liked gets ½ · 0.55 + 0.2 = 0.475, the refused ½ · −0.55 + 0.2 = −0.075."""
    args = (torch.tensor([1.2]) - torch.tensor([1.0]), torch.tensor([0.45]), torch.tensor([[1.0, -0.1]]))
    assert losses.item_advantage(*args, clip=1.0, share=0.5).tolist() == [pytest.approx([0.475, -0.075])]
    assert losses.item_advantage(*args, clip=1.0, share=0.0).tolist() == [pytest.approx([0.2, 0.2])]


def test_the_actor_pays_each_term_by_its_weight() -> None:
    """1 · 2 + 0.1 · (−3) + 0.5 · 4 = 3.7; a term of weight 0 is left out, even where it is no number."""
    two, minus_three, four = torch.tensor(2.0), torch.tensor(-3.0), torch.tensor(4.0)
    assert losses.actor_loss(two, minus_three, four, (1.0, 0.1, 0.5)).item() == pytest.approx(3.7)
    assert losses.actor_loss(two, torch.tensor(torch.nan), four, (1.0, 0.0, 0.5)).item() == pytest.approx(4.0)


def test_actor_and_critic_are_paid_together() -> None:
    assert losses.joint_loss(torch.tensor(3.7), torch.tensor(0.5)).item() == pytest.approx(4.2)


def test_a_replayed_item_counts_by_what_the_policy_still_thinks_of_it() -> None:
    """π now ⅛, ½, ½ against ½, ½, ⅛ then: ¼, 1, and 4 cut to 2. No gradient."""
    now = torch.tensor([[0.125, 0.5, 0.5]]).log().requires_grad_()
    weight = losses.importance_weight(now, torch.tensor([[0.5, 0.5, 0.125]]).log(), clip=2.0)
    assert weight.tolist() == [pytest.approx([0.25, 1.0, 2.0])]
    assert not weight.requires_grad
