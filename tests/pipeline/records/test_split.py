"""The cut between training and test, on counts that the fingers can check."""

from datetime import UTC, datetime, timedelta
from fractions import Fraction
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.contracts import SPLITS
from pipeline.errors import ContractError
from pipeline.records.split import split_by_time, split_per_user, time_of_fraction

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


def counts(*n_records: int) -> pl.DataFrame:
    return pl.DataFrame({"user_id": range(len(n_records)), "n_records": n_records}, schema_overrides={"user_id": pl.Int64})


def records(**hours: list[int | None]) -> pl.DataFrame:
    """``u3=[0, 1]``: user 3 with a record at noon and one an hour later."""
    rows = [
        (int(user[1:]), index, None if hour is None else NOON + timedelta(hours=hour))
        for user, times in hours.items()
        for index, hour in enumerate(times)
    ]
    schema: dict[str, Any] = {"user_id": pl.Int64, "record_index": pl.Int64, "occurred_at": pl.Datetime("us", "UTC")}
    return pl.DataFrame(rows, schema=schema, orient="row")


def test_training_is_the_floor_of_four_fifths() -> None:
    """0, 1, 4, 5, 9, 10 records leave 0, 0, 3, 4, 7, 8."""
    cuts = split_per_user(counts(0, 1, 4, 5, 9, 10), 0.8)
    assert cuts["n_train"].to_list() == [0, 0, 3, 4, 7, 8]
    assert cuts["method"].unique().to_list() == ["per_user 0.8"]


def test_the_floor_is_exact_where_floating_point_is_not() -> None:
    """0.29 · 100 is 28.999999999999996 in floating point, and 29."""
    assert int(0.29 * 100) == 28
    assert split_per_user(counts(100), 0.29)["n_train"].item() == 29


@given(n=st.integers(0, 10**9), hundredths=st.integers(1, 99))
def test_the_floor_is_that_of_the_written_decimal(n: int, hundredths: int) -> None:
    assert split_per_user(counts(n), hundredths / 100)["n_train"].item() == Fraction(hundredths, 100) * n // 1


def test_a_user_twice_is_refused() -> None:
    with pytest.raises(ContractError, match="repeat the key user_id"):
        split_per_user(pl.DataFrame({"user_id": [1, 1], "n_records": [2, 2]}), 0.8)


def test_a_split_by_time_takes_what_came_before() -> None:
    """Cut at one o'clock: of user 1 the noon record, of user 2 both, of user 3 none (a record at the very moment is test)."""
    cuts = split_by_time(records(u1=[0, 1, 2], u2=[0, 0], u3=[1]), NOON + timedelta(hours=1))
    assert cuts.select(list(SPLITS.schema)[:3]).rows() == [(1, 3, 1), (2, 2, 2), (3, 1, 0)]


def test_without_a_time_the_split_by_time_names_the_other_one() -> None:
    with pytest.raises(ContractError, match=r"1 of 2 records have no time.*set records.split = 'per_user'"):
        split_by_time(records(u1=[0, None]), NOON)


def test_the_time_of_a_fraction_leaves_that_share_before_it() -> None:
    """Of ten records at hours 0 to 9, eight lie before hour 8."""
    times = records(u1=list(range(10)))["occurred_at"]
    assert time_of_fraction(times, 0.8) == NOON + timedelta(hours=8)


def test_the_time_of_a_fraction_does_not_hang_on_the_order_of_the_records() -> None:
    times = records(u1=list(range(10)))["occurred_at"]
    assert time_of_fraction(times.reverse(), 0.8) == NOON + timedelta(hours=8)


def test_no_records_have_no_time_of_a_fraction() -> None:
    with pytest.raises(ContractError, match="0 records"):
        time_of_fraction(records()["occurred_at"], 0.8)
