"""Judgements while learning, and the end of a training that no longer gains; counted in iterations, never by the clock."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from hsrl_train.data.weights import require_names
from hsrl_train.data.world import Policy

MeanReward = Callable[[Policy], float]


@dataclass
class EarlyStopping:
    """Judges the policy every so many iterations, and knows when to stop.

    ``mean_reward`` must answer alike for the same policy and touch no random stream of the training: then a training that is judged
    equals the same training without judgements, up to its end.

    Attributes:
        mean_reward: mean total reward of a policy.
        every: iterations between two judgements.
        patience: judgements in a row without a gain after which it is flat; 0 = never.
        best: the best judgement so far.
        n_flat: judgements since then.
    """

    mean_reward: MeanReward
    every: int
    patience: int
    best: float = -torch.inf
    n_flat: int = 0

    @property
    def is_flat(self) -> bool:
        """Whether the training should end."""
        return 0 < self.patience <= self.n_flat

    def judged(self, iteration: int, policy: Callable[[], Policy]) -> list[float]:
        """The judgement, where it is time for one."""
        if iteration % self.every:
            return []
        found = self.mean_reward(policy())
        self.n_flat = 0 if found > self.best else self.n_flat + 1
        self.best = max(self.best, found)
        return [found]

    def settings(self) -> dict[str, Any]:
        """What a checkpoint is good for."""
        return {"judge_every": self.every, "stop_after_flat": self.patience}

    def to_tensors(self) -> dict[str, Tensor]:
        """Where it stands, for a checkpoint."""
        return {"best": torch.tensor(self.best, dtype=torch.float64), "n_flat": torch.tensor(self.n_flat)}

    def load_tensors(self, tensors: Mapping[str, Tensor]) -> None:
        """Go on from what ``to_tensors`` gave.

        Raises:
            TrainingError: it is not there.
        """
        require_names(tensors, {"best", "n_flat"}, "checkpoint, judgements")
        self.best, self.n_flat = float(tensors["best"]), int(tensors["n_flat"])
