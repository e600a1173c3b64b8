"""The replay's ring."""

import pytest
import torch

from hsrl_train.learner.replay import Replay, Transitions


def transitions(*users: int) -> Transitions:
    """One step of each user, recognisable by its number everywhere."""
    user = torch.tensor(users)
    item = user[:, None]
    return Transitions(user, item, item, item.float(), user.float(), user % 2 == 0, item + 1, -item.float(), item.float())


def test_the_oldest_make_room() -> None:
    """Capacity 3, users 1 … 5: 3, 4 and 5 are kept, each with all that belongs to it."""
    replay = Replay(3)
    replay.add(transitions(1, 2))
    replay.add(transitions(3, 4))
    replay.add(transitions(5))
    drawn = replay.sample(100, torch.Generator().manual_seed(0))
    assert len(replay) == 3
    assert set(drawn.user.tolist()) == {3, 4, 5}
    assert torch.equal(drawn.recent[:, 0], drawn.user + 1)
    assert torch.equal(drawn.is_done, drawn.user % 2 == 0)
    assert drawn.slate.dtype == torch.int64


def test_a_restored_replay_goes_on_like_the_first() -> None:
    first, second = Replay(3), Replay(3)
    first.add(transitions(1, 2, 3))
    first.add(transitions(4))
    second.load_tensors(first.to_tensors())
    for replay in (first, second):
        replay.add(transitions(5))
    drawn = [replay.sample(20, torch.Generator().manual_seed(1)) for replay in (first, second)]
    assert all(torch.equal(a, b) for a, b in zip(*drawn, strict=True))


def test_an_empty_replay_is_not_sampled() -> None:
    with pytest.raises(ValueError, match="empty"):
        Replay(3).sample(1, torch.Generator())
