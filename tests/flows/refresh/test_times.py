"""Times and places without sense are kept aside, and one such row changes nothing for the others."""

from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from pipeline.errors import QuarantineError
from tests.support.logs import NOW, Log

ORDERED = {"user": "user_id", "item": "item_id", "order": "timestamp", "feedback": "clicked"}


def ranked(log: Log) -> pl.DataFrame:
    """The log with the places 1 … 25 in place of times."""
    return log.rows.with_columns(timestamp=(pl.col("timestamp") - 1_500_000_000) // 100 + 1)


@pytest.mark.parametrize("year", [1970, 2077])
def test_one_row_of_another_age_makes_no_later_row_late(log: Log, year: int) -> None:
    """User 1 has one row in another age; the night after all his five events are taken, and no item is seen then."""
    timestamp = int(datetime(year, 1, 1, tzinfo=UTC).timestamp())
    first = log.stage(pl.concat([log.rows, log.rows.head(1).with_columns(timestamp=pl.lit(timestamp, pl.Int64))]))
    assert first.counts.n_rejected == 1
    second = log.stage(log.later(1), "2.csv", first)
    assert second.rejected == {}
    seen = second.items.select(pl.col("first_seen", "last_seen").dt.year())
    assert set(seen["first_seen"]) == set(seen["last_seen"]) == {2017}


def test_the_bounds_are_settings_and_a_day_ahead_of_the_clock_is_allowed(log: Log) -> None:
    """Clocks of other time zones may be hours ahead; 26 hours are not. A floor of 2018 leaves nothing of 2017."""
    ahead = [int((NOW + timedelta(hours=hours)).timestamp()) for hours in (20, 26)]
    rows = pl.concat([log.rows, log.rows.head(2).with_columns(timestamp=pl.Series(ahead))])
    assert log.stage(rows).rejected == {"time is in the future: after the clock by more than ingest.future_days": 1}
    assert log.stage(rows, ingest={"future_days": 2.0}).rejected == {}
    with pytest.raises(QuarantineError, match=r"time is before 2018-01-01.*ingest\.earliest"):
        log.stage(log.rows, ingest={"earliest": "2018-01-01T00:00:00Z"})


def test_times_that_count_from_a_start_of_their_own_are_taken_and_stay_so(log: Log) -> None:
    """Seconds 1 … 2440 as in a simulation; a calendar date among them on a later night is of another clock."""
    relative = pl.col("timestamp") - 1_500_000_000
    first = log.stage(log.rows.with_columns(relative))
    assert first.counts.n_accepted == 1000
    second = log.stage(pl.concat([log.later(1).with_columns(relative), log.later(2).head(1)]), "2.csv", first)
    assert second.rejected == {"time is a calendar date, where times of this source count from a start of their own": 1}


def test_a_night_of_1970_in_a_log_of_the_calendar_is_refused(log: Log) -> None:
    """What the first delivery decided holds, though all of tonight's times lie before the floor."""
    first = log.stage(log.rows)
    with pytest.raises(QuarantineError, match="200 of 200 rows.*time is before 1990-01-01"):
        log.stage(log.later(1).with_columns(pl.col("timestamp") - 1_500_000_000), "2.csv", first)


@pytest.mark.parametrize(
    ("said", "factor", "fitting"),
    [("s", 1_000, "ms"), ("s", 1_000_000, "us"), ("ms", 1, "s"), ("us", 1_000, "ms"), ("ms", 1_000_000, "us"), ("iso", 1, "s")],
)
def test_a_wrong_unit_is_named_with_the_right_one(log: Log, said: str, factor: int, fitting: str) -> None:
    with pytest.raises(QuarantineError, match=rf'would be one in {fitting} \(1,000\).*source\.time_unit = "{fitting}"'):
        log.stage(log.rows.with_columns(pl.col("timestamp") * factor), time_unit=said)


def test_a_few_rows_in_another_unit_are_kept_aside_and_poison_nothing(log: Log) -> None:
    for said, factor, strange in (("s", 1, 1000), ("ms", 1000, 1)):
        rows = log.rows.with_columns(pl.col("timestamp") * factor)
        wrong = log.rows.tail(2).with_columns(pl.col("timestamp") * strange)
        assert list(log.stage(pl.concat([rows, wrong]), time_unit=said).rejected.values()) == [2]


@pytest.mark.parametrize("kind", ["parquet", "csv", "decimal", "ms"])
def test_parts_of_a_second_are_kept(log: Log, kind: str) -> None:
    """Each event thrice, .25, .5 and .75 of a second after its own: 3,000 events in that order."""
    rows = pl.concat([log.rows.with_columns(pl.col("timestamp") + part) for part in (0.75, 0.25, 0.5)])
    if kind == "decimal":
        rows = rows.with_columns(pl.col("timestamp").cast(pl.Decimal(18, 2)))
    if kind == "ms":
        rows = rows.with_columns(pl.col("timestamp") * 1000 + 0.5)
    night = log.stage(rows, "1.csv" if kind == "csv" else "1.parquet", time_unit="ms" if kind == "ms" else "s")
    assert (night.counts.n_accepted, night.rejected) == (3000, {})
    parts = night.events["occurred_at"].dt.microsecond().unique().sort().to_list()
    assert parts == ([250_500, 500_500, 750_500] if kind == "ms" else [250_000, 500_000, 750_000])
    assert night.events.select(pl.col("occurred_at").diff().over("user_id").drop_nulls().min()).item() >= timedelta(0)


def test_microseconds_of_a_float64_are_exact(log: Log) -> None:
    night = log.stage(log.rows.with_columns(pl.col("timestamp") + 0.123457), "1.parquet")
    assert night.events["occurred_at"].dt.microsecond().unique().to_list() == [123_457]


def test_seconds_in_single_precision_are_refused_with_the_reason(log: Log) -> None:
    """A float32 tells seconds of 2017 apart only by 128."""
    with pytest.raises(QuarantineError, match=r"time is a 32-bit float.*float64"):
        log.stage(log.rows.with_columns(pl.col("timestamp").cast(pl.Float32)), "1.parquet")


def test_one_huge_place_makes_no_later_row_late(log: Log) -> None:
    """User 1 has one row at place 9·10^15; his places 26 to 30 of the night after are taken."""
    poison = ranked(log).head(1).with_columns(timestamp=pl.lit(9_000_000_000_000_000))
    first = log.stage(pl.concat([ranked(log), poison]), columns=ORDERED)
    assert first.rejected == {"order is far beyond all others": 1}
    next_five = ranked(log).filter(pl.col("timestamp") <= 5).with_columns(pl.col("timestamp") + 25)
    assert log.stage(next_five, "2.csv", first, columns=ORDERED).rejected == {}


def test_places_may_be_large_where_all_are_and_of_one_busy_user(log: Log) -> None:
    """Places that are milliseconds of the clock; and a user at place 50,000 among others at 25."""
    assert log.stage(ranked(log).with_columns(pl.col("timestamp") + 1_700_000_000_000), columns=ORDERED).rejected == {}
    busy = ranked(log).head(1).with_columns(timestamp=pl.lit(50_000, pl.Int64))
    assert log.stage(pl.concat([ranked(log), busy]), columns=ORDERED).rejected == {}


@pytest.mark.parametrize("name", ["1.parquet", "1.csv"])
def test_a_place_may_be_a_whole_float(log: Log, name: str) -> None:
    as_floats = ranked(log).with_columns(pl.col("timestamp").cast(pl.Float64))
    assert log.stage(as_floats, name, columns=ORDERED).counts.n_accepted == 1000
    with pytest.raises(QuarantineError, match="order is not a whole number"):
        log.stage(as_floats.with_columns(pl.col("timestamp") + 0.5), name, columns=ORDERED)
