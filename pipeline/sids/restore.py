"""Going back: the changes that make the Semantic IDs those of an earlier release, without renumbering anything."""

import polars as pl

from pipeline.contracts import IS_OPEN, SID_HISTORY, check


def restore(history: pl.DataFrame, target: int, release_id: int) -> pl.DataFrame:
    """Rows of sid_history to write so that release ``release_id`` has the Semantic IDs of release ``target``.

    What was given out after ``target`` is closed; what was closed after it opens again in a new row, with its old tokens and slot
    (a slot is never given to another item, so it is still free). Rows that held then and hold now are left alone.

    Args:
        history: SID_HISTORY, open and closed rows.
        target: the release to go back to.
        release_id: the release to come, above all in ``history``.

    Returns:
        SID_HISTORY rows to write by key; the open ones have the reason *rollback*.
    """
    is_open = IS_OPEN
    held = (pl.col("valid_from") <= target) & (is_open | (pl.col("valid_to") > target))
    now = pl.lit(release_id, dtype=pl.Int64)
    closed = history.filter(is_open & ~held).with_columns(valid_to=now)
    opened = history.filter(held & ~is_open).with_columns(
        valid_from=now, valid_to=pl.lit(None, dtype=pl.Int64), reason=pl.lit("rollback")
    )
    return check(pl.concat([closed, opened]).sort("item_id", "codebook_id", "valid_from"), SID_HISTORY, "rollback")
