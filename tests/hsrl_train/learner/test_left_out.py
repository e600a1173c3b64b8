"""The best items with some left out, against a reference that sorts every item."""

from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from hsrl_train.data.world import Catalogue
from hsrl_train.learner.decoding import SidIndex, SidShare, highest
from tests.hsrl_train.conftest import make_catalogue

N_SIDS = 6
Case = tuple[Catalogue, Tensor, Tensor, int]


@st.composite
def cases(draw: st.DrawFn) -> Case:
    """Items of a few shared SIDs, some inactive, some as popular as others; scores of the SIDs of active items, far apart or hardly; what
    two users should not be shown, with doubles and padding; K."""
    codes = draw(st.lists(st.integers(0, N_SIDS - 1), min_size=2, max_size=14))
    n = len(codes)
    is_active = torch.tensor([False, *draw(st.lists(st.booleans(), min_size=n, max_size=n))])
    if is_active.sum() < 2:
        is_active[1:] = True
    catalogue = make_catalogue([[code] for code in codes], popularity=draw(st.lists(st.integers(0, 3), min_size=n, max_size=n)))
    catalogue = replace(catalogue, is_active=is_active, vocabulary=(N_SIDS,))
    n_sids = len(catalogue.tokens[is_active].unique())
    spread = draw(st.sampled_from([1e-4, 1.0, 1e5]))
    scores = torch.tensor([draw(st.permutations(range(n_sids))) for _ in range(2)]) * spread
    width = draw(st.integers(1, 2 * n))
    out = torch.tensor(draw(st.lists(st.lists(st.integers(0, n), min_size=width, max_size=width), min_size=2, max_size=2)))
    return catalogue, scores, out, draw(st.integers(1, min(int(is_active.sum()), 6)))


def slowly(index: SidIndex, catalogue: Catalogue, scores: Tensor, out: set[int], k: int) -> list[int]:
    """Sort the active items by (left out, score of the SID and log-share falling, likes falling, number)."""
    likes = catalogue.popularity.tolist()
    of_item = dict(zip(index.items.tolist(), (scores + index.log_share)[index.bucket].tolist(), strict=True))
    return sorted(of_item, key=lambda item: (item in out, -of_item[item], -likes[item], item))[:k]


@given(cases(), st.sampled_from(["whole", "popularity", "equal"]))
def test_it_is_what_sorting_every_item_gives(case: Case, share: SidShare) -> None:
    catalogue, of_sids, out, k = case
    index = SidIndex.of(catalogue, share=share)
    assert sorted(index.items.tolist()) == catalogue.is_active.nonzero()[:, 0].tolist()
    scores = of_sids[:, index.columns[:, 0].unique(return_inverse=True)[1]]
    wanted = [slowly(index, catalogue, own, set(left), k) for own, left in zip(scores, out.tolist(), strict=True)]
    assert index.best(scores, k, out).tolist() == wanted
    assert index.best(scores, k).tolist() == [slowly(index, catalogue, own, set(), k) for own in scores]


@given(cases(), st.sampled_from([1e-3, 1.0]))
def test_what_is_left_out_is_drawn_only_where_nothing_else_is(case: Case, temperature: float) -> None:
    catalogue, scores, out, k = case
    active = set(catalogue.is_active.nonzero()[:, 0].tolist())
    drawn = SidIndex.of(catalogue).sampled(scores, k, temperature, torch.Generator().manual_seed(0), out)
    for slate, left in zip(drawn.tolist(), out.tolist(), strict=True):
        unseen = active - set(left)
        assert len(set(slate)) == k and set(slate) <= active and len(unseen & set(slate)) == min(k, len(unseen))


def test_left_out_items_keep_their_order_whatever_else_their_sid_holds() -> None:
    """SIDs by score: 0 holds item 1, left out; 1 holds 2, left out, and 3. First 3, then 1 by its better SID; and so for close scores."""
    index = SidIndex.of(make_catalogue([[0], [1], [1]], popularity=[1, 2, 1]))
    for scores in ([0.0, -1.0], [0.0, -1e-6]):
        assert index.best(torch.tensor([scores]), 2, torch.tensor([[1, 2]])).tolist() == [[3, 1]]


@pytest.mark.parametrize("k", [1, 2, 3, 4, 5])
def test_the_highest_with_some_last_and_some_never(k: int) -> None:
    """Columns 0 … 4 of scores 5, 4, −∞, 3, 2; 0 and 4 come last, 2 may not be had at all."""
    scores = torch.tensor([[5.0, 4.0, -torch.inf, 3.0, 2.0]] * 2)
    is_last = torch.tensor([[True, False, False, False, True], [False] * 5])
    assert highest(scores, is_last, k).tolist() == [[1, 3, 0, 4, 2][:k], [0, 1, 3, 4, 2][:k]]


def test_scores_of_any_size_do_not_outweigh_what_is_left_out() -> None:
    """A SID that is e^−20 as probable, at a temperature of a thousandth: −20,000 and still drawn first, for the other was shown."""
    index = SidIndex.of(make_catalogue([[0], [1]]))
    drawn = index.sampled(torch.tensor([[0.0, -20.0]]), 1, 1e-3, torch.Generator().manual_seed(0), torch.tensor([[1]]))
    assert drawn.tolist() == [[2]]
