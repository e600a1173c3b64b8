"""The nightly decision, on the line world: SIDs reach −5, −3, 3 and 5, named 0-0, 0-1, 1-0 and 1-1."""

from collections.abc import Callable

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.contracts import SID_HISTORY, open_rows
from pipeline.errors import ContractError
from pipeline.sids.assign import SidChanges, apply_changes
from pipeline.sids.codebook import Codebook
from tests.support.sids import assign_night

Frames = Callable[..., pl.DataFrame]
NO_HISTORY = SID_HISTORY.empty()


def open_sids(history: pl.DataFrame) -> dict[int, tuple[str, int]]:
    """item → (SID, slot) of the open rows."""
    rows = open_rows(history).select("item_id", "sid", "slot")
    return {item: (sid, slot) for item, sid, slot in rows.iter_rows()}


def count(changes: SidChanges) -> dict[str, int]:
    """The outcomes that occurred."""
    return {reason: n for reason, n in changes.summary.iter_rows() if n}


@pytest.fixture
def night(line: Codebook, embed: Frames, catalogue: Frames) -> Callable[..., SidChanges]:
    """One night: ``night(history, 2, {7: 5.2, 8: -3.1})`` with every item active that is not in ``inactive``."""

    def run(history: pl.DataFrame, release: int, points: dict[int, float], inactive: tuple[int, ...] = ()) -> SidChanges:
        vectors = embed({item: [point] for item, point in points.items()})
        items = catalogue([item for item in points if item not in inactive], inactive=inactive)
        return assign_night((release, items, vectors), line, history)

    return run


def test_the_first_night_gives_every_item_its_nearest_codes(night: Callable[..., SidChanges]) -> None:
    changes = night(NO_HISTORY, 1, {7: 5.2, 8: -3.1})
    assert open_sids(changes.upserts) == {7: ("1-1", 0), 8: ("0-1", 0)}
    assert changes.upserts["assigned_by"].to_list() == ["greedy", "greedy"]
    assert count(changes) == {"new": 2}


def test_items_of_one_sid_queue_by_error(night: Callable[..., SidChanges]) -> None:
    """All three are nearest 5; their errors are 0.09, 0.01 and 0.04."""
    assert open_sids(night(NO_HISTORY, 1, {1: 5.3, 2: 5.1, 3: 4.8}).upserts) == {1: ("1-1", 2), 2: ("1-1", 0), 3: ("1-1", 1)}


def test_twins_queue_by_a_fixed_hash_not_by_id(night: Callable[..., SidChanges]) -> None:
    slots = [slot for _, slot in open_sids(night(NO_HISTORY, 1, dict.fromkeys(range(8), 5.0)).upserts).values()]
    assert sorted(slots) == list(range(8))
    assert slots != list(range(8))


def test_a_newcomer_queues_behind_incumbents_even_where_it_fits_better(night: Callable[..., SidChanges]) -> None:
    history = night(NO_HISTORY, 1, {1: 5.3}).upserts
    changes = night(history, 2, {1: 5.3, 2: 5.0})
    assert open_sids(changes.upserts) == {2: ("1-1", 1)}
    assert count(changes) == {"unchanged": 1, "new": 1}


def test_a_changed_item_keeps_its_sid_while_it_is_near_enough(night: Callable[..., SidChanges]) -> None:
    """At 4.02 the best is 5 (0.9604); 3 costs 1.0404, which is 8 % more. At 4.06 it costs 1.1236 against 0.8836, 27 % more."""
    history = night(NO_HISTORY, 1, {1: 3.9}).upserts
    held = night(history, 2, {1: 4.02})
    assert count(held) == {"hysteresis": 1}
    assert held.upserts.is_empty()
    moved = night(history, 2, {1: 4.06})
    assert count(moved) == {"moved": 1}
    assert moved.upserts.select("sid", "valid_from", "valid_to", "reason").rows() == [
        ("1-0", 1, 2, "new"),
        ("1-1", 2, None, "moved"),
    ]


def test_an_item_that_moves_back_gets_its_old_slot(night: Callable[..., SidChanges]) -> None:
    history = night(NO_HISTORY, 1, {1: 5.0, 2: 5.3}).upserts
    for release, point in ((2, -3.0), (3, 5.3)):
        history = apply_changes(history, night(history, release, {1: 5.0, 2: point, 10 + release: 5.0}).upserts)
    assert open_sids(history)[2] == ("1-1", 1)


def test_only_the_last_sid_is_held_on_to(night: Callable[..., SidChanges]) -> None:
    """3, then 5, then 4.02: its first SID, 3, would still be near enough; its last, 5, is nearest and stays."""
    history = night(NO_HISTORY, 1, {1: 3.0}).upserts
    history = apply_changes(history, night(history, 2, {1: 5.0}).upserts)
    changes = night(history, 3, {1: 4.02})
    assert count(changes) == {"unchanged": 1}
    assert changes.upserts.is_empty()


