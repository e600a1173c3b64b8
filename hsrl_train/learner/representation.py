"""Representing items by what they do to a user: an inverse model guesses the slate from two successive states (PG-RA, Chandak et al. 2019).

    ê = MLP[c; c'],   P(i | ê) = softmax_i ⟨ê, e_i⟩,   L_RA = −mean_k log P(i_k | ê)

It teaches itself and the items; states are held. Items with the same effect are drawn to the same ê, and so to one another.
[A] A state changes by what was liked, so that refused items cannot be guessed: they are left out where ``clicked_only``, and so is a slate
without a like. As published the whole slate is guessed.
"""

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from hsrl_train.learner.methods.networked import mlp
from hsrl_train.learner.replay import Batch

# Hidden widths of the inverse model: 2 d → 256 → 64 → d (docs/baselines.md §3.6).
HIDDEN = (256, 64)


class InverseModel(nn.Module):
    """ê = MLP[c; c'] ∈ R^d."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.guess = mlp(2 * width, HIDDEN, width)

    def forward(self, before: Float[Tensor, "b d"], after: Float[Tensor, "b d"]) -> Float[Tensor, "b d"]:
        """Of two successive states each; no gradient reaches them."""
        guess: Tensor = self.guess(torch.cat([before, after], dim=1).detach())
        return guess


def guessed_places(batch: Batch, *, clicked_only: bool) -> Bool[Tensor, "b k"]:
    """Places of the slates that the inverse model has to guess: those that were liked, or all."""
    return batch.feedback_t > 0 if clicked_only else torch.ones_like(batch.feedback_t, dtype=torch.bool)


def representation_loss(
    guess: Float[Tensor, "b d"],
    items: Float[Tensor, "n_plus_1 d"],
    slate: Int[Tensor, "b k"],
    counts: Bool[Tensor, "b k"],
    is_active: Bool[Tensor, " n_plus_1"],
) -> Float[Tensor, ""]:
    """−log P(i_k | ê), a mean over the places that count and over the slates that have any; 0 where none has.

    Args:
        guess: ê of each step.
        items: e_i.
        slate: what was shown, active items.
        counts: places to be guessed.
        is_active: items that P is over.
    """
    log_probs = (guess @ items.T).masked_fill(~is_active, -torch.inf).log_softmax(dim=1).gather(1, slate)
    n_counted = counts.sum(dim=1)
    by_slate = torch.where(counts, -log_probs, 0.0).sum(dim=1) / n_counted.clamp_min(1)
    return by_slate.sum() / (n_counted > 0).sum().clamp_min(1)
