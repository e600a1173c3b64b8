"""The user of family attention whose taste stays as it was when the session began: what he likes there changes nothing."""

from collections.abc import Mapping

import torch
from jaxtyping import Float, Int
from torch import Tensor

from hsrl_train.data.world import Catalogue, State
from hsrl_train.simulator.config import SimulatorConfig
from hsrl_train.simulator.families import attention
from hsrl_train.simulator.families.family import Family
from hsrl_train.simulator.response import FrozenResponse


class SteadyResponse(FrozenResponse):
    """The same weights; a session keeps the interest that it began with."""

    def tastes(self, state: State, generator: torch.Generator) -> Float[Tensor, "b w"]:
        """q of the state in which the session begins."""
        return self.interest(state)

    def logits(self, state: State, slate: Int[Tensor, "b k"], tastes: Float[Tensor, "b w"] | None = None) -> Float[Tensor, "b k"]:
        """Log-odds of a like for each shown item."""
        q = self.interest(state) if tastes is None else tastes[:, : self.items.shape[1]]
        return torch.einsum("bw,bkw->bk", q, self.items[slate])


def read(tensors: Mapping[str, Tensor], catalogue: Catalogue, profile_width: int, config: SimulatorConfig) -> SteadyResponse:
    """The model of the tensors that family attention was fitted with."""
    return SteadyResponse(attention.read_module(tensors, catalogue, profile_width, config), catalogue)


FAMILY = Family("frozen_attention", attention.fit, read, fitted_as="attention")
