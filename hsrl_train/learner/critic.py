"""The multi-level critic: a value at every context, fused by learned weights (HSRL eq. 15–17)."""

from itertools import pairwise
from typing import Literal, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn

from hsrl_train.learner import losses


class MultiLevelCritic(nn.Module):
    """MLC: v_l = V_φ(c(l)) for l = 0 … L, V(s) = Σ_l w_l v_l, w = softmax(ω).

    ω is a parameter of this module, so the critic's optimizer moves it and a target copy has its own (in the released code no
    optimizer has it). With ``first_level`` V(s) = v_0 and ω has one entry.

    Args:
        width: d of a context.
        n_contexts: L + 1.
        hidden: hidden widths of V_φ.
        values: whether all contexts have a say or c(0) only.
        level_weights: ``fixed`` keeps w at 1 / (L + 1).
    """

    def __init__(
        self,
        width: int,
        n_contexts: int,
        hidden: tuple[int, ...],
        values: Literal["all_levels", "first_level"],
        level_weights: Literal["learned", "fixed"],
    ) -> None:
        super().__init__()
        self.n_values = n_contexts if values == "all_levels" else 1
        self.omega = nn.Parameter(torch.zeros(self.n_values), requires_grad=level_weights == "learned")
        layers: list[nn.Module] = []
        for n_in, n_out in pairwise((width, *hidden)):
            layers += [nn.Linear(n_in, n_out), nn.ReLU()]
        self.value = nn.Sequential(*layers, nn.Linear((width, *hidden)[-1], 1))

    def forward(self, contexts: Float[Tensor, "b levels_plus_1 d"]) -> Float[Tensor, " b"]:
        """V(s) of b states (17); unbounded, in units of discounted reward."""
        values: Tensor = self.value(contexts[:, : self.n_values])[..., 0]
        return values @ self.weights()

    def weights(self) -> Float[Tensor, " n_values"]:
        """w = softmax(ω), which sums to 1."""
        return self.omega.softmax(dim=0)


class ActionValue(nn.Module):
    """Q(s, Z) = MLP([c(0); z]), z the mean over the slate of its items in the encoder's item space.

    The half of a decomposed temporal difference that knows what was shown (docs/baselines.md §3.8); [A]: how a slate is joined to the state.

    Args:
        width: d of a state and of an item.
        hidden: hidden widths.
    """

    def __init__(self, width: int, hidden: tuple[int, ...]) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for n_in, n_out in pairwise((2 * width, *hidden)):
            layers += [nn.Linear(n_in, n_out), nn.ReLU()]
        self.value = nn.Sequential(*layers, nn.Linear((2 * width, *hidden)[-1], 1))

    def forward(self, c0: Float[Tensor, "b d"], items: Float[Tensor, "b k d"]) -> Float[Tensor, " b"]:
        """Of b slates, in units of discounted reward."""
        values: Tensor = self.value(torch.cat([c0, items.mean(dim=1)], dim=1))[:, 0]
        return values


class Judged(NamedTuple):
    """b steps as a critic sees them.

    Attributes:
        c0: states as the critic reads them.
        value_t: V(s_t).
        target_t: Q̂_t of (18).
        items: what was shown, in the encoder's item space.
        log_probs: log π(i | s) of each shown item, by today's policy.
        log_probs_then: the same when it was shown.
    """

    c0: Float[Tensor, "b d"]
    value_t: Float[Tensor, " b"]
    target_t: Float[Tensor, " b"]
    items: Float[Tensor, "b k d"]
    log_probs: Float[Tensor, "b k"]
    log_probs_then: Float[Tensor, "b k"]


def critic_term(action_value: ActionValue | None, judged: Judged, ratio_clip: float) -> Float[Tensor, ""]:
    """The critic's loss (20), or with an action value the two of TD decomposition, which leave the encoder of items alone."""
    if action_value is None:
        return losses.critic_loss(judged.value_t, judged.target_t)
    ratio = losses.slate_ratio(judged.log_probs, judged.log_probs_then, ratio_clip)
    action_value_t = action_value(judged.c0, judged.items.detach())
    return losses.decomposed_critic_loss(judged.value_t, action_value_t, judged.target_t, ratio)
