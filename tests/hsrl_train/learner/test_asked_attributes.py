"""Attributes that slates ask about: the belief, the quotas, and how probable a slate was."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from hsrl_train.data.world import State
from hsrl_train.learner.asked_attributes import belief, director_log_prob, quotas, worker_odds

# Items 1, 2 have attribute 0, items 3, 4 attribute 1, item 5 attribute 2; padding has the last, 3.
ATTRIBUTES = torch.tensor([3, 0, 0, 1, 1, 2])


def user(history: list[int], recent: list[int]) -> State:
    return State(torch.zeros(1, 0), torch.tensor([history]), torch.tensor([recent]))


def test_two_likes_raise_their_attribute_and_nothing_else() -> None:
    """Likes of 3 and then 4 with ρ = .9: b_1 = .9 + 1."""
    found = belief(user([3, 4, 0], []), ATTRIBUTES, 4, decay=0.9, refusal_weight=0.0)
    assert torch.allclose(found, torch.tensor([[0.0, 1.9, 0.0, 0.0]]))


def test_refusals_lower_the_belief_only_where_they_are_remembered() -> None:
    state = user([3, 0, 0], [3, -1, -2, 0])
    assert belief(state, ATTRIBUTES, 4, 0.9, 0.0).tolist() == [[0, 1, 0, 0]]
    assert torch.allclose(belief(state, ATTRIBUTES, 4, 0.9, 0.2), torch.tensor([[-0.4, 1.0, 0.0, 0.0]]))


@given(st.integers(1, 30), st.integers(1, 30))
def test_quotas_fill_the_slate(k: int, n_asked: int) -> None:
    found = quotas(k, n_asked)
    assert sum(found) == k and len(found) <= n_asked and min(found) > 0 and max(found) == -(-k // n_asked)


def test_attributes_are_drawn_without_replacement() -> None:
    """Odds 1 : 2 : 3. Asking 2 and then 0: 3/6 · 1/3; a second place of an attribute draws nothing; all of them: 2/6 · 1/4 · 1."""
    logits = torch.tensor([[1.0, 2.0, 3.0]] * 2).log()
    found = director_log_prob(logits, torch.tensor([[2, 2, 0], [1, 0, 2]])).exp()
    assert torch.allclose(found, torch.tensor([[1 / 2, 1.0, 1 / 3], [2 / 6, 1 / 4, 1.0]]))


def test_an_attribute_that_comes_again_when_none_is_left_has_finite_gradients() -> None:
    logits = torch.zeros(1, 2, requires_grad=True)
    director_log_prob(logits, torch.tensor([[0, 1, 0]])).sum().backward()
    assert logits.grad is not None and logits.grad.isfinite().all()


def test_items_compete_with_the_free_items_of_their_attribute() -> None:
    """Weights 1, 3 | 2, 2 | 7: item 2 has 3/4, then item 1 all that is left; item 5 where attribute 1 was asked is filled, not drawn."""
    scores = torch.tensor([[-torch.inf, 1.0, 3.0, 2.0, 2.0, 7.0]]).log().nan_to_num(nan=-torch.inf)
    scores[0, 0] = -torch.inf
    found = worker_odds(scores, torch.tensor([[2, 1, 3, 5]]), torch.tensor([[0, 0, 1, 1]]), ATTRIBUTES, 4)
    assert torch.allclose(found.log_prob.exp(), torch.tensor([[3 / 4, 1.0, 1 / 2, 1.0]]), atol=1e-6)
    assert found.is_own.tolist() == [[True, True, True, False]]
    entropy = -(0.25 * torch.tensor(0.25).log() + 0.75 * torch.tensor(0.75).log())
    assert found.entropy[0].tolist() == pytest.approx([float(entropy)] * 2 + [0.6931] * 2, abs=1e-4)


def test_scores_far_apart_between_attributes_do_not_underflow() -> None:
    scores = torch.tensor([[-torch.inf, 0.0, 0.0, 500.0, 500.0, 1000.0]], requires_grad=True)
    found = worker_odds(scores, torch.tensor([[1, 3]]), torch.tensor([[0, 1]]), ATTRIBUTES, 4)
    assert torch.allclose(found.log_prob.exp(), torch.tensor([[0.5, 0.5]]))
    (found.log_prob.sum() + found.entropy.sum()).backward()
    assert scores.grad is not None and scores.grad[:, 1:].isfinite().all()
