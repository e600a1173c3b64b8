"""The order by packed keys is the order by columns."""

from datetime import UTC, datetime, timedelta

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.ingest.row_order import row_order

FIRST = datetime(2026, 1, 1, tzinfo=UTC)
SMALL = st.one_of(st.none(), st.integers(0, 3))
# Numbers that lie so far apart that they fit into no key together.
WIDE = st.one_of(st.none(), st.integers(-(2**63), 2**63 - 1), st.integers(0, 2))
TIMES = st.one_of(
    st.none(), st.sampled_from([timedelta(0), timedelta(seconds=1), timedelta(microseconds=7), timedelta(days=900)])
)
ROWS = st.lists(st.tuples(SMALL, TIMES, st.sampled_from(["b", "a", "day_10"]), WIDE), max_size=30)
SCHEMA = {"user": pl.Int64, "at": pl.Datetime("us", "UTC"), "file": pl.String, "wide": pl.Int64}


@settings(max_examples=200, deadline=None)
@given(ROWS, st.permutations(list(SCHEMA)), st.integers(1, 4))
def test_one_sort_of_keys_gives_what_a_sort_by_columns_gives(rows: list[tuple[object, ...]], names: list[str], n: int) -> None:
    frame = pl.DataFrame(
        [(user, at if at is None else FIRST + at, file, wide) for user, at, file, wide in rows],  # type: ignore[operator]
        schema=SCHEMA,
        orient="row",
    )
    by = names[:n]
    expected = frame.with_row_index("row").sort(by, maintain_order=True)["row"].to_list()
    assert row_order(frame, by).tolist() == expected


def test_equal_rows_stay_in_their_order() -> None:
    assert row_order(pl.DataFrame({"user": [2, 1, 2, 1]}), ["user"]).tolist() == [1, 3, 0, 2]
