"""A state wound back some slates."""

import pytest
import torch

from hsrl_train.data.world import State
from hsrl_train.learner.stale_state import state_at_last_visit, state_before
from pipeline.errors import TrainingError


def user(history: list[int], recent: list[int]) -> State:
    return State(torch.zeros(1, 0), torch.tensor([history]), torch.tensor([recent]))


def test_what_was_shown_since_is_forgotten_and_so_are_likes_of_it() -> None:
    """Slates (1, −2), (3, 4), (−5, 6): two of them back only item 1 was liked."""
    state = user([1, 3, 4, 6, 0], [1, -2, 3, 4, -5, 6, 0, 0])
    before = state_before(state, torch.tensor([4]))
    assert before.history.tolist() == [[1, 0, 0, 0, 0]]
    assert before.recent is not None and before.recent.tolist() == [[1, -2, 0, 0, 0, 0, 0, 0]]


@pytest.mark.parametrize(("every", "n_left"), [(1, 6), (2, 4), (3, 6), (4, 0)])
def test_the_clock_is_what_was_shown(every: int, n_left: int) -> None:
    """Three slates were shown: of every second the newest look was at two, of every third it is now, of every fourth at none."""
    found = state_at_last_visit(user([1, 3, 4, 6, 0], [1, -2, 3, 4, -5, 6, 0, 0]), 2, every)
    assert found.recent is not None and int((found.recent != 0).sum()) == n_left


def test_a_full_memory_is_as_old_as_may_be() -> None:
    found = state_at_last_visit(user([1, 3], [1, -2, 3, -4]), 2, 2)
    assert found.recent is not None and found.recent.tolist() == [[1, -2, 0, 0]]
    assert found.history.tolist() == [[1, 0]]


def test_a_state_without_memory_cannot_be_wound_back() -> None:
    state = State(torch.zeros(1, 0), torch.tensor([[1, 3]]))
    assert state_at_last_visit(state, 2, 1) is state
    with pytest.raises(TrainingError, match="kept for 3 slates, but sessions remember 0 shown items"):
        state_at_last_visit(state, 2, 3)
