"""Cells to values, one conversion at a time."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.ingest import cells


def of(expr: pl.Expr, **columns: Sequence[object]) -> list[object]:
    return pl.DataFrame(columns).select(expr.alias("it"))["it"].to_list()


def test_numbers_are_finite_and_whole_numbers_whole() -> None:
    given_cells = ["5", " 5 ", "5.0", "five", "", "nan", "inf", None]
    assert of(cells.integer("c"), c=given_cells) == [5, 5, None, None, None, None, None, None]
    assert of(cells.number("c"), c=given_cells) == [5.0, 5.0, 5.0, None, None, None, None, None]


def test_a_time_in_another_unit_than_said_is_none() -> None:
    """978300760 s is 2000-12-31; the same in milliseconds, read as seconds, would lie in the year 32970."""
    texts = ["978300760", "978300760000", "-1", "then"]
    assert of(cells.timestamp("c", "s", pl.String()), c=texts) == [
        datetime(2000, 12, 31, 22, 12, 40, tzinfo=UTC),
        None,
        None,
        None,
    ]
    assert of(cells.timestamp("c", "ms", pl.String()), c=texts)[1] == datetime(2000, 12, 31, 22, 12, 40, tzinfo=UTC)


def test_iso_times_may_name_a_zone_or_a_day_only() -> None:
    texts = ["2026-01-02T03:04:05Z", "2026-01-02 03:04:05.5", "2026-01-02 03:04:05+02:00", "2026-01-02", "02.01.2026"]
    day = datetime(2026, 1, 2, tzinfo=UTC)
    found = of(cells.timestamp("c", "iso", pl.String()), c=texts)
    assert found == [
        day.replace(hour=3, minute=4, second=5),
        day.replace(hour=3, minute=4, second=5, microsecond=500_000),
        day.replace(hour=1, minute=4, second=5),
        day,
        None,
    ]


def test_times_of_parquet_are_taken_as_they_are() -> None:
    naive = datetime(2026, 1, 2, 3)
    column = pl.DataFrame({"c": [naive]})
    assert column.select(cells.timestamp("c", "s", column.schema["c"]))["c"].to_list() == [naive.replace(tzinfo=UTC)]


def test_hashes_of_text_ids_are_fixed() -> None:
    """BLAKE2b-64 of "a" is 0x40f89e395b66422f; shifted right by one bit it fits i64. Pinned: they are keys in the warehouse."""
    first, second, empty, again = of(cells.hashed("c"), c=["a", "b", "", "a"])
    assert first == again != second
    assert empty is None
    assert first == 2340832890917691671


@given(st.lists(st.text(min_size=1).filter(str.strip), min_size=1, unique=True))
def test_hashes_lie_in_63_bits(texts: list[str]) -> None:
    assert all(isinstance(n, int) and 0 <= n < 2**63 for n in of(cells.hashed("c"), c=list(texts)))


@given(st.dictionaries(st.text(alphabet='ab"\\{}:, é', min_size=1, max_size=5), st.text(max_size=8), min_size=1, max_size=3))
def test_attributes_are_json_of_the_cells_that_are_not_empty(row: dict[str, str]) -> None:
    (text,) = of(cells.attributes(list(row)), **{name: [cell] for name, cell in row.items()})
    parsed = json.loads(str(text), parse_float=str, parse_int=str)
    assert parsed == {name: cell for name, cell in row.items() if cell}


def test_a_number_is_what_json_spells_as_one() -> None:
    assert of(cells.attributes(["c"]), c=["7", "-1.5e3", "007", "1.", "NaN"]) == [
        '{"c":7}',
        '{"c":-1.5e3}',
        '{"c":"007"}',
        '{"c":"1."}',
        '{"c":"NaN"}',
    ]
    assert of(cells.attributes(["c"], as_texts=True), c=["7"]) == ['{"c":"7"}']


def test_categories_come_from_columns_or_from_one_cell() -> None:
    assert of(cells.categories(["a", "b"], None), a=["x", "", None], b=["y|z", "w", None]) == [["x", "y|z"], ["w"], []]
    assert of(cells.categories(["b"], "|"), b=["y|z", "|w", None]) == [["y", "z"], ["w"], []]


@pytest.mark.parametrize("n_bad", [0, 2])
def test_each_row_is_either_good_or_rejected_for_the_first_reason(n_bad: int) -> None:
    rows = pl.DataFrame({cells.LINE: [1, 2, 3], cells.RAW: ["a" * 600, "b", "c"], "x": [-1, -1, 1] if n_bad else [1, 1, 1]})
    good, rejects = cells.split_rejects(rows, [("negative", pl.col("x") < 0), ("below five", pl.col("x") < -5)], "f")
    assert (good.height, rejects.height) == (3 - n_bad, n_bad)
    assert rejects["raw"].str.len_chars().to_list() == [500, 1][:n_bad]
    assert set(rejects["reason"]) <= {"negative"}
