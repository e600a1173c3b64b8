"""The line that tells whether the sessions of a study ended by the temper law."""

from types import SimpleNamespace
from typing import Any

import numpy as np

from flows.study.lawful import temper_line
from hsrl_train.simulator.config import EnvironmentConfig


def outcome(rewards: list[float], depths: list[int], k: int = 9) -> Any:
    """A judgement in one simulator, of sessions with these rewards and depths."""
    played = SimpleNamespace(k=k, rewards=np.array([rewards]), depths=np.array([depths]))
    settings = SimpleNamespace(environment=EnvironmentConfig(temper0=20.0, max_steps=20))
    return SimpleNamespace(trial=SimpleNamespace(settings=settings), results=[SimpleNamespace(rollouts=(played,))])


def test_sessions_that_left_with_patience_to_spare_are_counted() -> None:
    """Ten slates of K = 9 that earn 9 spend 19 of 20, which no user leaves after; 8.9 spend 19.9."""
    assert temper_line([outcome([8.9, 8.0], [10, 10])]) == "the temper law (docs/protocol.md) holds in every one of 2 sessions"
    broken = [outcome([8.9], [10]), outcome([9.05, 17.423], [10, 17])]
    assert temper_line(broken) == "the temper law (docs/protocol.md) is broken in 2 of 3 sessions"


def test_a_session_that_was_stopped_may_have_spent_less() -> None:
    assert "holds" in temper_line([outcome([20.0], [20])])
