"""Semantic IDs with a capacity, on the line world: SIDs reach −5, −3, 3 and 5, named 0-0, 0-1, 1-0 and 1-1."""

from collections.abc import Callable

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.contracts import SID_HISTORY, open_rows
from pipeline.errors import ContractError
from pipeline.sids.assign import SidChanges, apply_changes
from pipeline.sids.beam import nearest_sids
from pipeline.sids.capacity import FULL, TOO_FAR, Assignment, CapacityRules, Seekers, assign_free_sids
from pipeline.sids.codebook import Codebook
from pipeline.sids.config import SidsConfig
from pipeline.sids.names import fixed_hash, sid_keys
from tests.support.sids import assign_night

Frames = Callable[..., pl.DataFrame]
UNIQUE = CapacityRules()


def column(*values: float) -> np.ndarray:
    """(n, 1) vectors."""
    return np.array(values, dtype=np.float32)[:, None]


def put(book: Codebook, points: list[float], rules: CapacityRules, taken: tuple[int, ...] = ()) -> Assignment:
    """Assign points whose hashes rise in the order of the list."""
    hashes = np.arange(len(points), dtype=np.uint64)
    return assign_free_sids(Seekers.all_new(column(*points), hashes, book), book, np.array(taken, dtype=np.uint64), rules)


def names(found: Assignment) -> list[str]:
    return ["-".join(map(str, row)) for row in found.tokens.tolist()]


def open_sids(history: pl.DataFrame) -> dict[int, str]:
    """item → SID of the open rows."""
    return dict(open_rows(history).select("item_id", "sid").iter_rows())


@pytest.fixture
def night(line: Codebook, embed: Frames, catalogue: Frames) -> Callable[..., SidChanges]:
    """One night with unique SIDs."""

    def run(history: pl.DataFrame, release: int, points: dict[int, float], reserved_from: int = 0) -> SidChanges:
        vectors = embed({item: [point] for item, point in points.items()})
        return assign_night((release, catalogue(points), vectors), line, history, capacity=UNIQUE, reserved_from=reserved_from)

    return run


def test_the_beam_finds_what_is_nearest_not_what_greedy_matching_finds(line: Codebook) -> None:
    """From 4.4 the four SIDs are .6, 1.4, 7.4 and 9.4 away: 5, 3, −3, −5."""
    found = nearest_sids(column(4.4), np.zeros((1, 0), dtype=np.uint16), line, 4)
    assert found.tokens[0].tolist() == [[1, 1], [1, 0], [0, 1], [0, 0]]
    assert found.errors[0] == pytest.approx([0.36, 1.96, 54.76, 88.36], rel=1e-5)
    narrow = nearest_sids(column(4.4, -3.4), np.zeros((2, 0), dtype=np.uint16), line, 3)
    assert narrow.tokens.tolist() == [[[1, 1], [1, 0], [0, 1]], [[0, 1], [0, 0], [1, 0]]]


def test_the_nearest_stays_and_the_others_take_the_best_free_one(line: Codebook) -> None:
    """5.3, 5.1 and 4.6 want 5: the second is nearest; of the others 4.6 is nearer 3 (2.56 against 5.29) and so 5.3 gets −3."""
    assert names(put(line, [5.3, 5.1, 4.6], UNIQUE)) == ["0-1", "1-1", "1-0"]


def test_a_capacity_of_two_holds_two(line: Codebook) -> None:
    assert names(put(line, [5.1, 5.3, 4.6], CapacityRules(capacity=2))) == ["1-1", "1-1", "1-0"]


def test_a_locked_level_keeps_its_code_and_refuses_a_crowd(line: Codebook) -> None:
    """Level 1 of 5 has two SIDs below it; a third item is one too many."""
    assert names(put(line, [5.1, 5.2], CapacityRules(n_locked=1))) == ["1-1", "1-0"]
    with pytest.raises(ContractError, match=r"1 of 1 prefixes of 1 locked levels hold more items \(3\) than the 2 places below"):
        put(line, [5.1, 5.2, 5.3], CapacityRules(n_locked=1))


def test_more_items_than_places_are_refused(line: Codebook) -> None:
    with pytest.raises(ContractError, match=r"the catalogue has more items \(5\) than the 4 places below; raise sids.capacity"):
        put(line, [5.0] * 3, UNIQUE, taken=(0, 1))


def test_an_item_too_far_from_every_free_one_says_so(line: Codebook) -> None:
    """Two at 5.5 (.25 from 5): the other would go to 3 at 6.25, 25 times as bad."""
    near = put(line, [5.5, 5.5], CapacityRules(max_error_ratio=26.0))
    far = put(line, [5.5, 5.5], CapacityRules(max_error_ratio=24.0))
    assert (names(near), near.is_assigned.tolist()) == (["1-1", "1-0"], [True, True])
    assert (far.is_assigned.tolist(), far.reasons.tolist()) == ([True, False], ["", TOO_FAR])
    assert FULL != TOO_FAR


def test_twins_spread_over_the_nearest_free_ones_by_their_hash(line: Codebook) -> None:
    seekers = Seekers.all_new(column(5, 5, 5), np.array([7, 3, 5], dtype=np.uint64), line)
    found = assign_free_sids(seekers, line, np.zeros(0, dtype=np.uint64), UNIQUE)
    assert names(found) == ["0-1", "1-1", "1-0"]


def test_a_search_that_is_too_narrow_widens_until_a_place_is_assigned(line: Codebook) -> None:
    """A beam of one finds only 5; it takes the whole space to find −5."""
    assert names(put(line, [5.0], CapacityRules(beam_width=1), taken=(3, 2, 1))) == ["0-0"]


