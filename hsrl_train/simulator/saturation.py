"""Users who tire: what resembles the recently shown is liked less, and recovers while other things are shown."""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from hsrl_train.data.world import PADDING, Catalogue, State, remembered
from hsrl_train.simulator.response import FrozenResponse, UserResponse


class SaturatingResponse(FrozenResponse):
    """The calibrated user, less what he is tired of.

        logit'_i = logit_i − s · t_i,   t_i = (1 − ρ) Σ_p ρ^p max(0, cos(x_i, x_p)),   ρ = 2^(−1 / half_life)

    x_p is the item shown p items ago in this session, liked or not; x are the model's own item vectors less their mean over the
    active items. t lies in [0, 1]: 1 after nothing but this item for ever, half of it left ``half_life`` other items later.

    Args:
        module: the fitted weights.
        catalogue: the items.
        strength: s, in log-odds; at 0 the answers are the calibrated user's, bit for bit.
        half_life: in items shown; > 0.
    """

    def __init__(self, module: UserResponse, catalogue: Catalogue, strength: float, half_life: float) -> None:
        super().__init__(module, catalogue)
        self.strength = strength
        self.recovery = 2 ** (-1 / half_life)
        centred = self.items - self.items[catalogue.is_active].mean(dim=0)
        centred[PADDING] = 0
        self.directions: Float[Tensor, "n_plus_1 w"] = torch.nn.functional.normalize(centred, dim=1)

    def to(self, device: str) -> "FrozenResponse":
        """Move all tensors there."""
        self.directions = self.directions.to(device)
        return super().to(device)

    def logits(self, state: State, slate: Int[Tensor, "b k"], tastes: Float[Tensor, "b w"] | None = None) -> Float[Tensor, "b k"]:
        """Log-odds of a like for each shown item, tiredness taken off."""
        fresh = super().logits(state, slate)
        if not self.strength:
            return fresh
        cosines = torch.einsum("bkw,bmw->bkm", self.directions[slate], self.directions[remembered(state).abs()])
        return fresh - self.strength * (cosines.clamp_min(0) @ self._weights(state)[..., None])[..., 0]

    def all_logits(self, state: State, tastes: Float[Tensor, "b w"] | None = None) -> Float[Tensor, "b n_plus_1"]:
        """The same for every item; remembered items one by one, so that memory stays at b × n."""
        logits = super().all_logits(state)
        if not self.strength:
            return logits
        shown, weights = remembered(state).abs(), self._weights(state)
        for item in range(shown.shape[1]):
            cosines = self.directions[shown[:, item]] @ self.directions.T
            logits -= self.strength * weights[:, item, None] * cosines.clamp_min(0)
        return logits

    def _weights(self, state: State) -> Float[Tensor, "b m"]:
        """(1 − ρ) ρ^p of each remembered item, p = 0 for the newest; padding stands on the right and resembles nothing."""
        n_shown = (remembered(state) != PADDING).sum(dim=1, keepdim=True)
        ago = (n_shown - 1 - torch.arange(remembered(state).shape[1], device=n_shown.device)).clamp_min(0)
        return (1 - self.recovery) * self.recovery**ago
