"""The figures of any mapping, worked by hand on four items, and how two mappings are compared."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.errors import ContractError
from pipeline.sids import audit
from pipeline.sids.any_mapping import AnyMapping
from pipeline.sids.audit import churn, collisions
from pipeline.sids.quality import neighbour_pairs, shares_of_pairs


def mapping(**items: tuple[int, ...]) -> AnyMapping:
    return AnyMapping("x", tuple(items), np.array(list(items.values()), dtype=np.int64))


FOUR = mapping(a=(5, 0), b=(5, 0), c=(5, 1), d=(9, 1))


def test_collisions_and_the_use_of_codes() -> None:
    """a and b share 5-0. Level 1: shares 3/4 and 1/4, 0.8113 bits; level 2: half and half, 1 bit, under three prefixes."""
    found = collisions(FOUR)
    assert {name: found[name] for name in ("items", "sids", "shared_items", "shared_items_share", "largest_bucket")} == {
        "items": 4, "sids": 3, "shared_items": 2, "shared_items_share": 0.5, "largest_bucket": 2,
    }  # fmt: skip
    first, second = found["levels"]
    assert (first["codes_used"], first["entropy_bits"], first["prefixes"], first["largest_prefix"]) == (2, 0.8113, 2, 3)
    assert (first["largest_token"], second["entropy_bits"], second["entropy_share"], second["prefixes"]) == (9, 1.0, 1.0, 3)


def test_pairs_share_a_prefix_more_often_than_by_chance() -> None:
    """Pairs a→b and c→d. Left ends a, c; right ends b, d: by chance a or c with b or d, half of which are both of 5."""
    first, second = shares_of_pairs(FOUR.prefixes(), (np.array([0, 2]), np.array([1, 3])))
    assert (first.found, first.by_chance) == (0.5, 0.5)
    assert (second.found, second.by_chance) == (0.5, 0.25)
    assert second.plain() == {"found": 0.5, "by_chance": 0.25, "times_chance": 2.0}


def test_chance_counts_no_item_with_itself() -> None:
    """Pairs a→d and d→a: drawn apart, the ends are a-a, a-d, d-a, d-d; of the two pairs of different items none shares a prefix."""
    for share in shares_of_pairs(FOUR.prefixes(), (np.array([0, 3]), np.array([3, 0]))):
        assert (share.found, share.by_chance) == (0.0, 0.0)
    assert share.plain()["times_chance"] is None


def test_the_nearest_are_by_angle_and_not_the_item_itself() -> None:
    angles = np.linspace(0, 1, 12)
    vectors = (np.stack([np.cos(angles), np.sin(angles)], axis=1) * np.arange(1, 13)[:, None]).astype(np.float32)
    left, right = neighbour_pairs(vectors)
    assert len(left) == 120 and (left != right).all()
    assert set(right[left == 0].tolist()) == set(range(1, 11))  # all but the one that is furthest away
    assert [len(part) for part in neighbour_pairs(vectors[:10])] == [0, 0]


def test_codes_with_other_numbers_are_found_again() -> None:
    """Level 1: 5 ↔ 1, 9 ↔ 0. Under 5 the codes 0 and 1 changed places; under 9 the code is another number."""
    after = mapping(d=(0, 7), a=(1, 1), b=(1, 1), c=(1, 0), e=(3, 3))
    found = churn(FOUR, after)
    assert (found["items_in_both"], found["only_in_first"], found["only_in_second"]) == (4, 0, 1)
    assert (found["churn"], found["churn_aligned"]) == (1.0, 0.0)
    assert found["kept_aligned_by_level"] == [1.0, 1.0]


def test_an_item_that_really_moved_stays_a_move() -> None:
    """c went from 5 to 9: the other three keep theirs, whatever the codes are called."""
    found = churn(FOUR, mapping(a=(1, 1), b=(1, 1), c=(2, 7), d=(2, 6)))
    assert found["kept_aligned_by_level"] == [0.75, 0.75] and found["kept_by_level"] == [0.0, 0.0]


def test_the_alignment_is_the_best_and_not_the_greedy_one() -> None:
    """Old 0 has three items in new 0 and two in new 1, old 1 three in new 0: greedy keeps 3, the best keeps 2 + 3."""
    old = [0] * 5 + [1] * 3
    new = [0, 0, 0, 1, 1, 0, 0, 0]
    found = churn(*(mapping(**{f"i{row}": (code,) for row, code in enumerate(codes)}) for codes in (old, new)))
    assert found["kept_aligned_by_level"] == [round(5 / 8, 6)]


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_renumbering_the_codes_is_no_churn(seed: int) -> None:
    random = np.random.default_rng(seed)
    tokens = random.integers(0, 4, (50, 3))
    names = tuple(map(str, range(50)))
    other = np.stack([random.permutation(4)[tokens[:, 0]], tokens[:, 1], random.permutation(4)[tokens[:, 2]]], axis=1)
    found = churn(AnyMapping("x", names, tokens), AnyMapping("y", names, other))
    assert found["churn_aligned"] == 0.0
    assert all(a >= p for a, p in zip(found["kept_aligned_by_level"], found["kept_by_level"], strict=True))


def test_what_cannot_be_compared_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ContractError, match="no item of x is in x"):
        churn(FOUR, mapping(z=(1, 1)))
    with pytest.raises(ContractError, match="2 levels and x 1"):
        churn(FOUR, mapping(a=(1,)))
    monkeypatch.setattr(audit, "_MOST_CELLS", 3)
    with pytest.raises(ContractError, match="2 codes by 2 in a level are too many"):
        churn(FOUR, FOUR)
