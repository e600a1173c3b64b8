"""From token scores to slates: Semantic IDs of the pinned table to items (HSRL eq. 9, App. E).

Only Semantic IDs that a showable item has are ever scored, and they are those of the catalogue given here, not of the one
the policy learned on: an item that got its SID tonight can be shown tonight. A showable item is active and has a SID.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from hsrl_train.hpn import token_columns
from hsrl_train.world import Catalogue
from pipeline.errors import TrainingError


@dataclass(frozen=True)
class SidIndex:
    """The showable items, sorted by SID and within a SID by popularity (most positives first, then the lower number).

    Attributes:
        columns: token columns of each of the m distinct SIDs.
        items: item numbers of the n showable items.
        bucket: which SID each of ``items`` has; rising.
        start: where each SID's items begin in ``items``, with n as last entry.
    """

    columns: Int[Tensor, "m l"]
    items: Int[Tensor, " n"]
    bucket: Int[Tensor, " n"]
    start: Int[Tensor, " m_plus_1"]

    @classmethod
    def of(cls, catalogue: Catalogue) -> "SidIndex":
        """Index the active items that have a SID.

        Raises:
            TrainingError: there are none.
        """
        shown = (catalogue.is_active & (catalogue.tokens >= 0).all(dim=1)).nonzero()[:, 0]
        if not len(shown):
            n_active = int(catalogue.is_active.sum())
            raise TrainingError(f"decoding: none of {n_active} active items has a SID, expected one at least; run: hsrl refresh")
        popular_first = shown[catalogue.popularity[shown].argsort(descending=True, stable=True)]
        sids, bucket = catalogue.tokens[popular_first].unique(dim=0, return_inverse=True)
        by_sid = bucket.argsort(stable=True)
        sizes = torch.bincount(bucket, minlength=len(sids))
        start = torch.cat([torch.zeros(1, dtype=torch.int64), sizes.cumsum(0)])
        return cls(token_columns(sids.long(), catalogue.vocabulary), popular_first[by_sid], bucket[by_sid], start)

    def require(self, k: int) -> None:
        """Raise TrainingError where a slate of k different items cannot be filled."""
        if len(self.items) < k:
            raise TrainingError(
                f"decoding: {len(self.items)} active items have a SID, expected at least the slate's {k}; "
                "shorten the slate or run: hsrl refresh"
            )

    def scores(self, log_probs: Float[Tensor, "b all_tokens"]) -> Float[Tensor, "b m"]:
        """log Π_l π(z_l | c(l-1)) of every SID (14), the score of each item behind it; summed raw logits rank alike."""
        total = log_probs.index_select(1, self.columns[:, 0])
        for level in range(1, self.columns.shape[1]):
            total = total + log_probs.index_select(1, self.columns[:, level])
        return total

    def best(self, scores: Float[Tensor, "b m"], k: int) -> Int[Tensor, "b k"]:
        """The k items of highest score, without repeats; of one SID the most popular first.

        k SIDs hold k items at least, so the best k SIDs are opened in order until the slate is full.
        """
        self.require(k)
        ranked = scores.topk(min(k, scores.shape[1]), dim=1).indices
        offset = torch.arange(k)
        places = self.start[ranked][..., None] + offset
        exists = (places < self.start[ranked + 1][..., None]).flatten(1)
        first = (~exists).to(torch.uint8).argsort(dim=1, stable=True)[:, :k]
        return self.items[places.flatten(1).gather(1, first)]

    def sampled(self, scores: Float[Tensor, "b m"], k: int, temperature: float, generator: torch.Generator) -> Int[Tensor, "b k"]:
        """k different items drawn one after another: a SID in proportion to exp(score / temperature), then any one of its items.

        Gumbel top-k over items with log-weight score / temperature − log n_sid, which is that draw without replacement. Without the second term
        a SID shared by 384 items would be drawn 384 times too often (FACTS, learning).
        """
        self.require(k)
        sizes = self.start.diff()
        weights = (scores / temperature - sizes.log()).index_select(1, self.bucket)
        # −log(−log u) is Gumbel; torch's exponential_ draws one by one and costs six times as much
        minus_gumbel = torch.rand(weights.shape, generator=generator).log_().neg_().log_()
        return self.items[weights.sub_(minus_gumbel).topk(k, dim=1).indices]