@pytest.mark.slow
@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**16), capacity=st.integers(1, 3), n=st.integers(0, 60), order=st.randoms(use_true_random=False))
def test_nobody_is_left_over_and_the_order_decides_nothing(seed: int, capacity: int, n: int, order: object) -> None:
    """4 × 5 codes hold 20 × capacity items; whole numbers make ties and twins."""
    draw = np.random.default_rng(seed)
    book = Codebook(tuple(draw.standard_normal((codes, 2)) for codes in (4, 5)), (np.zeros(4), np.zeros(5)), 1.0, "random")
    n = min(n, 20 * capacity)
    vectors = draw.integers(-2, 3, (n, 2)).astype(np.float32)
    hashes, rules = fixed_hash(np.arange(n)), CapacityRules(capacity=capacity, beam_width=2)
    none_taken = np.zeros(0, dtype=np.uint64)
    found = assign_free_sids(Seekers.all_new(vectors, hashes, book), book, none_taken, rules)
    keys = sid_keys(found.tokens, book.vocabulary)
    assert found.is_assigned.all()
    assert np.unique(keys, return_counts=True)[1].max(initial=0) <= capacity
    shuffled = np.array(order.sample(range(n), n), dtype=np.int64)  # type: ignore[attr-defined]
    again = assign_free_sids(Seekers.all_new(vectors[shuffled], hashes[shuffled], book), book, none_taken, rules)
    assert (again.tokens == found.tokens[shuffled]).all()


def test_incumbents_stay_though_a_newcomer_fits_better(night: Callable[..., SidChanges]) -> None:
    """Item 1 holds 5 from 5.4; item 2 comes exactly at 5 and gets 3, its best free one."""
    history = night(SID_HISTORY.empty(), 1, {1: 5.4}).upserts
    changes = night(history, 2, {1: 5.4, 2: 5.0})
    assert open_sids(apply_changes(history, changes.upserts)) == {1: "1-1", 2: "1-0"}
    assert changes.upserts["assigned_by"].to_list() == ["beam"]


def test_who_was_placed_further_off_keeps_its_place_the_next_night(night: Callable[..., SidChanges]) -> None:
    """Item 2 at 5 holds 3, far worse than 5; as 5 is taken, nothing better is free and it stays."""
    points = {1: 5.0, 2: 5.1}
    history = night(SID_HISTORY.empty(), 1, points).upserts
    assert night(history, 2, points).upserts.is_empty()


def test_a_place_is_kept_for_a_removed_item_and_given_away_after_its_tombstone(night: Callable[..., SidChanges]) -> None:
    """Item 1 leaves in release 2. While rows closed in 2 count, 5 is its own; later item 2 gets it."""
    history = night(SID_HISTORY.empty(), 1, {1: 5.0, 9: -5.0}).upserts
    history = apply_changes(history, night(history, 2, {9: -5.0}).upserts)
    kept = night(history, 3, {9: -5.0, 2: 5.0}, reserved_from=2)
    given = night(history, 3, {9: -5.0, 2: 5.0}, reserved_from=3)
    assert (open_sids(kept.upserts), open_sids(given.upserts)) == ({2: "1-0"}, {2: "1-1"})


def test_a_returning_item_gets_its_sid_back_unless_it_was_given_away(night: Callable[..., SidChanges]) -> None:
    history = night(SID_HISTORY.empty(), 1, {1: 5.0, 9: -5.0}).upserts
    history = apply_changes(history, night(history, 2, {9: -5.0}).upserts)
    back = night(history, 3, {9: -5.0, 1: 5.0}, reserved_from=2)
    assert back.upserts.select("sid", "reason").rows() == [("1-1", "returned")]
    history = apply_changes(history, night(history, 3, {9: -5.0, 2: 5.0}, reserved_from=3).upserts)
    late = night(history, 4, {9: -5.0, 2: 5.0, 1: 5.0}, reserved_from=4)
    assert late.upserts.select("item_id", "sid", "reason").rows() == [(1, "1-0", "moved")]


def test_an_item_that_finds_no_place_has_no_sid_and_a_reason(line: Codebook, embed: Frames, catalogue: Frames) -> None:
    rules = CapacityRules(max_error_ratio=1.5)
    changes = assign_night((1, catalogue([1, 2]), embed({1: [5.5], 2: [5.5]})), line, SID_HISTORY.empty(), capacity=rules)
    assert changes.missing["reason"].to_list() == [TOO_FAR]
    assert changes.upserts.height == 1


def test_under_suffix_the_last_token_tells_items_apart_at_no_cost(line: Codebook, embed: Frames, catalogue: Frames) -> None:
    """A third level of zeros: three items at 5 become 1-1-0, 1-1-1 and 1-1-2, and stay so."""
    config = SidsConfig(levels=2, vocabulary=2, collisions="suffix", suffix_codes=4)
    book = Codebook((*line.centroids, np.zeros((4, 1))), (*line.n_items, np.zeros(4)), 4.0, "line")
    vectors, items = embed({item: [5.0] for item in (1, 2, 3)}), catalogue([1, 2, 3])
    first = assign_night((1, items, vectors), book, SID_HISTORY.empty(), capacity=config.capacity_rules)
    assert sorted(open_sids(first.upserts).values()) == ["1-1-0", "1-1-1", "1-1-2"]
    assert sorted(first.upserts["assigned_by"].to_list()) == ["greedy", "suffix", "suffix"]
    assert assign_night((2, items, vectors), book, first.upserts, capacity=config.capacity_rules).upserts.is_empty()
    with pytest.raises(ContractError, match=r"1 of 1 prefixes of 2 locked levels hold more items \(5\) than the 4 places"):
        assign_night(
            (1, catalogue(range(5)), embed({item: [5.0] for item in range(5)})),
            book,
            SID_HISTORY.empty(),
            capacity=config.capacity_rules,
        )
