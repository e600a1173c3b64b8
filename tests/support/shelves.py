"""A method learns Two Shelves (tests/hsrl_train/conftest.py) and is played for many sessions."""

from typing import Any

import torch

from hsrl_train.data.world import Records
from hsrl_train.evaluation.rollouts import evaluate, summarise
from hsrl_train.learner.loop import train
from hsrl_train.learner.methods import method_named
from tests.support.learner import learner_config

HISTORY = 20
# Total reward of always B, which looks ahead, and of always A, which a myopic policy shows.
FAR_SIGHTED, MYOPIC = 10.731, 5.363
SMALL: dict[str, Any] = {
    "preset": "paper",
    "learn_after": 500,
    "critic_hidden": (64, 32),
    "width": 16,
    "n_heads": 2,
    "n_blocks": 1,
    "actor_lr": 2e-3,
}


def reward_on(world: Any, method: str, seed: int, **settings: object) -> float:
    """Total reward of what the method learned, over 1,000 sessions that begin with nothing known."""
    config = method_named(method).configured(learner_config(**{**SMALL, "method": method, **settings}))
    records = Records(
        user=torch.zeros(1, dtype=torch.int64),
        exposed=torch.ones(1, world.k, dtype=torch.int64),
        feedback=torch.zeros(1, world.k),
        history=torch.zeros(1, HISTORY, dtype=torch.int64),
        is_train=torch.ones(1, dtype=torch.bool),
        profiles=torch.zeros(1, 0),
    )
    learner = method_named(method).fresh(world.catalogue, 0, HISTORY, config, seed)
    policy = train(learner, world.environment, records, config, seed).policy
    return summarise(evaluate(method, [policy], [world.environment], world.shared(1000))).total_reward
