"""The order within the user, and what becomes of rows that cannot take part in it."""

import json
from datetime import UTC, datetime, timedelta

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.contracts import EVENTS, RAW_EVENTS, USER_STATE
from pipeline.errors import ContractError
from pipeline.ingest.ordering import Ordered, Origin, Rules, Stored, bucket_of, order_events

DAY = datetime(2026, 1, 1, tzinfo=UTC)


def raw(*rows: tuple[int, int, int], by: str = "occurred_at") -> pl.DataFrame:
    """Rows (user, item, hour or order), on lines 1, 2, 3 …; ``by`` says which: hours of a day, or the source's own order."""
    dicts = [
        {
            "user_id": user,
            "item_id": item,
            by: DAY + timedelta(hours=at) if by == "occurred_at" else at,
            "feedback": 1,
            "file": "log.csv",
            "line": line,
        }
        for line, (user, item, at) in enumerate(rows, 1)
    ]
    return pl.DataFrame(dicts, schema=RAW_EVENTS.schema)


def state_after(events: pl.DataFrame) -> pl.DataFrame:
    """USER_STATE as the records stage would leave it, as far as the order needs it."""
    last = events.group_by("user_id", maintain_order=True).agg(
        last_seq=pl.col("user_seq").max(), last_occurred_at=pl.col("occurred_at").max()
    )
    lists = {name: pl.lit([], dtype=dtype) for name, dtype in USER_STATE.schema.items() if isinstance(dtype, pl.List)}
    counts = {"n_records": pl.lit(0, pl.Int64), "last_sequence_id": pl.lit(-1, pl.Int64)}
    texts = {name: pl.lit(None, pl.String) for name, dtype in USER_STATE.schema.items() if dtype == pl.String}
    return last.with_columns(**lists, **counts, **texts).select(list(USER_STATE.schema))


def stored_in(events: pl.DataFrame) -> Stored:
    held = events.select("user_id", "item_id", "occurred_at", order="user_seq")
    return lambda keys: keys.join(held, on=keys.columns, how="semi", nulls_equal=True)


def order(
    rows: pl.DataFrame, before: pl.DataFrame | None = None, known: list[int] | None = None, whole: pl.DataFrame | None = None
) -> Ordered:
    before = EVENTS.empty() if before is None else before
    items = None if known is None else pl.Series(known, dtype=pl.Int64)
    return order_events(rows, state_after(before), Origin("s", "i"), Rules(known_items=items), stored_in(before), whole)


def order_late(rows: pl.DataFrame, before: pl.DataFrame) -> Ordered:
    """As a night does: again, with all that is stored of the users of late events."""
    first = order(rows, before)
    return order(rows, before, whole=before.join(first.late, on="user_id", how="semi")) if first.late.height else first


def in_order(ordered: Ordered) -> list[tuple[int, int, int]]:
    return ordered.events.select("user_id", "item_id", "user_seq").rows()


def refused(ordered: Ordered) -> list[tuple[int, str]]:
    return ordered.rejects.select("line", "reason").rows()


def test_events_are_numbered_by_time_within_their_user() -> None:
    assert in_order(order(raw((1, 7, 3), (2, 8, 2), (1, 9, 1)))) == [(1, 9, 0), (1, 7, 1), (2, 8, 0)]


def test_events_of_one_moment_follow_their_position_then_their_line() -> None:
    rows = raw((1, 7, 0), (1, 8, 0), (1, 9, 0))
    assert in_order(order(rows)) == [(1, 7, 0), (1, 8, 1), (1, 9, 2)]
    shown = rows.with_columns(position=pl.Series([2, 1, 0], dtype=pl.UInt16))
    assert in_order(order(shown)) == [(1, 9, 0), (1, 8, 1), (1, 7, 2)]


def test_requests_of_one_moment_stay_whole_and_follow_their_lines() -> None:
    """Two pages of a session in one second (RL4RS): by position alone they would alternate, and no page would be a slate."""
    rows = raw((1, 7, 0), (1, 8, 0), (1, 5, 0), (1, 6, 0), (2, 9, 0), (1, 4, 1))
    shown = rows.with_columns(position=pl.Series([0, 1, 0, 1, 0, 0], dtype=pl.UInt16), request_id=pl.Series([*"bbaaba"]))
    ordered = [(1, 7, 0), (1, 8, 1), (1, 5, 2), (1, 6, 3), (1, 4, 4), (2, 9, 0)]
    assert in_order(order(shown)) == ordered
    assert in_order(order(shown.with_columns(position=pl.lit(None, pl.UInt16)))) == ordered
    mixed = shown.with_columns(line=pl.Series([1, 3, 2, 4, 5, 6], dtype=rows.schema["line"]), position=pl.lit(None, pl.UInt16))
    assert in_order(order(mixed)) == ordered


