"""The order of events within their user, and which rows are refused: of unknown items, repeated, or already stored."""

from collections.abc import Callable
from typing import NamedTuple

import polars as pl

from pipeline.contracts import EVENTS, RAW_EVENTS, REJECTS, USER_STATE, check
from pipeline.errors import ContractError
from pipeline.ingest import reasons
from pipeline.ingest.identity import ORDER_FACTOR, Bounds, Identity
from pipeline.ingest.repeats import ANSWER, MIX, NTH, identifying, marking_repeats, nth_of, repeats_row_before
from pipeline.ingest.row_order import row_order

Stored = Callable[[pl.DataFrame], pl.DataFrame]


class Origin(NamedTuple):
    """What events come from: EVENTS.source and EVENTS.ingest_id."""

    source: str
    ingest_id: str


class Rules(NamedTuple):
    """What events have to keep.

    Attributes:
        identity: what makes two rows one event.
        bounds: where times and orders have to lie.
        known_items: ids that may occur; None where the source has no catalogue.
    """

    identity: Identity = Identity()
    bounds: Bounds = Bounds()
    known_items: pl.Series | None = None


class Ordered(NamedTuple):
    """Rows in = events of this origin + ``rejects`` + ``n_known``.

    Attributes:
        events: EVENTS by (user_id, user_seq).
        rejects: REJECTS by (file, line).
        n_known: rows that the warehouse holds.
        known: file, n_known: these by file.
        late: user_id and n_late of the users with events earlier than some that are stored, who have to be ordered whole.
    """

    events: pl.DataFrame
    rejects: pl.DataFrame
    n_known: int
    known: pl.DataFrame
    late: pl.DataFrame


def bucket_of(user_id: pl.Expr, n: int) -> pl.Expr:
    """The user's bucket in [0, n), i64: fixed arithmetic on the id, so that it is the same in every run and version."""
    return (_spread(user_id) % n).cast(pl.Int64)


