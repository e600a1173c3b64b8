"""Which states sessions begin in."""

import pytest
import torch

from hsrl_train.data.starts import sample_starts
from hsrl_train.data.world import Records
from pipeline.errors import TrainingError


def records(users: list[int], is_train: list[bool]) -> Records:
    """Record i has item i + 1 as its history."""
    n = len(users)
    return Records.of(
        torch.tensor(users),
        torch.ones(n, 1, dtype=torch.int64),
        torch.ones(n, 1),
        torch.arange(1, n + 1)[:, None],
        torch.tensor(is_train),
        torch.arange(10.0)[:, None],
    )


# User 0 has four test records (1–4), users 1 and 2 one each (5, 6); record 7 is for training.
LOGS = records([0, 0, 0, 0, 1, 2, 0], [False] * 6 + [True])


@pytest.mark.parametrize("seed", range(5))
def test_every_user_gives_one_start_before_any_gives_a_second(seed: int) -> None:
    starts = sample_starts(LOGS, 3, seed)
    assert sorted(starts.profile[:, 0].tolist()) == [0, 1, 2]


def test_starts_come_from_the_split_that_was_asked_for() -> None:
    assert set(sample_starts(LOGS, 6, 1).history[:, 0].tolist()) == {1, 2, 3, 4, 5, 6}
    assert sample_starts(LOGS, 2, 1, "train").history[:, 0].tolist() == [7, 7]


def test_the_same_seed_gives_the_same_starts() -> None:
    assert torch.equal(sample_starts(LOGS, 5, 3).history, sample_starts(LOGS, 5, 3).history)
    assert not torch.equal(sample_starts(LOGS, 5, 3).history, sample_starts(LOGS, 5, 4).history)


def test_a_split_without_records_is_refused() -> None:
    with pytest.raises(TrainingError, match="0 of 1 records are of the test split"):
        sample_starts(records([0], [True]), 3, 1)
