"""Slates, histories and what is carried from night to night, on worlds of a few events."""

from itertools import pairwise
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from pipeline.contracts import EVENTS, USER_STATE
from pipeline.errors import ContractError
from pipeline.records.slates import Built, build_records

Row = dict[str, Any]


def row(user: int, seq: int, item: int, *, liked: int = 1, **more: Any) -> Row:
    """An event; its time is its user_seq in seconds."""
    return {"user_id": user, "user_seq": seq, "item_id": item, "feedback": liked, "occurred_at": seq * 1_000_000, **more}


def events(rows: list[Row]) -> pl.DataFrame:
    filled = [dict.fromkeys(EVENTS.schema) | {"source": "test", "ingest_id": "night"} | r for r in rows]
    return pl.DataFrame(filled, schema_overrides=dict(EVENTS.schema), schema=list(EVENTS.schema))


def build(rows: list[Row], state: pl.DataFrame | None = None, *, k: int = 2, h: int = 3) -> Built:
    return build_records(events(rows), USER_STATE.empty() if state is None else state, k, h)


def slates(built: Built) -> list[tuple[str, list[int], list[int]]]:
    return list(built.records.select("record_id", "exposed_items", "history").iter_rows())


def test_k_consecutive_events_make_a_record_and_the_rest_is_carried() -> None:
    """User 7 sees 1 to 5 and likes 1, 2 and 5: two slates of two, and 5 waits. The second slate's history is 1, 2."""
    built = build([row(7, s, s, liked=int(s in (1, 2, 5))) for s in range(1, 6)])
    assert slates(built) == [("7-0", [1, 2], []), ("7-1", [3, 4], [1, 2])]
    assert built.records["feedback"].to_list() == [[1, 1], [0, 0]]
    assert built.state.select("n_records", "positives", "open_items", "open_feedback", "last_seq").row(0) == (
        2,
        [1, 2],
        [5],
        [1],
        5,
    )


def test_the_history_holds_the_h_most_recent_positives_oldest_first() -> None:
    """Of 1, 2, 3, 4 liked before the third slate, H = 3 keeps 2, 3, 4."""
    assert slates(build([row(7, s, s) for s in range(1, 7)], h=3))[2] == ("7-2", [5, 6], [2, 3, 4])


def test_the_next_night_goes_on_where_the_last_one_stopped() -> None:
    """After one event of user 7, the next night's first completes the slate; user 8, unseen tonight, stays as he was."""
    first = build([row(7, 1, 1), row(8, 1, 30)])
    second = build([row(7, 2, 2), row(7, 3, 3), row(7, 4, 4)], first.state)
    assert slates(second) == [("7-0", [1, 2], []), ("7-1", [3, 4], [1, 2])]
    assert second.state["user_id"].to_list() == [7, 8]
    assert_frame_equal(second.state.filter(user_id=8), first.state.filter(user_id=8))


def test_positives_of_the_open_list_belong_to_the_slate_and_not_to_its_history() -> None:
    second = build([row(7, 3, 3)], build([row(7, 1, 1), row(7, 2, 2)], k=3).state, k=3)
    assert slates(second) == [("7-0", [1, 2, 3], [])]


def test_a_request_is_a_slate_in_the_order_of_its_positions() -> None:
    """Request a shows 2 above 1. Request b has three: a list of two, and one left over that enters the history of c."""
    rows = [
        row(7, 1, 1, request_id="a", position=1),
        row(7, 2, 2, request_id="a", position=0),
        row(7, 3, 3, request_id="b", position=0, liked=0),
        row(7, 4, 4, request_id="b", position=1, liked=0),
        row(7, 5, 5, request_id="b", position=2),
        row(7, 6, 6, request_id="c", position=0),
        row(7, 7, 7, request_id="c", position=1),
    ]
    built = build(rows)
    assert slates(built) == [("7-0", [2, 1], []), ("7-1", [3, 4], [2, 1]), ("7-2", [6, 7], [2, 1, 5])]
    assert built.n_short == 1
    assert built.records["occurred_at"].dt.epoch("s").to_list() == [2, 4, 7]


def test_a_request_cut_by_midnight_is_one_slate() -> None:
    first = build([row(7, 1, 1, request_id="a")])
    assert slates(build([row(7, 2, 2, request_id="a")], first.state)) == [("7-0", [1, 2], [])]


def test_a_request_that_stays_too_short_becomes_no_record_but_its_likes_are_remembered() -> None:
    first = build([row(7, 1, 1, request_id="a")])
    second = build([row(7, 2, 2, request_id="b"), row(7, 3, 3, request_id="b")], first.state)
    assert slates(second) == [("7-0", [2, 3], [1])]
    assert (first.n_short, second.n_short) == (0, 1)


def test_positions_without_a_request_say_nothing_about_order() -> None:
    rows = [row(7, 1, 1, position=9), row(7, 2, 2, position=0)]
    assert slates(build(rows)) == [("7-0", [1, 2], [])]


