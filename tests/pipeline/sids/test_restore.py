"""Going back to the Semantic IDs of an earlier release."""

import polars as pl

from pipeline.contracts import IS_OPEN, SID_HISTORY, open_rows
from pipeline.sids.assign import apply_changes
from pipeline.sids.restore import restore

# item, sid, slot, valid_from, valid_to: 1 moved at release 2, 2 was closed at 3, 3 came at 2, 4 never changed.
ROWS = [(1, 0, 0, 1, 2), (1, 1, 0, 2, None), (2, 0, 1, 1, 3), (3, 0, 2, 2, None), (4, 1, 1, 1, None)]


def history() -> pl.DataFrame:
    rows = [
        {"item_id": item, "codebook_id": "c", "tokens": [code], "sid": str(code), "sid_key": code, "slot": slot, "valid_from": first,
         "valid_to": last, "assigned_by": "greedy", "reason": "new", "recon_error": 0.0, "is_ood": False}
        for item, code, slot, first, last in ROWS
    ]  # fmt: skip
    return pl.DataFrame(rows, schema=SID_HISTORY.schema)


def at(rows: pl.DataFrame, release: int) -> list[tuple]:
    held = (pl.col("valid_from") <= release) & (IS_OPEN | (pl.col("valid_to") > release))
    return sorted(rows.filter(held).select("item_id", "sid", "slot").rows())


def test_the_new_release_has_the_semantic_ids_of_the_old_one_and_every_release_keeps_its_own() -> None:
    """Release 4 goes back to 1: item 1 is 0 again, 2 is back with slot 1, 3 has none, 4 is untouched."""
    upserts = restore(history(), 1, 4)
    after = apply_changes(history(), upserts)
    assert at(after, 4) == at(history(), 1) == [(1, "0", 0), (2, "0", 1), (4, "1", 1)]
    for release in (1, 2, 3):
        assert at(after, release) == at(history(), release)
    assert 4 not in upserts["item_id"]
    assert set(open_rows(upserts)["reason"]) == {"rollback"}


def test_going_back_to_what_is_changes_nothing() -> None:
    assert restore(history(), 3, 4).is_empty()