def test_an_inactive_item_is_closed_and_its_slot_stays_taken(night: Callable[..., SidChanges]) -> None:
    history = night(NO_HISTORY, 1, {1: 5.0}).upserts
    changes = night(history, 2, {1: 5.0, 2: 5.0}, inactive=(1,))
    assert changes.upserts.select("item_id", "slot", "valid_to", "reason").rows() == [(1, 0, 2, "new"), (2, 1, None, "new")]
    assert count(changes) == {"new": 1, "closed": 1}


def test_an_item_that_left_the_catalogue_is_closed(night: Callable[..., SidChanges]) -> None:
    history = night(NO_HISTORY, 1, {1: 5.0, 2: 3.0}).upserts
    assert count(night(history, 2, {1: 5.0})) == {"unchanged": 1, "closed": 1}


def test_a_returning_item_gets_its_sid_and_slot_back(night: Callable[..., SidChanges]) -> None:
    """Item 1 comes back a little changed: 4.02 is nearest 5, yet its old 3 is near enough (8 %)."""
    history = night(NO_HISTORY, 1, {1: 3.0}).upserts
    history = apply_changes(history, night(history, 2, {2: 3.0}).upserts)
    changes = night(history, 3, {1: 4.02, 2: 3.0})
    assert open_sids(changes.upserts) == {1: ("1-0", 0)}
    assert changes.upserts.select("assigned_by", "reason").rows() == [("hysteresis", "returned")]
    assert changes.upserts["recon_error"].to_list() == pytest.approx([1.02**2], rel=1e-3)  # of the SID it has, not of the nearest
    same = night(history, 3, {1: 3.0, 2: 3.0})
    assert same.upserts.select("assigned_by", "reason").rows() == [("incumbent", "returned")]


def test_an_item_that_returns_elsewhere_has_moved(night: Callable[..., SidChanges]) -> None:
    history = night(NO_HISTORY, 1, {1: 3.0}).upserts
    history = apply_changes(history, night(history, 2, {2: 3.0}).upserts)
    assert night(history, 3, {1: -5.0, 2: 3.0}).upserts.select("sid", "reason").rows() == [("0-0", "moved")]


def test_active_items_without_a_vector_have_no_sid_and_a_reason(line: Codebook, embed: Frames, catalogue: Frames) -> None:
    vectors = embed({1: [5.0], 2: [0.0]}, without_signal=[2])
    changes = assign_night((1, catalogue([1, 2, 3], inactive=[4]), vectors), line, NO_HISTORY)
    assert changes.missing.rows() == [(2, "zero vector"), (3, "no vector")]
    assert open_sids(changes.upserts) == {1: ("1-1", 0)}
    assert count(changes) == {"new": 1, "without": 2}


def test_an_item_that_lost_its_vector_loses_its_sid(line: Codebook, embed: Frames, catalogue: Frames) -> None:
    history = assign_night((1, catalogue([1, 2]), embed({1: [5.0], 2: [3.0]})), line, NO_HISTORY).upserts
    changes = assign_night((2, catalogue([1, 2]), embed({1: [5.0]})), line, history)
    assert changes.missing.rows() == [(2, "no vector")]
    assert count(changes) == {"unchanged": 1, "closed": 1, "without": 1}


def test_items_without_signal_are_told_apart_and_outliers_flagged(line: Codebook, embed: Frames, catalogue: Frames) -> None:
    """The line's threshold is 4: at 7 the error is 4, at 7.5 it is 6.25."""
    vectors = embed({1: [7.0], 2: [7.5], 3: [3.0]}, without_signal=[3])
    rows = assign_night((1, catalogue([1, 2, 3]), vectors), line, NO_HISTORY).upserts
    assert rows["assigned_by"].to_list() == ["greedy", "greedy", "fallback"]
    assert rows["is_ood"].to_list() == [False, True, False]


def test_a_rebuild_closes_every_row_of_the_old_codebook(line: Codebook, embed: Frames, catalogue: Frames) -> None:
    """Item 1 has an old SID, item 2 is new tonight, item 3 is gone."""
    history = assign_night((1, catalogue([1, 3]), embed({1: [5.0], 3: [3.0]})), line, NO_HISTORY).upserts
    finer = Codebook((np.array([[-5.0], [5.0]]), np.array([[0.0], [1.0]])), line.n_items, 4.0, "line")
    changes = assign_night((2, catalogue([1, 2]), embed({1: [5.0], 2: [6.0]})), finer, history)
    rows = changes.upserts.select("item_id", "codebook_id", "valid_to", "reason").rows()
    assert rows == [
        (1, line.codebook_id, 2, "new"),
        (1, finer.codebook_id, None, "rebuild"),
        (2, finer.codebook_id, None, "new"),
        (3, line.codebook_id, 2, "new"),
    ]
    assert count(changes) == {"rebuild": 1, "new": 1, "closed": 1}


