"""Slates with their histories, from a bucket's events of one night and what the nights before left over."""

from dataclasses import dataclass

import numpy as np
import polars as pl

from pipeline.contracts import EVENTS, RECORD_ROWS, USER_STATE, check
from pipeline.records.ragged import Flags, Numbers, flatten, list_column, spans, starts_of
from pipeline.records.stream import Stream, lay_out


@dataclass(frozen=True)
class Built:
    """What a night adds.

    Attributes:
        records: RECORD_ROWS, by user_id and record_index.
        state: USER_STATE of all users of the bucket, by user_id.
        n_short: events of closed requests that filled no list of K; they are in no record, their positives are in the histories.
    """

    records: pl.DataFrame
    state: pl.DataFrame
    n_short: int


@dataclass(frozen=True)
class _Histories:
    """The positives of all users one after the other; what a user had liked before an entry of the stream is a range of them."""

    positives: Numbers
    user_start: Numbers
    before: Numbers
    shift: Numbers
    length: int

    def at(self, entries: Numbers, users: Numbers) -> pl.Series:
        """For each entry of the stream its user's ≤ H most recent positives strictly before it, oldest first."""
        end = self.before[entries] + self.shift[users]
        start = np.maximum(self.user_start[users], end - self.length)
        return list_column(self.positives[spans(start, end - start)], end - start)


def build_records(events: pl.DataFrame, state: pl.DataFrame, slate_size: int, history_length: int) -> Built:
    """Cut each user's events into slates of K and give each the positives that came strictly before it.

    A *run* is the consecutive events of a user with the same request_id; no request id counts as one value. A run is cut into
    lists of K. What its end leaves over is carried in the state while the run may go on (it is the user's last) and otherwise
    becomes no record. So a source without requests yields K consecutive events a record, a request longer than K several records,
    and any cut of the log into nights the same records and the same last state as one night (positions of a request that is cut
    in two must then rise with user_seq).

    Time, session, policy and ingest of a record are those of the event of the slate that comes last in user_seq.

    Args:
        events: EVENTS of one bucket, sorted by (user_id, user_seq).
        state: USER_STATE of any users of the bucket, as the last night left it.
        slate_size: K ≥ 1, the same as in the nights before.
        history_length: H ≥ 1, the same as in the nights before.

    Raises:
        ContractError: a broken contract, events out of order or not after the stored ones, or a changed K.
    """
    events = check(events, EVENTS, "records")
    state = check(state, USER_STATE, "records")
    if events.is_empty():
        return Built(RECORD_ROWS.empty(), state.sort("user_id"), 0)
    stream = lay_out(events, state, slate_size)
    run_lengths = np.diff(stream.run_offsets)
    n_lists, left_over = run_lengths // slate_size, run_lengths % slate_size
    begins = np.repeat(stream.run_offsets[:-1], n_lists) + slate_size * spans(np.zeros_like(n_lists), n_lists)
    is_last_run = np.isin(stream.run_offsets[1:], stream.user_offsets[1:], assume_unique=True)
    histories = _histories(stream, history_length)

    records, last_in_session = _records(events, stream, histories, begins, slate_size)
    updated = _state(events, stream, histories, left_over[is_last_run], last_in_session)
    untouched = state.join(updated, on="user_id", how="anti")
    return Built(
        records=check(records, RECORD_ROWS, "records"),
        state=check(pl.concat([untouched, updated]).sort("user_id"), USER_STATE, "records"),
        n_short=int(left_over[~is_last_run].sum()),
    )


def _histories(stream: Stream, length: int) -> _Histories:
    n_carried, carried = flatten(stream.carried["positives"])
    before = starts_of(stream.liked.astype(np.int64))
    shift = np.cumsum(n_carried)
    user_start = before[stream.user_offsets[:-1]] + shift - n_carried
    positives = np.empty(before[-1] + len(carried), dtype=np.int64)
    is_carried = np.zeros(len(positives), dtype=bool)
    is_carried[spans(user_start, n_carried)] = True
    positives[is_carried] = carried
    positives[~is_carried] = stream.items[stream.liked]
    return _Histories(positives, user_start, before, shift, length)


