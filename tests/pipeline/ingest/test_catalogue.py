"""The catalogue from night to night."""

from datetime import UTC, datetime
from typing import Any

import polars as pl

from pipeline.contracts import ITEMS, USERS
from pipeline.ingest.catalogue import merge_items, merge_users, note_sightings

NIGHT_1, NIGHT_2 = datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 2, tzinfo=UTC)


def items(*rows: dict[str, Any]) -> pl.DataFrame:
    filled = [{"raw_id": str(row["item_id"]), "categories": [], "is_active": True} | row for row in rows]
    return pl.DataFrame(filled, schema=ITEMS.schema)


def test_the_newer_listing_of_an_item_wins() -> None:
    merged = merge_items(
        items({"item_id": 1, "title": "a"}), items({"item_id": 1, "title": "b"}, {"item_id": 1, "title": "c"}), is_whole=False
    )
    assert merged["title"].to_list() == ["c"]


def test_an_item_gone_from_a_whole_list_is_inactive_and_comes_back_when_listed() -> None:
    both = items({"item_id": 1}, {"item_id": 2})
    gone = merge_items(both, items({"item_id": 2}), is_whole=True)
    assert gone.select("item_id", "is_active").rows() == [(1, False), (2, True)]
    assert merge_items(gone, both, is_whole=True)["is_active"].to_list() == [True, True]
    assert merge_items(both, items({"item_id": 2}), is_whole=False)["is_active"].to_list() == [True, True]
    assert merge_items(both, ITEMS.empty(), is_whole=True)["is_active"].to_list() == [True, True]


def test_sightings_widen_the_span_and_are_kept_by_a_later_listing() -> None:
    seen = pl.DataFrame({"item_id": [1, 1], "first_seen": [NIGHT_2, NIGHT_1], "last_seen": [NIGHT_2, NIGHT_1]}).cast(
        {"first_seen": ITEMS.schema["first_seen"], "last_seen": ITEMS.schema["last_seen"]}
    )
    widened = note_sightings(items({"item_id": 1}, {"item_id": 2}), seen)
    assert widened.select("first_seen", "last_seen").rows() == [(NIGHT_1, NIGHT_2), (None, None)]
    assert merge_items(widened, items({"item_id": 1}), is_whole=True)["first_seen"].to_list() == [NIGHT_1, None]


def test_the_newer_row_of_a_user_wins() -> None:
    known = pl.DataFrame([{"user_id": 1, "raw_id": "1", "attributes": "{}"}], schema=USERS.schema)
    listed = known.with_columns(attributes=pl.lit('{"age":3}'))
    assert merge_users(known, listed).rows() == [(1, "1", '{"age":3}')]
