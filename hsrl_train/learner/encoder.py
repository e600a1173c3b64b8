"""The state of a user: a causal transformer over the positives, joined with the profile (HSRL eq. 10)."""

from collections.abc import Mapping

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.nn import functional

from hsrl_train.data.world import PADDING, State, remembered
from hsrl_train.learner.sections import NetworkConfig
from pipeline.errors import TrainingError

# Tastes that a belief tells apart; twice as many told no more on ML-1M.
BELIEF_WIDTH = 8


class CausalBlock(nn.Module):
    """Pre-norm self-attention and a feed-forward layer of twice the width, both residual."""

    def __init__(self, width: int, n_heads: int) -> None:
        super().__init__()
        self.n_heads = n_heads
        self.attention_norm = nn.LayerNorm(width)
        self.query = nn.Linear(width, width)
        self.key_value = nn.Linear(width, 2 * width)
        self.output = nn.Linear(width, width)
        self.feed_norm = nn.LayerNorm(width)
        self.feed = nn.Sequential(nn.Linear(width, 2 * width), nn.ReLU(), nn.Linear(2 * width, width))

    def forward(self, x: Float[Tensor, "b h_plus_1 d"]) -> Float[Tensor, "b h_plus_1 d"]:
        """Every position attends to itself and to what is before it.

        Padding stands on the right, so no real position sees it; what padded positions compute is never read.
        """
        normed = self.attention_norm(x)
        return self._joined(x, self._attend(normed, normed, mask=None))

    def last(
        self, x: Float[Tensor, "b h_plus_1 d"], query_at: Float[Tensor, "b 1 d"], is_real: Bool[Tensor, "b h_plus_1"]
    ) -> Float[Tensor, "b 1 d"]:
        """The same for the newest position alone, over the real positions only: all that the state needs of the last block."""
        return self._joined(
            query_at, self._attend(self.attention_norm(query_at), self.attention_norm(x), mask=is_real[:, None, None])
        )

    def _attend(self, queries: Tensor, keys: Tensor, mask: Tensor | None) -> Tensor:
        b, n, width = queries.shape
        q = self.query(queries).view(b, n, self.n_heads, -1).transpose(1, 2)
        k, v = self.key_value(keys).view(b, keys.shape[1], 2, self.n_heads, -1).permute(2, 0, 3, 1, 4)
        attended = functional.scaled_dot_product_attention(q, k, v, attn_mask=mask, is_causal=mask is None)
        joined: Tensor = self.output(attended.transpose(1, 2).reshape(b, n, width))
        return joined

    def _joined(self, x: Tensor, attended: Tensor) -> Tensor:
        x = x + attended
        fed: Tensor = self.feed(self.feed_norm(x))
        return x + fed


class Belief(nn.Module):
    """What a user's likes and refusals say of him together: the posterior mean of a Bayesian linear regression whose inputs are learned.

        z = (diag(λ) + ¼ Σ_p v_p v_pᵀ)⁻¹ Σ_p (y_p − σ(q_p)) v_p,   v_p = [W x_p; 1],   q_p = ⟨w, x_p⟩ + b

    Sums over everything that the state remembers as shown: y_p is 1 for a like, q_p what anybody would say of the item. Few answers
    leave z near 0, many settle it, and a refusal of what everybody likes tells more than one of what nobody does. ¼ is the most that
    an answer can tell, p (1 − p) at p = ½.

    Args:
        item_width: width of an item vector.
        width: of what comes out.
    """

    def __init__(self, item_width: int, width: int) -> None:
        super().__init__()
        self.direction = nn.Linear(item_width, BELIEF_WIDTH)
        self.quality = nn.Linear(item_width, 1)
        self.log_precision = nn.Parameter(torch.zeros(BELIEF_WIDTH + 1))
        self.out = nn.Linear(BELIEF_WIDTH + 1, width, bias=False)

    def forward(self, recent: Int[Tensor, "b m"], vectors: Float[Tensor, "n_plus_1 item_width"]) -> Float[Tensor, "b d"]:
        """Of b users; 0 for whoever was shown nothing."""
        shown = vectors[recent.abs()]
        is_there = (recent != PADDING).to(shown.dtype)
        surprise = ((recent > 0).to(shown.dtype) - torch.sigmoid(self.quality(shown)[..., 0])) * is_there
        inputs = functional.pad(self.direction(shown), (0, 1), value=1.0) * is_there[..., None]
        precision = torch.diag(self.log_precision.exp()) + 0.25 * inputs.transpose(1, 2) @ inputs
        evidence = torch.einsum("bm,bmw->bw", surprise, inputs)
        known: Tensor = self.out(torch.linalg.solve(precision, evidence))
        return known


