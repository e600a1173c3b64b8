"""The catalogue and the users after a delivery: what was known, what is listed now, and when an item was last seen."""

import polars as pl

from pipeline.contracts import ITEMS, USERS, check


def merge_items(known: pl.DataFrame, listed: pl.DataFrame, *, is_whole: bool) -> pl.DataFrame:
    """The catalogue after a delivery.

    A listed item replaces what was known of it, but for ``first_seen`` (the earliest stays) and ``last_seen`` (the latest).

    Args:
        known: ITEMS, the catalogue before.
        listed: ITEMS of the delivery; an item listed twice counts as it stood last.
        is_whole: true where a delivery lists every item there is, so that what it leaves out is no longer active.
            A delivery without any listing says nothing about the catalogue.

    Returns:
        ITEMS, one row an item, by item_id.
    """
    check(known, ITEMS, "catalogue")
    latest = listed.unique("item_id", keep="last", maintain_order=True)
    span = (
        pl.concat([known, latest])
        .group_by("item_id")
        .agg(pl.col("first_seen").min().alias("first"), pl.col("last_seen").max().alias("last"))
    )
    rest = known.join(latest, on="item_id", how="anti")
    if is_whole and latest.height:
        rest = rest.with_columns(is_active=pl.lit(value=False))
    merged = pl.concat([rest, latest]).join(span, on="item_id").with_columns(first_seen="first", last_seen="last")
    return check(merged.select(list(ITEMS.schema)).sort("item_id"), ITEMS, "catalogue")


def sightings(events: pl.DataFrame) -> pl.DataFrame:
    """item_id, first_seen, last_seen of the items of EVENTS."""
    at = pl.col("occurred_at")
    return events.group_by("item_id").agg(at.min().alias("first_seen"), at.max().alias("last_seen"))


def note_sightings(items: pl.DataFrame, seen: pl.DataFrame) -> pl.DataFrame:
    """The catalogue with ``first_seen`` and ``last_seen`` widened by events.

    Args:
        items: ITEMS.
        seen: item_id, first_seen, last_seen; several rows an item are allowed, as each user bucket brings its own.
    """
    span = seen.group_by("item_id").agg(pl.col("first_seen").min().alias("first"), pl.col("last_seen").max().alias("last"))
    widened = items.join(span, on="item_id", how="left").with_columns(
        first_seen=pl.min_horizontal("first_seen", "first"), last_seen=pl.max_horizontal("last_seen", "last")
    )
    return check(widened.select(list(ITEMS.schema)).sort("item_id"), ITEMS, "catalogue")


def merge_users(known: pl.DataFrame, listed: pl.DataFrame) -> pl.DataFrame:
    """USERS after a delivery: a listed user replaces what was known; one row a user, by user_id, as ``known`` is."""
    if listed.is_empty():  # most sources have no file of users, and a log has millions
        return check(known, USERS, "users")
    merged = pl.concat([known, listed]).unique("user_id", keep="last").sort("user_id")
    return check(merged, USERS, "users")


def note_users(users: pl.DataFrame, seen: pl.DataFrame) -> pl.DataFrame:
    """USERS with a row for everyone who has events, also for those whom no user file lists.

    Args:
        users: USERS, by user_id.
        seen: user_id.
    """
    unlisted = seen.unique().join(users, on="user_id", how="anti")
    rows = unlisted.select("user_id", raw_id=pl.col("user_id").cast(pl.String), attributes=pl.lit(None, pl.String))
    return check(users.merge_sorted(rows.sort("user_id"), "user_id"), USERS, "users")
