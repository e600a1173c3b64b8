"""What a log showed its users before each slate, by hand."""

from dataclasses import replace

import pytest
import torch

from hsrl_train.data.tensors import with_log
from hsrl_train.data.world import Records, newest, share_shown_again, states_of

# User 0 was shown 1 2, then 3 4, then 5 6; user 1 was shown 7 8, then 9 1.
EXPOSED = torch.tensor([[1, 2], [3, 4], [5, 6], [7, 8], [9, 1]])
LIKED = torch.tensor([[1.0, 0], [1, 1], [0, 1], [1, 1], [0, 0]])
BARE = Records.of(
    torch.tensor([0, 0, 0, 1, 1]),
    EXPOSED,
    LIKED,
    torch.zeros(5, 2, dtype=torch.int64),
    torch.ones(5, dtype=torch.bool),
    torch.zeros(2, 0),
)
LOG = with_log(BARE)


@pytest.mark.parametrize(
    ("memory", "third"),
    [(1, [4]), (2, [3, 4]), (3, [-2, 3, 4]), (4, [1, -2, 3, 4]), (5, [1, -2, 3, 4, 0]), (9, [1, -2, 3, 4, 0, 0, 0, 0, 0])],
)
def test_the_newest_stay_whatever_the_memory(memory: int, third: list[int]) -> None:
    """Before the third slate of user 0; slates of two, so that an odd memory cuts a slate in two."""
    assert LOG.shown_before(memory)[2].tolist() == third


def test_each_record_has_its_own_users_past() -> None:
    """A first slate has none, also right behind another user's; refusals are negative."""
    assert LOG.shown_before(3).tolist() == [[0, 0, 0], [1, -2, 0], [-2, 3, 4], [0, 0, 0], [7, 8, 0]]
    assert LOG.shown_before(3).dtype == torch.int64


def test_a_part_of_the_records_keeps_the_past_of_all() -> None:
    """Training records do too: what the log holds before them counts, whether it is among them or not."""
    assert LOG.select(torch.tensor([4, 2])).shown_before(3).tolist() == [[7, 8, 0], [-2, 3, 4]]
    assert LOG.select(torch.tensor([0, 0, 1, 0, 0]).bool()).shown_before(4).tolist() == [[1, -2, 3, 4]]


def test_without_a_log_or_memory_nothing_is_known() -> None:
    assert BARE.shown_before(7).shape == LOG.shown_before(0).shape == (5, 0)


def test_states_hold_the_past_and_the_user() -> None:
    states = states_of(LOG, memory=2)
    assert states.recent is not None and states.user is not None
    assert states.recent.tolist() == LOG.shown_before(2).tolist() and states.user.tolist() == [0, 0, 0, 1, 1]


def test_the_newest_of_padded_lists() -> None:
    lists = torch.tensor([[1, -2, 3, 0], [0, 0, 0, 0], [4, 5, 6, 7]])
    assert newest(lists, 2).tolist() == [[-2, 3], [0, 0], [6, 7]]
    assert newest(lists, 6).tolist() == [[1, -2, 3, 0, 0, 0], [0] * 6, [4, 5, 6, 7, 0, 0]]
    assert newest(lists, 0).shape == (3, 0)


def test_an_item_is_shown_again_where_the_same_user_had_it() -> None:
    """Item 1 was shown to both users, to each once. With 7 in place of it user 1 has it twice: one of ten places."""
    assert share_shown_again(LOG) == 0
    again = LOG.log.shown.clone()
    again[4, 1] = 7
    assert share_shown_again(Records(replace(LOG.log, shown=again))) == pytest.approx(0.1)