def test_sequence_ids_count_within_the_session_and_over_nights() -> None:
    """Sessions a a b, then b again the next night, then none: 0 1 0, 1, and without a session the place within the user, 4."""
    first = build([row(7, s, s, session_id=session) for s, session in enumerate("aab")], k=1)
    second = build([row(7, 3, 3, session_id="b"), row(7, 4, 4)], first.state, k=1)
    assert first.records["sequence_id"].to_list() == [0, 1, 0]
    assert second.records["sequence_id"].to_list() == [1, 4]


def test_a_night_without_events_changes_nothing() -> None:
    state = build([row(7, 1, 1)]).state
    built = build([], state)
    assert built.records.is_empty()
    assert_frame_equal(built.state, state)


def test_events_out_of_order_are_refused() -> None:
    with pytest.raises(ContractError, match=r"1 of 2 events do not follow their predecessor; sort by user_id, user_seq"):
        build([row(7, 2, 1), row(7, 1, 2)])


def test_events_before_the_stored_ones_are_refused() -> None:
    with pytest.raises(ContractError, match="1 of 2 users have events at or before their last stored one"):
        build([row(6, 1, 1), row(7, 5, 1)], build([row(7, 5, 1)]).state)


def test_a_slate_size_changed_between_nights_is_refused() -> None:
    with pytest.raises(ContractError, match=r"1 of 1 users have an open list of 2 items or more.*--warehouse NEW"):
        build([row(7, 9, 9)], build([row(7, s, s) for s in range(2)], k=3).state, k=2)


def by_hand(rows: list[Row], k: int, h: int) -> list[tuple[int, list[int], list[int], list[int], int]]:
    """The definition, an event at a time: (user, slate, feedback, history, sequence_id) of each record."""
    records = []
    for user in sorted({r["user_id"] for r in rows}):
        liked: list[int] = []
        open_list: list[Row] = []
        request, session, n_records, sequence = None, None, 0, -1
        for event in (r for r in rows if r["user_id"] == user):
            if event["request_id"] != request:
                liked += [r["item_id"] for r in open_list if r["feedback"]]
                open_list, request = [], event["request_id"]
            open_list.append(event)
            if len(open_list) < k:
                continue
            visit = event["session_id"]
            sequence = n_records if visit is None else sequence + 1 if visit == session else 0
            shown = [r["item_id"] for r in open_list]
            records.append((user, shown, [r["feedback"] for r in open_list], liked[-h:], sequence))
            liked += [r["item_id"] for r in open_list if r["feedback"]]
            open_list, session, n_records = [], visit, n_records + 1
    return records


@st.composite
def logs(draw: st.DrawFn) -> list[Row]:
    """Up to three users' events with some requests and sessions; items are numbered so that none comes twice."""
    rows: list[Row] = []
    for user in range(draw(st.integers(1, 3))):
        for seq in range(draw(st.integers(1, 14))):
            ids = draw(st.tuples(st.sampled_from([None, "a", "b"]), st.sampled_from([None, "s", "t"])))
            liked = draw(st.integers(0, 1))
            rows.append(row(user, seq, 100 * user + seq, liked=liked, request_id=ids[0], session_id=ids[1], position=seq))
    return rows


@settings(deadline=None, max_examples=60)
@given(rows=logs(), cuts=st.sets(st.integers(0, 14), max_size=3), k=st.integers(1, 4), h=st.integers(1, 4))
def test_any_cut_into_nights_gives_the_records_of_one_night_and_both_are_those_made_by_hand(
    rows: list[Row], cuts: set[int], k: int, h: int
) -> None:
    once = build(rows, k=k, h=h)
    nights, state, n_short = [], USER_STATE.empty(), 0
    bounds = [0, *sorted(cuts), 99]
    for low, high in pairwise(bounds):
        night = build([r for r in rows if low <= r["user_seq"] < high], state, k=k, h=h)
        nights.append(night.records)
        state, n_short = night.state, n_short + night.n_short
    assert_frame_equal(pl.concat(nights).sort("user_id", "record_index"), once.records)
    assert_frame_equal(state, once.state)
    assert n_short == once.n_short
    columns = once.records.select("user_id", "exposed_items", "feedback", "history", "sequence_id")
    assert columns.rows() == by_hand(rows, k, h)


@settings(deadline=None, max_examples=40)
@given(rows=logs(), k=st.integers(1, 4))
def test_no_history_knows_an_item_liked_in_or_after_its_slate(rows: list[Row], k: int) -> None:
    """Items are numbered by user_seq, so all of a history lies below all of its slate."""
    for record in build(rows, k=k, h=50).records.iter_rows(named=True):
        assert all(item < min(record["exposed_items"]) for item in record["history"])


@settings(deadline=None, max_examples=40)
@given(rows=logs(), k=st.integers(1, 4))
def test_every_event_is_in_one_record_or_open_or_counted_as_short(rows: list[Row], k: int) -> None:
    built = build(rows, k=k)
    assert built.records.height * k + built.state["open_items"].list.len().sum() + built.n_short == len(rows)
