"""From token scores to slates: Semantic IDs of the pinned table to items (HSRL eq. 9, App. E).

Only Semantic IDs that a showable item has are ever scored, and they are those of the catalogue given here, not of the one
the policy learned on: an item that got its SID tonight can be shown tonight. A showable item is active and has a SID.
"""

from dataclasses import dataclass, replace
from typing import Literal

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from hsrl_train.data.world import PADDING, Catalogue, State, remembered
from hsrl_train.learner.hpn import token_columns
from hsrl_train.learner.sections import DecodingConfig
from pipeline.errors import TrainingError

WithinSid = Literal["popularity", "recency", "uniform"]
SidShare = Literal["whole", "popularity", "equal"]
# Below any score of what may be shown, and finite, as 0 times it has to be 0.
FAR_BELOW = -1e30


@dataclass(frozen=True)
class SidIndex:
    """The showable items in buckets of one probability, and within a bucket by their turn: most likes or newest first, then the lower number.

    A bucket is the items of a SID; where a SID's probability is shared by popularity, those of them that are as popular.

    Attributes:
        columns: token columns of each of the m buckets.
        items: item numbers of the n showable items.
        bucket: of each of ``items``; rising.
        start: where each bucket's items begin in ``items``, with n as last entry.
        n_items: of the catalogue, for masks over all of it.
        log_share: log of the part of its SID's probability that each item of a bucket has; 0 where it has the whole.
        sid_size: items of each bucket's SID.
    """

    columns: Int[Tensor, "m l"]
    items: Int[Tensor, " n"]
    bucket: Int[Tensor, " n"]
    start: Int[Tensor, " m_plus_1"]
    n_items: int
    log_share: Float[Tensor, " m"]
    sid_size: Float[Tensor, " m"]

    @classmethod
    def of(cls, catalogue: Catalogue, within: WithinSid = "popularity", share: SidShare = "whole") -> "SidIndex":
        """Index the active items that have a SID.

            share of item i in its SID z:  whole 1;  popularity (1 + n_i) / Σ_{j in z} (1 + n_j);  equal 1 / |z|

        The sums are over the showable items; n_i is ``catalogue.popularity``.

        Args:
            catalogue: what may be shown.
            within: whose turn comes first inside a bucket; for ``uniform`` see ``shuffled``.
            share: how a SID's probability is shared among its items.

        Raises:
            TrainingError: there are none, or nothing tells which items are new.
        """
        if within == "recency" and catalogue.first_seen is None:
            raise TrainingError(
                "decoding: items have no first_seen, expected times for within_sid = recency; choose popularity or uniform in [learner.decoding]"
            )
        turn = catalogue.first_seen if within == "recency" else catalogue.popularity
        shown = (catalogue.is_active & (catalogue.tokens >= 0).all(dim=1)).nonzero()[:, 0]
        if not len(shown):
            n_active = int(catalogue.is_active.sum())
            raise TrainingError(f"decoding: none of {n_active} active items has a SID, expected one at least; run: hsrl refresh")
        in_turn = shown[turn[shown].argsort(descending=True, stable=True)]  # type: ignore[index]
        tokens, weight = catalogue.tokens[in_turn], 1.0 + catalogue.popularity[in_turn].double()
        keys = torch.column_stack([tokens, weight]) if share == "popularity" else tokens
        buckets, bucket = keys.unique(dim=0, return_inverse=True)
        by_bucket = bucket.argsort(stable=True)
        sizes = torch.bincount(bucket, minlength=len(buckets))
        start = torch.cat([sizes.new_zeros(1), sizes.cumsum(0)])
        sids, sid = buckets[:, : tokens.shape[1]].unique(dim=0, return_inverse=True)
        sid_size = _summed(sizes.double(), sid, len(sids))
        if share == "popularity":
            own = weight[by_bucket][start[:-1]]
            part = own / _summed(own * sizes, sid, len(sids))
        else:
            part = 1 / sid_size if share == "equal" else torch.ones_like(sid_size)
        columns = token_columns(sids[sid].long(), catalogue.vocabulary)
        items, n_items = in_turn[by_bucket], len(catalogue.popularity) - 1
        return cls(columns, items, bucket[by_bucket], start, n_items, part.log().float(), sid_size.float())

    def shuffled(self, generator: torch.Generator) -> "SidIndex":
        """The same with the items of every bucket in a random order, one for all users of a call."""
        keys = self.bucket + torch.rand(len(self.bucket), generator=generator, dtype=torch.float64).to(self.bucket.device)
        return replace(self, items=self.items[keys.argsort()])

    def item_log_share(self) -> Float[Tensor, " n_items_plus_1"]:
        """log_share by item number; 0 for what may not be shown."""
        shares = self.log_share.new_zeros(self.n_items + 1)
        return shares.index_copy(0, self.items, self.log_share[self.bucket])

    def require(self, k: int) -> None:
        """Raise TrainingError where a slate of k different items cannot be filled."""
        if len(self.items) < k:
            raise TrainingError(
                f"decoding: {len(self.items)} active items have a SID, expected at least the slate's {k}; "
                "shorten the slate or run: hsrl refresh"
            )

    def scores(self, log_probs: Float[Tensor, "b all_tokens"]) -> Float[Tensor, "b m"]:
        """log Π_l π(z_l | c(l-1)) of every bucket's SID (14), nothing shared yet; summed raw logits rank alike."""
        total = log_probs.index_select(1, self.columns[:, 0])
        for level in range(1, self.columns.shape[1]):
            total = total + log_probs.index_select(1, self.columns[:, level])
        return total

    def best(self, scores: Float[Tensor, "b m"], k: int, left_out: Int[Tensor, "b e"] | None = None) -> Int[Tensor, "b k"]:
        """The k items of highest score, log-shares added, without repeats; of one bucket those whose turn comes first.

        The best k buckets with anything to show hold k items to show; no more are opened. Only for users with fewer than k items to show
        all items are sorted.

        Args:
            scores: of every bucket's SID, finite.
            k: length of a slate.
            left_out: items that come last, only where nothing else is left to show, in the same order among themselves; 0 names none.
        """
        self.require(k)
        scores = scores + self.log_share
        n_opened = k
        if left_out is not None:
            is_out = self._mask(left_out)[:, self.items]
            n_out = scores.new_zeros(scores.shape).index_add_(1, self.bucket, is_out.to(scores.dtype))
            all_scores, scores = scores, scores.masked_fill(n_out >= self.start.diff(), -torch.inf)
        ranked = scores.topk(min(n_opened, scores.shape[1]), dim=1).indices
        if left_out is not None:
            n_opened += int(n_out.gather(1, ranked).max())
        rows = (self.start[ranked][..., None] + torch.arange(n_opened, device=scores.device)).flatten(1)
        is_gap = rows >= self.start[ranked + 1].repeat_interleave(n_opened, dim=1)
        rank = 2 * is_gap.to(torch.uint8)
        if left_out is not None:
            rank += (~is_gap & is_out.gather(1, rows.clamp_max(len(self.items) - 1))).to(torch.uint8)
        best = rows.gather(1, rank.argsort(dim=1, stable=True)[:, :k])
        if left_out is not None:
            has_few = n_out.sum(dim=1) > len(self.items) - k
            if has_few.any():
                best[has_few] = highest(all_scores[has_few].index_select(1, self.bucket), is_out[has_few], k)
        return self.items[best]

    def _mask(self, items: Int[Tensor, "b e"]) -> Bool[Tensor, "b n_items_plus_1"]:
        """(b, n_items + 1), true for the given items; padding is no item."""
        mask = torch.zeros(len(items), self.n_items + 1, dtype=torch.bool, device=items.device).scatter_(1, items, value=True)
        mask[:, PADDING] = False
        return mask

    def sampled(
        self,
        scores: Float[Tensor, "b m"],
        k: int,
        temperature: float,
        generator: torch.Generator,
        left_out: Int[Tensor, "b e"] | None = None,
    ) -> Int[Tensor, "b k"]:
        """k different items drawn one after another: a SID in proportion to exp(score / temperature), then any one of its items.

        Gumbel top-k over items with log-weight score / temperature − log n_sid, which is that draw without replacement. Without
        the second term a SID shared by 384 items would be drawn 384 times too often (docs/measurements.md). ``left_out`` is drawn
        only where nothing else is left. How ``best`` shares a SID's probability changes nothing here: exploring favours no item of it.
        """
        self.require(k)
        weights = (scores / temperature - self.sid_size.log()).index_select(1, self.bucket)
        # −log(−log u) is Gumbel; torch's exponential_ draws one by one and costs six times as much
        minus_gumbel = torch.rand(weights.shape, generator=generator).to(weights.device).log_().neg_().log_()
        drawn = weights.sub_(minus_gumbel)
        if left_out is None:
            return self.items[drawn.topk(k, dim=1).indices]
        return self.items[highest(drawn, self._mask(left_out)[:, self.items], k)]


