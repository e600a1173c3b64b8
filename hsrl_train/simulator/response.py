"""The user response model: how likely a user is to like a shown item (docs/protocol.md)."""

from typing import cast

import torch
import torch.nn.functional as F  # noqa: N812  (the name everyone knows it by)
from jaxtyping import Float, Int
from torch import Tensor, nn

from hsrl_train.data.world import PADDING, Catalogue, State
from hsrl_train.simulator.config import SimulatorConfig


class UserResponse(nn.Module):
    """Attention over what the user liked, matched with what is shown.

        e_u = MLP(profile),   x_i = W vector_i,   q = W' [cross(e_u, self(start, x_history)); e_u],   logit_i = ⟨q, x_i⟩

    Two departures from the authors' code: padding is masked in both attentions, and a learned start token stands before the
    history, so that an empty one has a key to attend to. Without a profile (u = 0) e_u is learned, one for all.

    Args:
        catalogue: its vectors are frozen into the model and stay outside its state dict.
        profile_width: u.
        config: widths, heads and dropout.
    """

    vectors: Float[Tensor, "n_plus_1 d"]

    def __init__(self, catalogue: Catalogue, profile_width: int, config: SimulatorConfig) -> None:
        super().__init__()
        width = config.width
        self.register_buffer("vectors", catalogue.vectors, persistent=False)
        self.user = nn.Sequential(
            # The profile comes with a 1 at its end, which serves as the bias and lets a profile have no columns.
            nn.Linear(profile_width + 1, config.hidden, bias=False),
            nn.ReLU(),
            nn.Dropout(config.dropout),
            nn.Linear(config.hidden, width),
        )
        self.item = nn.Linear(catalogue.vectors.shape[1], width)
        self.start = nn.Parameter(torch.zeros(width))
        self.over_history = nn.MultiheadAttention(width, config.n_heads, batch_first=True)
        self.by_user = nn.MultiheadAttention(width, config.n_heads, batch_first=True)
        self.join = nn.Linear(2 * width, width)

    def forward(self, state: State, slate: Int[Tensor, "b k"]) -> Float[Tensor, "b k"]:
        """Logits of the shown items, for fitting; only the items at hand are projected, once."""
        h = state.history.shape[1]
        items = self.item(self.vectors[torch.cat([state.history, slate], dim=1)])
        q = self.interest(state, items[:, :h])
        return torch.einsum("bw,bkw->bk", q, items[:, h:])

    def interest(self, state: State, history: Float[Tensor, "b h w"]) -> Float[Tensor, "b w"]:
        """q, what the user is after.

        Args:
            state: the profiles, and in ``state.history`` which places are padding.
            history: the projected items of the history, as they stand in ``state.history``.
        """
        user = self.user(F.pad(state.profile, (0, 1), value=1.0)).unsqueeze(1)
        keys = torch.cat([self.start.expand(len(history), 1, -1), history], dim=1)
        is_gap = F.pad(state.history == PADDING, (1, 0), value=False)
        keys, _ = self.over_history(keys, keys, keys, key_padding_mask=is_gap, need_weights=False)
        found, _ = self.by_user(user, keys, keys, key_padding_mask=is_gap, need_weights=False)
        return cast(Tensor, self.join(torch.cat([found, user], dim=2))).squeeze(1)


class FrozenResponse:
    """A fitted model as the environment asks it: in evaluation mode, without gradients, every item projected once for all.

    Implements :class:`hsrl_train.data.world.ResponseModel`.

    Attributes:
        module: the fitted weights.
        items: (n + 1, w) projections x_i; the vectors in which this user's taste is linear.
    """

    def __init__(self, module: UserResponse, catalogue: Catalogue) -> None:
        self.module = module.eval()
        self._is_hidden = ~catalogue.is_active
        with torch.no_grad():
            self.items: Float[Tensor, "n_plus_1 w"] = module.item(catalogue.vectors)

    @property
    def item_map(self) -> Float[Tensor, "d w"]:
        """Wᵀ, from an item's vector to x_i."""
        return self.module.item.weight.detach().T

    def to(self, device: str) -> "FrozenResponse":
        """Move all tensors there."""
        self.module.to(device)
        self.items, self._is_hidden = self.items.to(device), self._is_hidden.to(device)
        return self

    @torch.no_grad()
    def interest(self, state: State) -> Float[Tensor, "b w"]:
        """q of each user; its second moment weighs the item space for score-aware Semantic IDs."""
        return self.module.interest(state, self.items[state.history])

    def tastes(self, state: State, generator: torch.Generator) -> Float[Tensor, "b w"]:
        """Nothing: what this user likes follows what he liked, from slate to slate."""
        return state.profile[:, :0]

    def logits(self, state: State, slate: Int[Tensor, "b k"], tastes: Float[Tensor, "b w"] | None = None) -> Float[Tensor, "b k"]:
        """Log-odds of a like for each shown item; ``tastes`` are not read."""
        return torch.einsum("bw,bkw->bk", self.interest(state), self.items[slate])

    def all_logits(self, state: State, tastes: Float[Tensor, "b w"] | None = None) -> Float[Tensor, "b n_plus_1"]:
        """The same for every item; -inf for padding and inactive items."""
        return (self.interest(state) @ self.items.T).masked_fill(self._is_hidden, -torch.inf)
