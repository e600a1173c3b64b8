"""Where simulated sessions begin: states of logged records."""

from typing import Literal

import numpy as np
import torch

from hsrl_train.data.world import Records, State, states_of
from pipeline.errors import TrainingError


def sample_starts(records: Records, n: int, seed: int, split: Literal["train", "test"] = "test") -> State:
    """Draw n states to begin sessions in.

    Every user gives one before any gives a second. With fewer than n records the same come round again, and their sessions differ
    by luck alone.

    Args:
        records: of both splits.
        n: how many states.
        seed: decides which, and their order.
        split: ``test`` to judge; ``train`` for choices that must not see the test.

    Raises:
        TrainingError: the split has no record.
    """
    rows = (records.is_train if split == "train" else ~records.is_train).nonzero().squeeze(1).cpu().numpy()
    if not len(rows):
        raise TrainingError(f"starts: 0 of {len(records)} records are of the {split} split, expected some; check the split")
    rows = np.random.default_rng(seed).permutation(rows)
    users = records.user.cpu().numpy()[rows]
    order = np.argsort(users, kind="stable")
    is_first = np.concatenate([[True], np.diff(users[order]) != 0])
    first = np.maximum.accumulate(np.where(is_first, np.arange(len(rows)), 0))
    turn = np.empty(len(rows), dtype=np.int64)
    turn[order] = np.arange(len(rows)) - first
    by_turn = rows[np.argsort(turn, kind="stable")]
    return states_of(records.select(torch.from_numpy(by_turn[np.arange(n) % len(rows)]).to(records.device)))