def _summed(values: Float[Tensor, " m"], sid: Int[Tensor, " m"], n_sids: int) -> Float[Tensor, " m"]:
    """Of each bucket the sum over all buckets of its SID."""
    return values.new_zeros(n_sids).index_add(0, sid, values)[sid]


def highest(scores: Float[Tensor, "b n"], is_last: Bool[Tensor, "b n"], k: int) -> Int[Tensor, "b k"]:
    """Columns of the k highest scores; those that are last only where nothing else is left, in the same order among themselves.

    Args:
        scores: −∞ where a column may not be had at all, which comes behind even those that are last.
        is_last: columns that come last.
        k: at most n.
    """
    others = scores.masked_fill(is_last, -torch.inf).topk(k, dim=1)
    if (others.values > -torch.inf).all():
        return others.indices
    order = scores.argsort(dim=1, descending=True, stable=True)
    rank = torch.where(scores == -torch.inf, 2, is_last.to(torch.uint8)).gather(1, order)
    return order.gather(1, rank.argsort(dim=1, stable=True)[:, :k])


def best_column(scores: Float[Tensor, "b n"], is_last: Bool[Tensor, "b n"]) -> Int[Tensor, "b 1"]:
    """The column of the highest score; one that comes last only where nothing else can be had.

    As ``highest`` for one place, but without a branch, so that a trace of it holds for every input.

    Args:
        scores: −∞ where a column may not be had.
        is_last: columns that come last.
    """
    first = scores.masked_fill(is_last, -torch.inf).max(dim=1, keepdim=True)
    return torch.where(first.values > -torch.inf, first.indices, scores.argmax(dim=1, keepdim=True))


def seen(state: State) -> Int[Tensor, "b e"]:
    """What the user liked or was shown before, as far as his state remembers it; an item may come twice, 0 names none."""
    return torch.cat([state.history, remembered(state).abs()], dim=1)


def left_out(state: State, config: DecodingConfig) -> Int[Tensor, "b e"] | None:
    """Items that should not be shown again; None where all may.

    Args:
        state: of b users.
        config: with ``leaves_out_seen`` everything that the state remembers as liked or shown, else what it remembers as shown
            ``max_shows`` times or more.
    """
    shown = remembered(state).abs()
    if config.leaves_out_seen:
        return seen(state)
    if config.max_shows:
        counts = (shown[:, :, None] == shown[:, None]).sum(dim=2)
        return torch.where(counts >= config.max_shows, shown, PADDING)
    return None