def _records(
    events: pl.DataFrame, stream: Stream, histories: _Histories, begins: Numbers, slate_size: int
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """RECORD_ROWS, and of each user with records the columns of the state that the last of them decides."""
    users = np.searchsorted(stream.user_offsets, begins, side="right") - 1
    slates = begins[:, None] + np.arange(slate_size)
    sizes = np.full(len(begins), slate_size)
    closing = events.select("user_id", "session_id", "occurred_at", "behavior_policy_id", "ingest_id")[
        stream.rows[slates].max(axis=1, initial=-1)
    ]
    is_first = np.append([True], users[1:] != users[:-1])[: len(users)]
    index = stream.carried["n_records"].to_numpy()[users] + _rows_since(is_first)
    sequence = _sequence_ids(closing["session_id"], is_first, stream.carried[users[is_first]], index)
    records = closing.with_columns(
        pl.Series("record_index", index),
        pl.Series("sequence_id", sequence),
        list_column(stream.items[slates].ravel(), sizes).alias("exposed_items"),
        list_column(stream.liked[slates].ravel().astype(np.uint8), sizes).alias("feedback"),
        histories.at(begins, users).alias("history"),
    ).with_columns(pl.format("{}-{}", "user_id", "record_index").alias("record_id"))
    is_last = np.append(is_first[1:], [True])[: len(users)]
    last = records.filter(is_last).select(
        "user_id", n_records=pl.col("record_index") + 1, last_session_id="session_id", last_sequence_id="sequence_id"
    )
    return records, last


def _rows_since(is_first: Flags) -> Numbers:
    """How many rows ago the last true was: T F F T F → 0 1 2 0 1."""
    starts = np.flatnonzero(is_first)
    rows = np.arange(len(is_first))
    return rows - np.repeat(starts, np.diff(np.append(starts, len(rows))))


def _sequence_ids(sessions: pl.Series, is_first: Flags, carried: pl.DataFrame, record_index: Numbers) -> Numbers:
    """The number within the session; without a session, within the user. ``carried`` has a row for each first record of a user."""
    changes = is_first | sessions.ne_missing(sessions.shift(1)).to_numpy()
    goes_on = (sessions.filter(is_first) == carried["last_session_id"]).fill_null(value=False).to_numpy()
    before = np.zeros(len(sessions), dtype=np.int64)
    before[is_first] = np.where(goes_on, carried["last_sequence_id"].to_numpy() + 1, 0)
    visits = np.cumsum(changes) - 1
    in_session = _rows_since(changes) + before[changes][visits]
    return np.where(sessions.is_null().to_numpy(), record_index, in_session)


def _state(
    events: pl.DataFrame, stream: Stream, histories: _Histories, left_over: Numbers, last_in_session: pl.DataFrame
) -> pl.DataFrame:
    """USER_STATE of the night's users; ``left_over`` is the length of their open lists."""
    begins = stream.user_offsets[1:] - left_over
    is_open = spans(begins, left_over)
    last = events[stream.last_row]
    decided_by_records = ["n_records", "last_session_id", "last_sequence_id"]
    fresh = pl.DataFrame(
        {
            "user_id": last["user_id"],
            "last_seq": last["user_seq"],
            "last_occurred_at": last["occurred_at"],
            "positives": histories.at(begins, np.arange(len(begins))),
            "open_items": list_column(stream.items[is_open], left_over),
            "open_feedback": list_column(stream.liked[is_open].astype(np.uint8), left_over),
            "last_request_id": last["request_id"],
        }
    )
    carried = stream.carried.select("user_id", *decided_by_records)
    return (
        fresh.join(carried, on="user_id", maintain_order="left")
        .update(last_in_session, on="user_id", include_nulls=True)
        .select(list(USER_STATE.schema))
    )