def test_going_back_to_an_earlier_codebook_gives_the_old_slots(line: Codebook, embed: Frames, catalogue: Frames) -> None:
    finer = Codebook((np.array([[-5.0], [5.0]]), np.array([[0.0], [1.0]])), line.n_items, 4.0, "line")
    vectors, items = embed({1: [5.0], 2: [5.3]}), catalogue([1, 2])
    first = assign_night((1, items, vectors), line, NO_HISTORY).upserts
    history = apply_changes(first, assign_night((2, items, vectors), finer, first).upserts)
    back = assign_night((3, items, vectors), line, history)
    assert open_sids(back.upserts) == open_sids(first)
    assert count(back) == {"rebuild": 2}


def test_the_order_of_rows_decides_nothing(line: Codebook, embed_matrix: Frames, catalogue: Frames) -> None:
    vectors = embed_matrix(np.random.default_rng(0).normal(0, 4, (200, 1)))
    rows = assign_night((1, catalogue(range(200)), vectors), line, NO_HISTORY).upserts
    shuffled = assign_night(
        (1, catalogue(range(199, -1, -1)), vectors.sample(fraction=1.0, shuffle=True, seed=1)), line, NO_HISTORY
    )
    assert shuffled.upserts.equals(rows)


def test_no_items_are_no_error(line: Codebook, embed: Frames, catalogue: Frames) -> None:
    changes = assign_night((1, catalogue([]), embed({})), line, NO_HISTORY)
    assert changes.upserts.is_empty()
    assert count(changes) == {}


points = st.integers(-8, 8).map(float)
nights = st.lists(
    st.dictionaries(st.integers(0, 7), st.tuples(points, st.sampled_from(["active", "inactive", "unembedded"])), max_size=8),
    min_size=1,
    max_size=6,
)


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(nights=nights)
def test_whatever_the_nights_bring_nothing_is_renumbered(
    line: Codebook, embed: Frames, catalogue: Frames, nights: list[dict[int, tuple[float, str]]]
) -> None:
    """Items come, go, change, return and lose their vectors; after every night the laws of the module hold, and a second run
    on the same input changes nothing."""
    history = NO_HISTORY
    for release, world in enumerate(nights, start=1):
        vectors = embed({item: [point] for item, (point, state) in world.items() if state != "unembedded"})
        gone = [item for item, (_, state) in world.items() if state == "inactive"]
        items = catalogue([item for item in world if item not in gone], inactive=gone)
        before = history
        changes = assign_night((release, items, vectors), line, before)
        history = apply_changes(before, changes.upserts)

        usable = {item for item, (point, state) in world.items() if state == "active" and point != 0}
        assert set(open_sids(history)) == usable
        assert open_rows(history)["item_id"].is_duplicated().sum() == 0
        assert history.group_by("codebook_id", "sid_key", "slot").agg(n=pl.col("item_id").n_unique())["n"].max() in (None, 1)
        intervals = history.sort("item_id", "valid_from").with_columns(
            until=pl.col("valid_from").shift(-1).over("item_id"), ends=pl.col("valid_to").fill_null(10**9)
        )
        assert intervals.filter((pl.col("ends") <= pl.col("valid_from")) | (pl.col("ends") > pl.col("until"))).is_empty()
        stable = ["item_id", "codebook_id", "valid_from", "tokens", "slot", "reason"]
        assert before.select(stable).join(history.select(stable), on=stable, how="anti").is_empty()
        assert assign_night((release + 1, items, vectors), line, history).upserts.is_empty()


def test_a_release_that_does_not_follow_its_incumbents_is_refused(night: Callable[..., SidChanges]) -> None:
    history = night(NO_HISTORY, 3, {1: 5.0}).upserts
    with pytest.raises(ContractError, match="1 of 1 incumbent rows begin at release 3 or later"):
        night(history, 3, {1: 5.0})


def test_an_item_with_two_open_rows_is_refused(night: Callable[..., SidChanges]) -> None:
    history = night(NO_HISTORY, 1, {1: 5.0}).upserts
    twice = pl.concat([history, history.with_columns(valid_from=pl.lit(2, dtype=pl.Int64))])
    with pytest.raises(ContractError, match="1 of 2 open rows are second ones"):
        night(twice, 3, {1: 5.0})


def test_vectors_of_another_model_are_refused(line: Codebook, embed: Frames, catalogue: Frames) -> None:
    with pytest.raises(ContractError, match="are of the model other, the codebook was learned on line"):
        assign_night((1, catalogue([1]), embed({1: [5.0]}, model="other")), line, NO_HISTORY)


def test_vectors_of_two_models_are_refused(line: Codebook, embed: Frames, catalogue: Frames) -> None:
    both = pl.concat([embed({1: [5.0]}), embed({2: [5.0]}, model="other")])
    with pytest.raises(ContractError, match="embeddings of 2 models"):
        assign_night((1, catalogue([1, 2]), both), line, NO_HISTORY)