class StateEncoder(nn.Module):
    """SASRec with the profile: c(0) ∈ R^d from a State (HSRL eq. 10).

    An item is a linear map of its vector, so an item of tonight needs no new weight. Positions count back from the newest
    positive, so neither the padding nor the length it is cut to changes a state. A start token makes the empty history a state.

    Args:
        item_width: width of an item vector.
        profile_width: width of a profile; 0 where the state has none.
        max_history: H, the longest history.
        config: d, blocks and heads, and whether profile and refusals join the state; refusals by a ``Belief``.
    """

    def __init__(self, item_width: int, profile_width: int, max_history: int, config: NetworkConfig) -> None:
        super().__init__()
        width, n_heads = config.width, config.n_heads
        self.belief = Belief(item_width, width) if config.uses_refusals else None
        self.item = nn.Linear(item_width, width)
        self.position = nn.Embedding(max_history + 1, width)
        self.start = nn.Parameter(torch.randn(width) * 0.02)
        self.earlier_blocks = nn.ModuleList(CausalBlock(width, n_heads) for _ in range(config.n_blocks - 1))
        self.last_block = CausalBlock(width, n_heads)
        self.norm = nn.LayerNorm(width)
        self.profile_width = profile_width if config.uses_profile else 0
        self.state = nn.Linear(width + self.profile_width, width)
        nn.init.normal_(self.position.weight, std=0.02)

    def forward(self, state: State, vectors: Float[Tensor, "n_plus_1 item_width"]) -> Float[Tensor, "b d"]:
        """Encode b users.

        Args:
            state: profiles and histories, right-padded with 0; any may be empty.
            vectors: item vectors of the catalogue the history's numbers point into.
        """
        lengths = (state.history != PADDING).sum(1)
        history = state.history[:, : int(lengths.max())]
        b, h = history.shape
        tokens = torch.cat([self.start.expand(b, 1, -1), self.item(vectors[history])], dim=1)
        positions = torch.arange(h + 1, device=history.device)
        x = tokens + self.position((lengths[:, None] - positions).clamp_min(0))
        for block in self.earlier_blocks:
            x = block(x)
        newest = x[torch.arange(b, device=x.device), lengths][:, None]
        newest = self.last_block.last(x, newest, positions <= lengths[:, None])[:, 0]
        hidden = self.norm(newest)
        if self.profile_width:
            hidden = torch.cat([hidden, state.profile], dim=1)
        c0: Tensor = self.state(hidden)
        if self.belief is not None:
            c0 = c0 + self.belief(remembered(state), vectors)
        return c0


def sizes_in(tensors: Mapping[str, Tensor], width: int) -> tuple[int, int]:
    """Width of the profile and H of the encoder that stored weights hold under ``encoder.``.

    Raises:
        TrainingError: they hold none.
    """
    missing = [name for name in ("encoder.position.weight", "encoder.state.weight") if name not in tensors]
    if missing:
        raise TrainingError(
            f"policy: {len(missing)} of 2 tensors that tell its sizes are missing ({', '.join(missing)}); train anew with: hsrl retrain"
        )
    return max(tensors["encoder.state.weight"].shape[1] - width, 0), len(tensors["encoder.position.weight"]) - 1