def part_of(user_id: pl.Expr, n_buckets: int, n: int) -> pl.Expr:
    """The user's part in [0, n), i64, of its bucket of ``n_buckets``, where a bucket is too large to be ordered at once."""
    return (_spread(user_id) // n_buckets % n).cast(pl.Int64)


def _spread(user_id: pl.Expr) -> pl.Expr:
    """The id as a number in [0, 2^32); runs and strides of ids spread evenly."""
    mixed = user_id.cast(pl.Int64).reinterpret(signed=False)
    for factor in MIX:
        mixed = (mixed ^ (mixed // pl.lit(1 << 31, pl.UInt64))) * pl.lit(factor, pl.UInt64)
    return mixed // pl.lit(1 << 32, pl.UInt64)


def order_events(
    raw: pl.DataFrame,
    state: pl.DataFrame,
    origin: Origin,
    rules: Rules = Rules(),  # noqa: B008 frozen
    stored: Stored | None = None,
    whole: pl.DataFrame | None = None,
) -> Ordered:
    """Give the events of a bucket their order within the user, after those already stored.

    The order is the source's own where it has one; else events are sorted by time, position in the slate, file and line (the
    requests of one moment stay whole, one after the other), and numbered on from the user's last. Rows at or before the user's last
    stored event are asked of ``stored``: those it knows are counted and dropped, so that rows that arrive twice add nothing; of the
    others an earlier row is late, and a row at the same time is new. A late row's place is among the stored events, so that all of
    the user's are ordered again: those of ``late`` are left out of ``events``, and the caller asks again with them in ``whole``.

    Args:
        raw: RAW_EVENTS of the bucket in any row order; ``order`` is given for all rows or for none.
        state: USER_STATE of the bucket's users.
        origin: the source, and the delivery's id.
        rules: identity, bounds and known items.
        stored: given rows of (user_id, item_id, occurred_at) or, where the source has orders, (user_id, item_id, order), and
            of the columns of the identity, returns those the warehouse holds (order is its user_seq, ``NTH`` the number
            among equal rows); None while it holds none.
        whole: EVENTS, all that are stored of users who are ordered from their first event on, between the new ones; at one moment
            and position the stored ones come first. They keep their source and delivery.

    Raises:
        ContractError: an input breaks its contract, or ``order`` is given for some rows only.
    """
    check(raw, RAW_EVENTS, "ordering")
    check(state, USER_STATE, "ordering")
    has_order = _has_order(raw) and (raw.height > 0 or whole is not None)
    by = "order" if has_order else "occurred_at"
    # Decided on the few columns that matter. A text is slow to sort by, and often all rows are of one file; stored ones are of none.
    has_files = whole is not None or raw["file"].n_unique() > 1
    ties = [*([] if has_order else ["position"]), *(["file"] if has_files else []), "line"]
    last = state.select("user_id", "last_seq", last=pl.col("last_seq" if has_order else "last_occurred_at"))
    rows = raw.select("user_id", "item_id", by, *dict.fromkeys((*ties, "file"))).with_row_index("row")
    rows = _with_last(rows, last)
    rows, outside = _split(rows.with_columns(raw["occurred_at"].alias("when")), _bound_checks(rules.bounds, has_order=has_order))
    key = ["user_id", "item_id", by]
    rows, known_in = _without_known(rows.with_columns(is_new=pl.lit(value=True)), raw, key, rules.identity, stored)
    n_new = raw.height
    if whole is not None:
        raw, rows = _with_whole(raw, rows, check(whole, EVENTS, "ordering"), by)
    rows = rows[row_order(rows, ["user_id", by, *ties])]
    rows = marking_repeats(rows, raw, [*key, "is_new", *ties], rules.identity)
    kept, refused = _split(rows, _checks(by, rules))
    refused = pl.concat([outside.drop("when"), refused.select(outside.drop("when").columns)])
    if has_order:  # checked last: a refused row takes no order from another
        kept, taken = _split(kept, [(reasons.DUPLICATE_ORDER, _is_taken(kept, stored))])
        refused = pl.concat([refused, taken.select(refused.columns)])
    kept, late = _without_late(kept, by)
    if has_order:
        kept, repeated = _split(kept, [(reasons.DUPLICATE_ORDER, repeats_row_before("user_id", "order"))])
        refused = pl.concat([refused, repeated.select(refused.columns)])
    else:
        kept = _whole_requests(kept, raw["request_id"])
        nth = pl.int_range(pl.len()).over("user_id")
        kept = kept.with_columns(order=pl.col("last_seq").fill_null(-1) + 1 + nth)
    events = raw.drop("order", "file", "line")[kept["row"]].with_columns(
        user_seq=kept["order"], source=pl.lit(origin.source), ingest_id=pl.lit(origin.ingest_id)
    )
    if whole is not None:
        events = _with_own_origins(events, whole, kept["row"].cast(pl.Int64) - n_new)
    rejects = _rejected(raw[refused["row"]].with_columns(refused["reason"]))
    known = known_in.alias("file").to_frame().group_by("file").agg(n_known=pl.len().cast(pl.Int64))
    return Ordered(check(events.select(list(EVENTS.schema)), EVENTS, "ordering"), rejects, len(known_in), known, late)


def _with_last(rows: pl.DataFrame, last: pl.DataFrame) -> pl.DataFrame:
    """The rows with what is stored of their user's last event."""
    if last.height:
        return rows.join(last, on="user_id", how="left", maintain_order="left")
    return rows.with_columns(pl.lit(None, last.schema[name]).alias(name) for name in ("last_seq", "last"))


def _has_order(raw: pl.DataFrame) -> bool:
    """Whether all rows have the source's own order.

    Raises:
        ContractError: some have, or rows have neither order nor time.
    """
    n_without = raw["order"].null_count()
    if 0 < n_without < raw.height:
        raise ContractError(
            f"ordering: {n_without} of {raw.height} rows have no order, expected all or none; mend the source's mapping"
        )
    if n_without and (n_nowhen := raw["occurred_at"].null_count()):
        raise ContractError(f"ordering: {n_nowhen} of {raw.height} rows have neither order nor time; mend the source's mapping")
    return not n_without


def _with_whole(raw: pl.DataFrame, rows: pl.DataFrame, whole: pl.DataFrame, by: str) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The raw rows and those looked at, with the stored events of ``whole`` after them; its users begin anew, so nothing is late."""
    order = pl.col("user_seq") if by == "order" else pl.lit(None, pl.Int64)
    as_raw = whole.with_columns(order=order, file=pl.lit(""), line=pl.col("user_seq")).select(list(RAW_EVENTS.schema))
    begins_anew = pl.col("user_id").is_in(whole["user_id"].unique().implode())
    rows = rows.with_columns(pl.when(~begins_anew).then(pl.col(name)).alias(name) for name in ("last", "last_seq"))
    stored = as_raw.with_row_index("row", offset=raw.height).with_columns(when="occurred_at", is_new=pl.lit(value=False))
    return pl.concat([raw, as_raw]), pl.concat([rows, stored.select(set(rows.columns) & set(stored.columns))], how="diagonal")


def _with_own_origins(events: pl.DataFrame, whole: pl.DataFrame, row: pl.Series) -> pl.DataFrame:
    """EVENTS with the source and delivery of the stored ones; ``row`` is each one's in ``whole``, below 0 where it is new."""
    is_stored = row >= 0
    indices = is_stored.arg_true()
    return events.with_columns(
        events[name].scatter(indices, whole[name][row.filter(is_stored)]) for name in ("source", "ingest_id")
    )


def _is_taken(rows: pl.DataFrame, stored: Stored | None) -> pl.Expr:
    """Where another stored event of the user has the row's order."""
    place = ["user_id", "order"]
    passed = rows.filter(pl.col("order") <= pl.col("last")).select(place)
    if passed.is_empty() or stored is None:
        return pl.lit(value=False)
    return pl.struct(place).is_in(stored(passed).unique().to_struct().implode())


def _without_late(rows: pl.DataFrame, by: str) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The rows of users of whom none is late, and ``Ordered.late``."""
    is_late = pl.col("order") <= pl.col("last") if by == "order" else pl.col("occurred_at") < pl.col("last")
    late = rows.filter(is_late).group_by("user_id").agg(n_late=pl.len().cast(pl.Int64)).sort("user_id")
    return (rows.join(late, on="user_id", how="anti", maintain_order="left") if late.height else rows), late


def stored_among(keys: pl.DataFrame, events: pl.LazyFrame) -> pl.DataFrame:
    """Those of some rows that stored events hold already: what ``order_events`` asks of ``stored``.

    Args:
        keys: columns that make rows the events they are, ``order`` and ``NTH`` among them where they matter.
        events: EVENTS of the same users.
    """
    stored = events.with_columns(ANSWER, order="user_seq")
    if NTH in keys.columns:
        columns = [name for name in keys.columns if name != NTH]
        stored = stored.select(columns).with_columns(nth_of(columns))
    return keys.lazy().join(stored.select(keys.columns), on=keys.columns, how="semi", nulls_equal=True).collect()


def _whole_requests(rows: pl.DataFrame, request_id: pl.Series) -> pl.DataFrame:
    """The rows, by (user, time, …), with those of a request together where several of one user share a moment.

    Usually none do, so that the neighbours are looked at first.
    """
    if request_id.null_count() == len(request_id):
        return rows
    moment = ["user_id", "occurred_at"]
    moments = rows.select(*moment).with_columns(request_id[rows["row"]])
    is_other = pl.col("request_id").ne_missing(pl.col("request_id").shift())
    if not moments.select((repeats_row_before(*moment) & is_other).any()).item():
        return rows
    first = moments.with_row_index("first").select(pl.col("first").min().over(*moment, "request_id")).to_series()
    return rows.with_columns(first).sort(*moment, "first", maintain_order=True).drop("first")


def _without_known(
    rows: pl.DataFrame, raw: pl.DataFrame, key: list[str], identity: Identity, stored: Stored | None
) -> tuple[pl.DataFrame, pl.Series]:
    """The rows that the warehouse does not hold, and the file of each that it does."""
    if stored is None:
        return rows, rows["file"].clear()
    is_suspicious = (pl.col(key[-1]) <= pl.col("last")).fill_null(value=False)
    suspicious = rows.filter(is_suspicious)
    if suspicious.is_empty():
        return rows, rows["file"].clear()
    keys = identifying(suspicious, raw, key, identity)
    if identity.is_row:
        keys = keys.with_columns(nth_of(keys.columns))
    known = stored(keys).unique()
    known_rows = keys.with_columns(suspicious["row"]).join(known, on=keys.columns, how="semi", nulls_equal=True)["row"]
    is_known = pl.col("row").is_in(known_rows.implode())
    return rows.filter(~is_known), rows.filter(is_known)["file"]


def _bound_checks(bounds: Bounds, *, has_order: bool) -> list[tuple[str, pl.Expr]]:
    """Where times and orders make no sense; such a row would have its user laid out anew night after night."""
    checks = []
    if bounds.earliest:
        checks.append((reasons.before(bounds.earliest), pl.col("when") < bounds.earliest))
    if bounds.latest:
        checks.append((reasons.OTHER_CLOCK if bounds.latest_is_floor else reasons.FUTURE, pl.col("when") > bounds.latest))
    if bounds.largest_order is not None and has_order:
        is_beyond_own = (pl.col("order") // ORDER_FACTOR > pl.col("last_seq")).fill_null(value=True)
        checks.append((reasons.FAR_ORDER, (pl.col("order") > bounds.largest_order) & is_beyond_own))
    return checks


def _checks(by: str, rules: Rules) -> list[tuple[str, pl.Expr]]:
    """Reasons to refuse a row and where they hold; a stored event is not refused."""
    is_known = pl.lit(value=True) if rules.known_items is None else pl.col("item_id").is_in(rules.known_items.implode())
    duplicate = reasons.duplicate(rules.identity.names, "order" if by == "order" else "time")
    return [(reasons.UNKNOWN_ITEM, ~is_known & pl.col("is_new")), (duplicate, pl.col("is_repeated") & pl.col("is_new"))]


def _split(rows: pl.DataFrame, checks: list[tuple[str, pl.Expr]]) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The rows that no check holds for, and the others with the first that does as their ``reason``."""
    if not checks or not rows.select(pl.any_horizontal(is_bad for _, is_bad in checks).any()).item():
        return rows, rows.clear().with_columns(reason=pl.lit(None, pl.String))
    marked = rows.with_columns(reason=pl.coalesce([pl.when(is_bad).then(pl.lit(text)) for text, is_bad in checks]))
    return marked.filter(pl.col("reason").is_null()).drop("reason"), marked.filter(pl.col("reason").is_not_null())


def _rejected(rows: pl.DataFrame) -> pl.DataFrame:
    """REJECTS; these rows were read long ago, so that their raw text is their cells as JSON."""
    columns = [name for name in RAW_EVENTS.schema if name not in ("file", "line") and rows[name].null_count() < rows.height]
    if rows.is_empty():
        return REJECTS.empty()
    rejects = rows.with_columns(raw=reasons.row_json(columns)).select(list(REJECTS.schema)).sort("file", "line")
    return check(rejects, REJECTS, "ordering")
