"""A batch of steps for the update of a single learner, over eight items without profiles."""

import numpy as np
import torch
from torch import Tensor

from hsrl_train.data.world import Catalogue, State
from hsrl_train.learner.config import LearnerConfig
from hsrl_train.learner.replay import Batch
from hsrl_train.learner.supervision import Supervision
from tests.support.learner import learner_config

N_ITEMS, K, H, WIDTH = 8, 2, 4, 8
CATALOGUE = Catalogue(
    item_ids=np.arange(1, N_ITEMS + 1),
    vectors=torch.eye(N_ITEMS + 1)[:, 1:],
    tokens=torch.tensor([[-1, -1]] + [[half, pair] for half in (0, 1) for pair in (0, 0, 1, 1)]),
    vocabulary=(2, 2),
    is_active=torch.arange(N_ITEMS + 1) > 0,
    popularity=torch.zeros(N_ITEMS + 1),
)


def small_config(method: str, **settings: object) -> LearnerConfig:
    """A tiny network, and no term of a shared loss but those that are given."""
    return learner_config(method=method, width=WIDTH, n_heads=2, n_blocks=1, critic_hidden=(8,), **settings)


def steps(slates: Tensor, feedback: Tensor, note: Tensor, *, is_done: bool = False) -> Batch:
    """Steps of sessions that began with item 1 liked; their rewards follow from the answers at cost 0.2."""
    n = len(slates)
    before = torch.tensor([[1, 0, 0, 0]]).repeat(n, 1)
    after = before.clone()
    after[:, 1] = torch.where(feedback[:, 0] > 0, slates[:, 0], 0)
    item_reward = feedback - 0.2 * (1 - feedback)
    return Batch(
        State(torch.zeros(n, 0), before),
        slates,
        item_reward,
        item_reward.mean(dim=1),
        torch.full((n,), is_done),
        State(torch.zeros(n, 0), after),
        torch.zeros(n, K),
        Supervision(slates, feedback),
        note,
        feedback,
    )
