"""Slates that ask about attributes of items: which there are, what is believed of them, and how probable a slate was.

Axes: b users, k places of a slate, a attributes, n items.
"""

from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from hsrl_train.data.world import PADDING, Catalogue, State, remembered


def attributes_of(catalogue: Catalogue) -> Int[Tensor, " n_plus_1"]:
    """The code of level 1 of each item; V_1 where it has none."""
    codes = catalogue.tokens[:, 0].long()
    return torch.where(codes < 0, catalogue.vocabulary[0], codes)


def belief(
    state: State, attributes: Int[Tensor, " n_plus_1"], n_attributes: int, decay: float, refusal_weight: float
) -> Float[Tensor, "b a"]:
    """b_a = Σ_j ρ^{age j} [a = A(i_j)] over the likes, less what was refused of a as far as the state remembers.

    Args:
        state: of b users.
        attributes: of each item.
        n_attributes: how many there are.
        decay: ρ, for each like that came after.
        refusal_weight: of each item that was shown in vain.
    """
    is_like = state.history != PADDING
    age = is_like.sum(dim=1, keepdim=True) - 1 - torch.arange(state.history.shape[1], device=is_like.device)
    weight = decay ** age.clamp_min(0).float() * is_like
    found = torch.zeros(len(is_like), n_attributes, device=is_like.device)
    found.scatter_add_(1, attributes[state.history], weight)
    if refusal_weight:
        shown = remembered(state)
        found.scatter_add_(1, attributes[shown.abs()], -refusal_weight * (shown < 0).float())
    return found


def quotas(k: int, n_asked: int) -> list[int]:
    """Places of each attribute in turn: ⌈K / M⌉ as long as there are any; they sum to K."""
    each = -(-k // n_asked)
    return [quota for place in range(n_asked) if (quota := min(each, k - place * each)) > 0]


def director_log_prob(logits: Float[Tensor, "b a"], attributes: Int[Tensor, "b k"]) -> Float[Tensor, "b k"]:
    """Plackett–Luce: log π_D at the first place of each attribute, given those asked before; 0 at its other places."""
    k = attributes.shape[1]
    earlier = torch.ones(k, k, dtype=torch.bool, device=logits.device).tril(-1)
    is_same = attributes[:, :, None] == attributes[:, None]
    is_first = ~(is_same & earlier).any(dim=2)
    taken = torch.zeros(len(logits), k, logits.shape[1], dtype=torch.bool, device=logits.device)
    before = torch.where(earlier, attributes[:, None], attributes[:, None, :1])
    taken.scatter_(2, before, value=True)
    taken[:, 0] = False
    left = logits[:, None].masked_fill(taken, -torch.inf).logsumexp(dim=2)
    # Where an attribute comes again nothing was drawn; the sum over what is left may then be empty.
    found = logits.gather(1, attributes) - torch.where(is_first, left, 0.0)
    return torch.where(is_first, found, 0.0)


class WorkerOdds(NamedTuple):
    """Of each place: log π_W of its item, the entropy of its attribute's softmax, and whether the item is of that attribute."""

    log_prob: Float[Tensor, "b k"]
    entropy: Float[Tensor, "b k"]
    is_own: Bool[Tensor, "b k"]


def worker_odds(
    scores: Float[Tensor, "b n_plus_1"],
    slate: Int[Tensor, "b k"],
    asked: Int[Tensor, "b k"],
    attributes: Int[Tensor, " n_plus_1"],
    n_attributes: int,
) -> WorkerOdds:
    """A softmax over the items of each place's attribute that no earlier place holds; entropies are those of the first place.

    Args:
        scores: by temperature; −∞ for what may not be shown.
        slate: items.
        asked: the attribute of each place.
        attributes: of each item.
        n_attributes: how many there are.
    """
    b, k = slate.shape
    columns = attributes.expand(b, -1)
    top = torch.full((b, n_attributes), -torch.inf, device=scores.device)
    top = top.scatter_reduce(1, columns, scores.detach(), "amax").clamp_min(-1e30)
    centred = scores - top.gather(1, columns)
    weight = centred.exp()
    empty = torch.zeros(b, n_attributes, device=scores.device)
    total = empty.scatter_add(1, columns, weight)
    weighted = empty.scatter_add(1, columns, torch.where(weight > 0, weight * centred.clamp_min(-1e3), 0.0))
    chosen = weight.gather(1, slate)
    earlier = torch.ones(k, k, dtype=torch.bool, device=slate.device).tril(-1)
    is_taken = earlier & (asked[:, :, None] == attributes[slate][:, None]) & (slate[:, :, None] != slate[:, None])
    left = torch.maximum(total.gather(1, asked) - (is_taken * chosen[:, None]).sum(dim=2), chosen)
    is_own = attributes[slate] == asked
    log_prob = torch.where(is_own, centred.gather(1, slate) - left.clamp_min(1e-30).log(), 0.0)
    of_place = total.gather(1, asked).clamp_min(1e-30)
    return WorkerOdds(log_prob, of_place.log() - weighted.gather(1, asked) / of_place, is_own)
