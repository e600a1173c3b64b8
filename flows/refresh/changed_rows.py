"""Which rows of a table of millions a night changed."""

import numpy as np
import polars as pl


def changed_rows(now: pl.DataFrame, before: pl.DataFrame, key: str) -> pl.DataFrame:
    """Rows of ``now`` that are new or not as they were in ``before``, in their order.

    Each row is compared with the one of its key: a join of millions of rows on all their columns took half as long as a night's audits.

    Args:
        now: some rows.
        before: rows with the same columns, whose ``key`` is unique and rises.
        key: name of a column, i64.
    """
    if before.is_empty():
        return now
    keys, asked = before[key].to_numpy(), now[key].to_numpy()
    places = np.minimum(np.searchsorted(keys, asked), len(keys) - 1)
    is_same = pl.Series(keys[places] == asked)
    for column in before[places].iter_columns():
        is_same &= column.eq_missing(now[column.name])
    return now.filter(~is_same)
