"""Slates picked item by item: a recurrent prefix, proto-items whose nearest free item is shown, and a DIN critic of candidates.

Axes: b users, k places of a slate, j items that were seen before (history, then slate), d width, n items of the catalogue.
"""

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from hsrl_train.learner.decoding import best_column
from hsrl_train.learner.methods.networked import mlp

# Hidden width of DIN's activation unit, as published there (Zhou et al., KDD '18).
DIN_HIDDEN = 36


class LowLevel(nn.Module):
    """Picks the items of a slate in turn, for a state and a goal. What a device would hold; see ``hsrl_train/serving/edge.py``.

        h_1 = W [c; g],   h_{k+1} = GRU(e_{i_k}, h_k),   a_k = tanh(MLP[h_k; g])

    Args:
        width: d of state, goal and items.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.begin = nn.Linear(2 * width, width)
        self.prefix = nn.GRU(width, width, batch_first=True)
        self.actor = mlp(2 * width, (2 * width,), width)

    def start(self, c0: Float[Tensor, "b d"], goal: Float[Tensor, "b d"]) -> Float[Tensor, "b d"]:
        """h_1."""
        first: Tensor = self.begin(torch.cat([c0, goal], dim=1))
        return first

    def hidden(
        self, c0: Float[Tensor, "b d"], goal: Float[Tensor, "b d"], items: Float[Tensor, "b k d"]
    ) -> Float[Tensor, "b k_plus_1 d"]:
        """h_1 … h_{K+1} of given slates."""
        first = self.start(c0, goal)
        later, _ = self.prefix(items, first[None])
        return torch.cat([first[:, None], later], dim=1)

    def proto(self, hidden: Float[Tensor, "b k d"], goal: Float[Tensor, "b d"]) -> Float[Tensor, "b k d"]:
        """a_k, each coordinate in (−1, 1)."""
        goals = goal[:, None].expand(-1, hidden.shape[1], -1)
        wanted: Tensor = self.actor(torch.cat([hidden, goals], dim=2)).tanh()
        return wanted

    def slate(
        self,
        c0: Float[Tensor, "b d"],
        goal: Float[Tensor, "b d"],
        items: Float[Tensor, "n_plus_1 d"],
        added: Float[Tensor, "b n_plus_1"],
        is_last: Bool[Tensor, "b n_plus_1"],
        k: int,
    ) -> Int[Tensor, "b k"]:
        """k different items for each user.

        Args:
            c0: the states.
            goal: of the slates.
            items: e_i of the catalogue.
            added: to the scores of items; −∞ where one may not be shown.
            is_last: items that come last, whatever their scores.
            k: length of a slate.
        """
        hidden = self.start(c0, goal)[None]
        free, places = added, []
        for _ in range(k):
            proto = self.proto(hidden.transpose(0, 1), goal)[:, 0]
            item = best_column(proto @ items.T + free, is_last)
            places.append(item)
            free = free.scatter(1, item, -torch.inf)
            _, hidden = self.prefix(items[item], hidden)
        return torch.cat(places, dim=1)


class DinCritic(nn.Module):
    """Q_L(h_k, g, e) = MLP[h_k; g; e; DIN(e)], where DIN is the sum of what was seen before, each item weighted by the candidate.

        DIN(e) = Σ_j MLP[x_j; e; x_j ⊙ e] x_j,   hidden width 36, no softmax

    Args:
        width: d.
        hidden: hidden widths of the value network.
    """

    def __init__(self, width: int, hidden: tuple[int, ...]) -> None:
        super().__init__()
        # The activation unit's first layer, in three: x_j ⊙ e is then a matrix product and is never held.
        self.of_seen = nn.Linear(width, DIN_HIDDEN)
        self.of_candidate = nn.Linear(width, DIN_HIDDEN, bias=False)
        self.of_both = nn.Linear(width, DIN_HIDDEN, bias=False)
        self.weight = nn.Linear(DIN_HIDDEN, 1)
        self.value = mlp(4 * width, hidden, 1)

    def forward(
        self,
        hidden: Float[Tensor, "b k d"],
        goal: Float[Tensor, "b d"],
        candidate: Float[Tensor, "b k d"],
        seen: Float[Tensor, "b j d"],
        is_seen: Bool[Tensor, "b k j"],
    ) -> Float[Tensor, "b k"]:
        """The value of each candidate at its place.

        Args:
            hidden: h_k.
            goal: g.
            candidate: vector of an item, or a proto-item.
            seen: vectors of the history, then of the slate.
            is_seen: which of them lie before place k.
        """
        both = (candidate[:, :, None] * self.of_both.weight).flatten(1, 2) @ seen.transpose(1, 2)
        unit = both.unflatten(1, (hidden.shape[1], DIN_HIDDEN))
        unit = unit + self.of_seen(seen).transpose(1, 2)[:, None] + self.of_candidate(candidate)[..., None]
        weights = ((self.weight.weight @ unit.relu())[:, :, 0] + self.weight.bias) * is_seen
        inputs = [hidden, goal[:, None].expand(-1, hidden.shape[1], -1), candidate, weights @ seen]
        value: Tensor = self.value(torch.cat(inputs, dim=2))[..., 0]
        return value


def seen_before(history: Int[Tensor, "b h"], k: int) -> Bool[Tensor, "b k h_plus_k"]:
    """What of [history; slate] lies before each place of the slate: the whole history, and the places before it."""
    b = len(history)
    earlier = torch.ones(k, k, dtype=torch.bool, device=history.device).tril(-1)
    return torch.cat([(history > 0)[:, None].expand(-1, k, -1), earlier.expand(b, -1, -1)], dim=2)


def nearest_free(
    proto: Float[Tensor, "b k d"],
    items: Float[Tensor, "n_plus_1 d"],
    added: Float[Tensor, "b n_plus_1"],
    is_last: Bool[Tensor, "b n_plus_1"],
    slate: Int[Tensor, "b k_plus_1"],
) -> Int[Tensor, "b k"]:
    """The item of highest inner product with each proto-item that no earlier place of the slate holds; exact.

    Args:
        proto: for places 2 … K.
        items: e_i of the catalogue.
        added: to the scores of items; −∞ where one may not be shown.
        is_last: items that come last, whatever their scores.
        slate: whose places 1 … K−1 lie before them.
    """
    k = proto.shape[1]
    scores = proto @ items.T + added[:, None]
    before = slate[:, None, :k] * torch.ones(k, k, dtype=slate.dtype, device=slate.device).tril()  # 0 is padding, never free
    scores.scatter_(2, before, -torch.inf)
    return best_column(scores.flatten(0, 1), is_last.repeat_interleave(k, dim=0)).unflatten(0, (len(slate), k))[..., 0]
