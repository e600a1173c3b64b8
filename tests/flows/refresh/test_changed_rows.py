"""Which rows a night changed."""

import polars as pl

from flows.refresh.changed_rows import changed_rows

SCHEMA = {"user_id": pl.Int64, "raw_id": pl.String, "n": pl.Int64}


def rows(*of: tuple[int, str | None, int]) -> pl.DataFrame:
    return pl.DataFrame(list(of), schema=SCHEMA, orient="row")


def test_rows_that_are_new_or_differ_in_any_column_are_found_in_their_order() -> None:
    """2 is as it was, also in having no text; 1, 3 and 5 differ, lose and gain a text; 4 and 9 are new; 7 is gone."""
    before = rows((1, "a", 1), (2, None, 2), (3, "c", 3), (5, None, 5), (7, "g", 7))
    now = rows((9, "i", 9), (1, "a", 2), (2, None, 2), (3, None, 3), (4, "d", 4), (5, "e", 5))
    assert changed_rows(now, before, "user_id")["user_id"].to_list() == [9, 1, 3, 4, 5]
    assert changed_rows(now, rows(), "user_id").equals(now)
    assert changed_rows(rows(), before, "user_id").is_empty()