def test_events_of_one_moment_follow_their_file_before_their_line() -> None:
    """Lines 1 and 2 are of b.csv, line 3 of a.csv: the files are read in the order of their names."""
    rows = raw((1, 7, 0), (1, 8, 0), (1, 9, 0)).with_columns(file=pl.Series(["b.csv", "b.csv", "a.csv"]))
    assert in_order(order(rows)) == [(1, 9, 0), (1, 7, 1), (1, 8, 2)]


def test_a_repeated_row_is_found_behind_others_of_its_moment() -> None:
    """Item 7 on lines 1 and 3, item 8 of the same moment between them."""
    ordered = order(raw((1, 7, 0), (1, 8, 0), (1, 7, 0)))
    assert refused(ordered) == [(3, "duplicate (user, item, time)")]
    assert in_order(ordered) == [(1, 7, 0), (1, 8, 1)]


def test_a_place_that_the_source_tells_is_kept_with_its_gaps() -> None:
    ordered = order(raw((1, 7, 30), (1, 9, 10), by="order"))
    assert in_order(ordered) == [(1, 9, 10), (1, 7, 30)]
    assert ordered.events["occurred_at"].null_count() == 2


def test_numbers_go_on_after_the_last_stored_event() -> None:
    first = order(raw((1, 7, 1), (1, 8, 2))).events
    assert in_order(order(raw((1, 9, 3), (2, 9, 0)), first)) == [(1, 9, 2), (2, 9, 0)]


def test_a_repeated_row_is_refused_and_the_first_line_stays() -> None:
    ordered = order(raw((1, 7, 1), (1, 7, 1), (1, 7, 2)))
    assert in_order(ordered) == [(1, 7, 0), (1, 7, 1)]
    assert refused(ordered) == [(2, "duplicate (user, item, time)")]
    assert json.loads(ordered.rejects["raw"][0])["item_id"] == 7


def test_two_items_cannot_have_one_place() -> None:
    assert refused(order(raw((1, 7, 5), (1, 8, 5), by="order"))) == [(2, "duplicate (user, order)")]


def test_a_refused_row_takes_no_place_from_a_good_one() -> None:
    """Item 99 is unknown, so item 8 has order 5 to itself."""
    ordered = order(raw((1, 99, 5), (1, 8, 5), by="order"), known=[8])
    assert in_order(ordered) == [(1, 8, 5)]
    assert refused(ordered) == [(1, "unknown item")]


def test_an_item_the_catalogue_does_not_list_is_refused_only_where_there_is_a_catalogue() -> None:
    rows = raw((1, 7, 1), (1, 8, 2))
    assert refused(order(rows, known=[7])) == [(2, "unknown item")]
    assert refused(order(rows, known=None)) == []


def test_a_row_before_the_last_stored_event_is_late_unless_it_is_stored() -> None:
    """Stored: item 7 at hour 1, item 8 at hour 5. Again item 7 at 1: known. Item 9 at 4: late. Item 9 at 5: in time."""
    first = order(raw((1, 7, 1), (1, 8, 5))).events
    rows = raw((1, 7, 1), (1, 9, 4), (1, 9, 5), (2, 9, 0))
    ordered = order(rows, first)
    assert (ordered.n_known, refused(ordered), ordered.late.rows()) == (1, [], [(1, 1)])
    assert in_order(ordered) == [(2, 9, 0)]
    whole = order(rows, first, whole=first)
    assert (whole.n_known, refused(whole), whole.late.height) == (1, [], 0)
    assert in_order(whole) == [(1, 7, 0), (1, 9, 1), (1, 8, 2), (1, 9, 3), (2, 9, 0)]


def test_a_stored_event_keeps_its_delivery_and_is_refused_for_nothing_that_arrives() -> None:
    """A row that repeats it is refused, also where its position is earlier; items are not asked of it again."""
    first = order(raw((1, 7, 1), (1, 8, 5))).events.with_columns(ingest_id=pl.lit("before"), position=pl.lit(3).cast(pl.UInt16))
    rows = raw((1, 9, 2), (1, 8, 5)).with_columns(position=pl.lit(0).cast(pl.UInt16))
    ordered = order_events(rows, state_after(first), Origin("s", "now"), Rules(known_items=pl.Series([9])), whole=first)
    assert ordered.events.select("item_id", "ingest_id").rows() == [(7, "before"), (9, "now"), (8, "before")]
    assert refused(ordered) == [(2, "unknown item")]
    ordered = order_events(rows, state_after(first), Origin("s", "now"), whole=first)
    assert ordered.events["ingest_id"].to_list() == ["before", "now", "before"]
    assert refused(ordered) == [(2, "duplicate (user, item, time)")]


def test_a_told_place_that_was_passed_is_late_and_one_that_is_taken_is_refused() -> None:
    first = order(raw((1, 7, 10), by="order")).events
    rows = raw((1, 7, 10), (1, 8, 10), (1, 8, 9), (1, 8, 11), by="order")
    assert order(rows, first).late.rows() == [(1, 1)]
    ordered = order_late(rows, first)
    assert (ordered.n_known, refused(ordered)) == (1, [(2, "duplicate (user, order)")])
    assert in_order(ordered) == [(1, 8, 9), (1, 7, 10), (1, 8, 11)]


