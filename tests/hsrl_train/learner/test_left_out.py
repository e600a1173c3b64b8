"""The best items with some left out, against a reference that sorts every item."""

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from hsrl_train.data.world import Catalogue
from hsrl_train.learner.decoding import SidIndex

N_SIDS = 6


@st.composite
def cases(draw: st.DrawFn) -> tuple[SidIndex, torch.Tensor, torch.Tensor, int]:
    """Items of a few shared SIDs, some inactive; scores; what two users should not be shown, with doubles and padding; K."""
    codes = draw(st.lists(st.integers(0, N_SIDS - 1), min_size=2, max_size=14))
    n = len(codes)
    is_active = torch.tensor([False, *draw(st.lists(st.booleans(), min_size=n, max_size=n))])
    if is_active.sum() < 2:
        is_active[1:] = True
    popularity = torch.tensor([0.0, *draw(st.permutations(range(n)))])
    vectors = torch.zeros(n + 1, 1)
    tokens = torch.tensor([[-1], *([code] for code in codes)])
    index = SidIndex.of(Catalogue(np.arange(1, n + 1), vectors, tokens, (N_SIDS,), is_active, popularity))
    scores = torch.tensor([draw(st.permutations(range(len(index.columns)))) for _ in range(2)], dtype=torch.float32)
    width = draw(st.integers(1, 2 * n))
    out = torch.tensor(draw(st.lists(st.lists(st.integers(0, n), min_size=width, max_size=width), min_size=2, max_size=2)))
    return index, scores, out, draw(st.integers(1, min(int(is_active.sum()), 6)))


def slowly(index: SidIndex, scores: list[float], out: set[int], k: int) -> list[int]:
    """Sort all items: first what may be shown, then by SID, those with anything to show first; within one by turn."""
    bucket = index.bucket.tolist()
    items = list(zip(index.items.tolist(), bucket, range(len(bucket)), strict=True))
    has_any = {sid for item, sid, _ in items if item not in out}
    return [item for item, *_ in sorted(items, key=lambda it: (it[0] in out, it[1] not in has_any, -scores[it[1]], it[2]))][:k]


@given(cases())
def test_it_is_what_sorting_every_item_gives(case: tuple[SidIndex, torch.Tensor, torch.Tensor, int]) -> None:
    index, scores, out, k = case
    wanted = [slowly(index, own, set(left) - {0}, k) for own, left in zip(scores.tolist(), out.tolist(), strict=True)]
    assert index.best(scores, k, out).tolist() == wanted
    assert index.best(scores, k).tolist() == [slowly(index, own, set(), k) for own in scores.tolist()]
    drawn = index.sampled(scores, k, 1.0, torch.Generator().manual_seed(0), out)
    for slate, left in zip(drawn.tolist(), out.tolist(), strict=True):
        unseen = set(index.items.tolist()) - set(left)
        assert len(set(slate)) == k and len(unseen & set(slate)) == min(k, len(unseen))
