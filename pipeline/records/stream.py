"""The night's stream: every user's carried open list followed by the new events, cut into runs of one request."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from pipeline.contracts import USER_STATE
from pipeline.errors import ContractError
from pipeline.records.ragged import Flags, Numbers, flatten, spans, starts_of

_NEW_USER = {"last_seq": -(2**63), "n_records": 0, "last_sequence_id": -1}


@dataclass(frozen=True)
class Stream:
    """m users' open lists and new events, user by user, in the order shown; n entries.

    Attributes:
        carried: USER_STATE of the m users before the night, in the order of the stream; new users have empty lists.
        last_row: (m,) row in the events of each user's last event.
        user_offsets: (m + 1,) where each user's part starts.
        items: (n,) item ids.
        liked: (n,) true for positives.
        rows: (n,) row in the events; -1 for entries of a carried open list.
        run_offsets: (r + 1,) where each run starts: consecutive entries of one user with one request_id.
    """

    carried: pl.DataFrame
    last_row: Numbers
    user_offsets: Numbers
    items: Numbers
    liked: Flags
    rows: Numbers
    run_offsets: Numbers


def lay_out(events: pl.DataFrame, state: pl.DataFrame, slate_size: int) -> Stream:
    """Put each user's open list before the new events and find the runs.

    No request id counts as one request: such events are consecutive. Inside a run with a request id the entries of tonight are in
    the order of ``position``, then ``user_seq``; elsewhere a position says nothing about order and is not looked at.

    Raises:
        ContractError: events are not sorted by (user_id, user_seq) or not after their user's last stored one, or an open list
            is not shorter than K (K was changed between two nights).
    """
    users = events["user_id"].to_numpy()
    first = _differs(users)
    first_row = np.flatnonzero(first)
    last_row = np.append(first_row[1:], events.height) - 1
    carried = _carried(users[first_row], state)
    _require_order(events, first, first_row, carried)
    n_open, open_items = flatten(carried["open_items"])
    if n_long := int((n_open >= slate_size).sum()):
        raise ContractError(
            f"records: {n_long} of {len(n_open)} users have an open list of {slate_size} items or more, expected fewer; "
            "records.slate_size was changed; set it back, or build anew with: hsrl refresh --warehouse NEW"
        )
    n_new = last_row + 1 - first_row
    user_offsets = starts_of(n_open + n_new)
    new_at = np.arange(events.height) + np.repeat(np.cumsum(n_open), n_new)
    open_at = spans(user_offsets[:-1], n_open)

    requests = events["request_id"]
    new_run = first | _differs_from(requests, requests.shift(1))
    rows = _as_shown(events, new_run)
    new_run[first_row] = _differs_from(requests.gather(first_row), carried["last_request_id"])
    starts_run = np.zeros(len(new_at) + len(open_at), dtype=bool)
    starts_run[new_at] = new_run
    starts_run[user_offsets[:-1]] = True

    return Stream(
        carried=carried,
        last_row=last_row,
        user_offsets=user_offsets,
        items=_merge(events["item_id"].to_numpy()[rows], new_at, open_items, open_at),
        liked=_merge(events["feedback"].to_numpy()[rows] == 1, new_at, flatten(carried["open_feedback"])[1] == 1, open_at),
        rows=_merge(rows, new_at, np.full(len(open_at), -1), open_at),
        run_offsets=np.append(np.flatnonzero(starts_run), len(starts_run)),
    )


def _carried(users: Numbers, state: pl.DataFrame) -> pl.DataFrame:
    """The state of ``users`` (rising), a row each in their order; what a new user starts with where there is none."""
    joined = pl.DataFrame({"user_id": users}).join(state, on="user_id", how="left", maintain_order="left")
    empty_lists = [
        pl.col(name).fill_null(pl.lit([], dtype=USER_STATE.schema[name])) for name in ("positives", "open_items", "open_feedback")
    ]
    return joined.with_columns(*empty_lists, *(pl.col(name).fill_null(start) for name, start in _NEW_USER.items()))


def _require_order(events: pl.DataFrame, first: Flags, first_row: Numbers, carried: pl.DataFrame) -> None:
    users, seqs = events["user_id"].to_numpy(), events["user_seq"].to_numpy()
    is_before = (users[1:] < users[:-1]) | (~first[1:] & (seqs[1:] < seqs[:-1]))
    if n_before := int(is_before.sum()):
        raise ContractError(
            f"records: {n_before} of {events.height} events do not follow their predecessor; sort by user_id, user_seq"
        )
    if n_late := int((seqs[first_row] <= carried["last_seq"].to_numpy()).sum()):
        raise ContractError(
            f"records: {n_late} of {len(first_row)} users have events at or before their last stored one; "
            "late events take a new warehouse: hsrl refresh --warehouse NEW"
        )


def _as_shown(events: pl.DataFrame, new_run: Flags) -> Numbers:
    """Row numbers of the events, inside each request by position."""
    rows = np.arange(events.height)
    if events["position"].null_count() == events.height:
        return rows
    shown = events.select(pl.when(pl.col("request_id").is_not_null()).then("position").fill_null(65_535)).to_series().to_numpy()
    if not ((shown[1:] < shown[:-1]) & ~new_run[1:]).any():
        return rows
    return np.lexsort((shown, np.cumsum(new_run)))


def _differs_from(left: pl.Series, right: pl.Series) -> Flags:
    """True where two columns differ; two empty values are equal."""
    return left.ne_missing(right).to_numpy().astype(bool)


def _differs(values: Numbers) -> Flags:
    """True where a value differs from the one before it; the first always does."""
    return np.append([True], values[1:] != values[:-1])[: len(values)]


def _merge(new: npt.NDArray[Any], new_at: Numbers, carried: npt.NDArray[Any], carried_at: Numbers) -> npt.NDArray[Any]:
    merged = np.empty(len(new_at) + len(carried_at), dtype=new.dtype)
    merged[new_at] = new
    merged[carried_at] = carried
    return merged
