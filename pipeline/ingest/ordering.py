"""The order of events within their user, and which rows cannot take part: unknown, repeated, late, or already stored."""

from collections.abc import Callable
from typing import NamedTuple

import polars as pl

from pipeline.contracts import EVENTS, RAW_EVENTS, REJECTS, USER_STATE, check
from pipeline.errors import ContractError
from pipeline.ingest import reasons

# Odd constants of the finaliser of SplitMix64 (Steele, Lea, Flood 2014): one round spreads runs and strides of ids evenly.
_MIX = (0xBF58476D1CE4E5B9, 0x94D049BB133111EB)

Stored = Callable[[pl.DataFrame], pl.DataFrame]


class Ordered(NamedTuple):
    """Rows in = ``events`` + ``rejects`` + ``n_known``."""

    events: pl.DataFrame
    rejects: pl.DataFrame
    n_known: int


def bucket_of(user_id: pl.Expr, n: int) -> pl.Expr:
    """The user's bucket in [0, n), i64: fixed arithmetic on the id, so that it is the same in every run and version."""
    mixed = user_id.cast(pl.Int64).reinterpret(signed=False)
    for factor in _MIX:
        mixed = (mixed ^ (mixed // pl.lit(1 << 31, pl.UInt64))) * pl.lit(factor, pl.UInt64)
    return (mixed // pl.lit(1 << 32, pl.UInt64) % n).cast(pl.Int64)


def order_events(
    raw: pl.DataFrame, state: pl.DataFrame, known_items: pl.Series | None, stored: Stored | None, source: str, ingest_id: str
) -> Ordered:
    """Give the events of a bucket their place within the user, after those already stored.

    The place is the source's own where it tells one; else events are sorted by time, position in the slate, file and line, and
    numbered on from the user's last. Rows at or before the user's last stored event are asked of ``stored``: those it knows are
    counted and dropped, so that rows that arrive twice add nothing; of the others an earlier one is late, and one at the
    same time is new (places are never equal, so there it is late too).

    Args:
        raw: RAW_EVENTS of the bucket in any row order; ``order`` is told for all rows or for none.
        state: USER_STATE of the bucket's users.
        known_items: ids that may occur; None where the source has no catalogue.
        stored: given rows of (user_id, item_id, occurred_at) or, where the source tells places, (user_id, item_id, order),
            returns those the warehouse holds (order is its user_seq); None while it holds none.
        source: EVENTS.source.
        ingest_id: EVENTS.ingest_id.

    Returns:
        EVENTS by (user_id, user_seq), REJECTS by (file, line), and the number of known rows.

    Raises:
        ContractError: an input breaks its contract, or ``order`` is told for some rows only.
    """
    check(raw, RAW_EVENTS, "ordering")
    check(state, USER_STATE, "ordering")
    n_without = raw["order"].null_count()
    if 0 < n_without < raw.height:
        raise ContractError(
            f"ordering: {n_without} of {raw.height} rows have no order, expected all or none; mend the source's mapping"
        )
    has_order = raw.height > 0 and not n_without
    place = "order" if has_order else "occurred_at"
    if not has_order and (n_nowhen := raw["occurred_at"].null_count()):
        raise ContractError(f"ordering: {n_nowhen} of {raw.height} rows have neither order nor time; mend the source's mapping")

    # Decided on the few columns that matter; sorted twice, first so that equal rows are neighbours, then into the order kept.
    ties = ["file", "line"] if has_order else ["position", "file", "line"]
    last = state.select("user_id", "last_seq", last=pl.col("last_seq" if has_order else "last_occurred_at"))
    rows = raw.select("user_id", "item_id", place, *ties).with_row_index("row").join(last, on="user_id", how="left")
    rows, n_known = _without_known(rows, ["user_id", "item_id", place], stored)
    kept, refused = _part(rows.sort("user_id", place, "item_id", *ties), _checks(place, known_items))
    kept = kept.sort("user_id", place, *ties)
    if has_order:  # asked last: a refused row takes no place
        kept, repeated = _part(kept, [(reasons.DUPLICATE_ORDER, _repeats("user_id", "order"))])
        refused = pl.concat([refused, repeated])
    else:
        nth = pl.int_range(pl.len()).over("user_id")
        kept = kept.with_columns(order=pl.col("last_seq").fill_null(-1) + 1 + nth)
    events = raw.drop("order", "file", "line")[kept["row"]].with_columns(
        user_seq=kept["order"], source=pl.lit(source), ingest_id=pl.lit(ingest_id)
    )
    rejects = _rejected(raw[refused["row"]].with_columns(refused["reason"]))
    return Ordered(check(events.select(list(EVENTS.schema)), EVENTS, "ordering"), rejects, n_known)


def _without_known(rows: pl.DataFrame, key: list[str], stored: Stored | None) -> tuple[pl.DataFrame, int]:
    if stored is None:
        return rows, 0
    is_suspicious = (pl.col(key[-1]) <= pl.col("last")).fill_null(value=False)
    suspicious = rows.filter(is_suspicious).select(key)
    if suspicious.is_empty():
        return rows, 0
    known = stored(suspicious).select(key).unique()
    fresh = rows.join(known, on=key, how="anti")
    return fresh, rows.height - fresh.height


def _checks(place: str, known_items: pl.Series | None) -> list[tuple[str, pl.Expr]]:
    """Reasons to refuse a row and where they hold; of equal rows, which have to be neighbours, the first stays."""
    is_late = pl.col("order") <= pl.col("last") if place == "order" else pl.col("occurred_at") < pl.col("last")
    is_known = pl.lit(value=True) if known_items is None else pl.col("item_id").is_in(known_items.implode())
    return [
        (reasons.UNKNOWN_ITEM, ~is_known),
        (reasons.DUPLICATE, _repeats("user_id", place, "item_id")),
        (reasons.LATE, is_late),
    ]


def _repeats(*columns: str) -> pl.Expr:
    """Where a row equals the one before it."""
    return pl.all_horizontal(pl.col(column) == pl.col(column).shift() for column in columns).fill_null(value=False)


def _part(rows: pl.DataFrame, checks: list[tuple[str, pl.Expr]]) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The rows that no check holds for, and the others with the first that does as their ``reason``."""
    marked = rows.with_columns(reason=pl.coalesce([pl.when(is_bad).then(pl.lit(text)) for text, is_bad in checks]))
    return marked.filter(pl.col("reason").is_null()).drop("reason"), marked.filter(pl.col("reason").is_not_null())


def _rejected(rows: pl.DataFrame) -> pl.DataFrame:
    """REJECTS; these rows were read long ago, so that their raw text is their cells as JSON."""
    told = [name for name in RAW_EVENTS.schema if name not in ("file", "line") and rows[name].null_count() < rows.height]
    if rows.is_empty():
        return REJECTS.empty()
    rejects = rows.with_columns(raw=reasons.row_json(told)).select(list(REJECTS.schema)).sort("file", "line")
    return check(rejects, REJECTS, "ordering")
