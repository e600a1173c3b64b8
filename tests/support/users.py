"""Simulated users whose answers follow from the state alone."""

from typing import Self

import torch
from torch import Tensor

from hsrl_train.data.world import State


class OpenUsers:
    """Users who keep nothing hidden for a session: tastes of width 0. A test's own class says what they like."""

    def to(self, device: str) -> Self:
        return self

    def tastes(self, state: State, generator: torch.Generator) -> Tensor:
        return state.profile[:, :0]

    def logits(self, state: State, slate: Tensor, tastes: Tensor | None = None) -> Tensor:
        return self.all_logits(state).gather(1, slate)

    def all_logits(self, state: State, tastes: Tensor | None = None) -> Tensor:
        raise NotImplementedError
