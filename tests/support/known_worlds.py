"""Any method trained where the best that can be had is known, and what it then earns."""

from typing import Any

import torch

from hsrl_train.data.world import Records
from hsrl_train.evaluation.rollouts import evaluate, summarise
from hsrl_train.learner.loop import Learner, StoredPolicy, train
from hsrl_train.learner.methods import method_named
from tests.support.learner import learner_config

# Small nets that learn fast; answers are drawn, since that is all a method that learns from people has.
SMALL: dict[str, Any] = {
    "learn_after": 300,
    "critic_hidden": (64, 32),
    "width": 16,
    "n_heads": 2,
    "n_blocks": 1,
    "batch_size": 32,
    "answers": "drawn",
    "uses_refusals": False,
}


def trained(world: Any, method: str, seed: int = 0, **settings: object) -> tuple[Learner, StoredPolicy]:
    """The learner and its policy after sessions in a ``KnownWorld``, all of which begin with nobody knowing anything."""
    config = learner_config(method=method, **{**SMALL, **settings})
    start = world.starts(1)
    records = Records.of(
        user=torch.zeros(1, dtype=torch.int64),
        exposed=torch.ones(1, world.k, dtype=torch.int64),
        feedback=torch.zeros(1, world.k),
        history=start.history,
        is_train=torch.ones(1, dtype=torch.bool),
        profiles=start.profile,
    )
    chosen = method_named(method)
    learner = chosen.fresh(world.catalogue, 0, start.history.shape[1], config, seed)
    return learner, train(learner, world.environment, records, chosen.configured(config), seed).policy


def total_reward(world: Any, policy: StoredPolicy, n_sessions: int = 2000) -> float:
    """Mean over sessions of the sum of rewards."""
    return summarise(evaluate("trained", [policy], [world.environment], world.shared(n_sessions))).total_reward


# Total reward on Two Shelves of always B, which looks ahead, and of always A, which a myopic policy shows (exact).
FAR_SIGHTED, MYOPIC = 10.731, 5.363
# For methods that act by a vector: as published where nothing else is said, and targets that follow fast enough for so few updates.
LOOKING_AHEAD: dict[str, Any] = {
    "preset": "paper",
    "n_iterations": 500,
    "polyak": 0.05,
    "actor_lr": 2e-3,
    "critic_lr": 3e-3,
    "hyper_action": {"noise": 1.5},
}


def reward_on(world: Any, method: str, seed: int = 1, **settings: object) -> float:
    """Total reward of what the method learned with ``LOOKING_AHEAD`` and these settings."""
    return total_reward(world, trained(world, method, seed, **{**LOOKING_AHEAD, **settings})[1], 1000)