def test_a_user_without_new_rows_keeps_the_order_of_what_is_left() -> None:
    """A corrected day brings nothing of the user, and what it had brought before is gone."""
    first = order(raw((1, 7, 1), (1, 8, 5), (1, 9, 6))).events
    assert in_order(order(raw(), first, whole=first[[0, 2]])) == [(1, 7, 0), (1, 9, 2)]


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (pl.concat([raw((1, 7, 1), by="order"), raw((1, 8, 1))]), "1 of 2 rows have no order"),
        (raw((1, 7, 1)).with_columns(occurred_at=pl.lit(None, RAW_EVENTS.schema["occurred_at"])), "neither order nor time"),
    ],
)
def test_rows_without_any_order_break_the_contract(rows: pl.DataFrame, message: str) -> None:
    with pytest.raises(ContractError, match=message):
        order(rows)


def test_no_rows_are_no_events() -> None:
    assert order(raw()).events.is_empty()


LOGS = st.lists(st.tuples(st.integers(1, 3), st.integers(1, 4), st.integers(0, 6)), max_size=25)


@settings(max_examples=50, deadline=None)
@given(LOGS, st.sampled_from(["order", "occurred_at"]), st.randoms(use_true_random=False))
def test_the_order_of_the_input_rows_does_not_matter(log: list[tuple[int, int, int]], by: str, random: object) -> None:
    rows = raw(*log, by=by)
    shuffled = rows.sample(fraction=1, shuffle=True, seed=random.randrange(1000))  # type: ignore[attr-defined]
    a, b = order(rows, known=[1, 2, 3]), order(shuffled, known=[1, 2, 3])
    assert a.events.equals(b.events)
    assert a.rejects.equals(b.rejects)


@settings(max_examples=50, deadline=None)
@given(LOGS, st.sampled_from(["order", "occurred_at"]))
def test_every_row_is_an_event_a_reject_or_known_and_a_second_delivery_adds_nothing(
    log: list[tuple[int, int, int]], by: str
) -> None:
    rows = raw(*log, by=by)
    first = order(rows, known=[1, 2, 3])
    assert first.events.height + first.rejects.height + first.n_known == len(log)
    again = order(rows, first.events, known=[1, 2, 3])
    assert again.events.is_empty()
    assert again.rejects.height + again.n_known == len(log)
    assert again.n_known >= first.events.height


@settings(max_examples=50, deadline=None)
@given(LOGS, st.sampled_from(["order", "occurred_at"]), st.integers(0, 6))
def test_two_nights_make_the_events_of_one(log: list[tuple[int, int, int]], by: str, midnight: int) -> None:
    rows = raw(*log, by=by)
    is_early = pl.Series([at < midnight for _, _, at in log], dtype=pl.Boolean)
    first = order(rows.filter(is_early)).events
    second = order(rows.filter(~is_early), first).events
    assert pl.concat([first, second]).sort("user_id", "user_seq").equals(order(rows).events)


@settings(max_examples=100, deadline=None)
@given(LOGS, st.sampled_from(["order", "occurred_at"]), st.data())
def test_nights_in_any_order_make_the_events_of_one(log: list[tuple[int, int, int]], by: str, data: st.DataObject) -> None:
    """Rows come on any night, also long after later ones: what is late is laid between what is stored."""
    rows = raw(*{(user, at): (user, item, at) for user, item, at in log}.values(), by=by)
    night = pl.Series(data.draw(st.lists(st.integers(0, 3), min_size=rows.height, max_size=rows.height)), dtype=pl.Int64)
    stored = EVENTS.empty()
    for number in range(4):
        ordered = order_late(rows.filter(night == number), stored)
        rebuilt = order(rows.filter(night == number), stored).late
        assert ordered.rejects.is_empty() and ordered.n_known == 0
        stored = pl.concat([stored.join(rebuilt, on="user_id", how="anti"), ordered.events])
    assert stored.sort("user_id", "user_seq").equals(order(rows).events)


@pytest.mark.parametrize("stride", [1, 2, 4096, 1 << 40])
def test_buckets_are_even_for_ids_in_strides(stride: int) -> None:
    ids = pl.DataFrame({"user_id": pl.int_range(-5000, 5000, eager=True) * stride})
    sizes = ids.group_by(bucket_of(pl.col("user_id"), 8)).len()
    assert sizes.height == 8
    assert sizes["len"].is_between(1250 * 0.85, 1250 * 1.15).all()


def test_buckets_are_pinned() -> None:
    """They name files in the warehouse: another bucket for a user would lose its history."""
    ids = pl.DataFrame({"user_id": [0, 1, 2, 6040, 2**62, -1]})
    assert ids.select(bucket_of(pl.col("user_id"), 8)).to_series().to_list() == [0, 7, 5, 3, 4, 2]
