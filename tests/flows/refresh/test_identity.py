"""What makes two rows one event, within a delivery and from night to night."""

from typing import Any

import polars as pl
import pytest
from pydantic import ValidationError

from pipeline.errors import SourceError
from tests.support.logs import Log

ANSWERS: dict[str, Any] = {"positive": ["buy", "cart"]}
WITH_POSITION = {"user": "user_id", "item": "item_id", "time": "timestamp", "feedback": "clicked", "position": "position"}


def with_answers(rows: pl.DataFrame, n_bought: int = 20) -> pl.DataFrame:
    """``pv`` and ``cart`` rows, and ``n_bought`` of the pv once more as ``buy``: the same user, item and second."""
    seen = rows.with_columns(clicked=pl.when(pl.col("clicked") == 1).then(pl.lit("cart")).otherwise(pl.lit("pv")))
    return pl.concat([seen, seen.filter(clicked="pv").head(n_bought).with_columns(clicked=pl.lit("buy"))])


def test_a_view_and_a_purchase_of_one_second_are_two_events(log: Log) -> None:
    night = log.stage(with_answers(log.rows), **ANSWERS)
    assert (night.counts.n_accepted, night.rejected) == (1020, {})
    assert night.events["feedback"].sum() == log.rows["clicked"].sum() + 20
    assert night.events.filter(behavior="buy").height == 20


def test_a_repeated_row_is_refused_for_a_reason_that_names_the_identity(log: Log) -> None:
    night = log.stage(pl.concat([log.rows, log.rows.head(3)]))
    assert night.rejected == {"duplicate (user, item, time, feedback)": 3}


def test_the_second_night_knows_events_by_the_same_identity(log: Log) -> None:
    """The file grew by a purchase at each user's last second: 1,000 rows are known, 40 are new. The stored feedback, 0 or 1,
    would not tell a cart from a purchase."""
    rows = with_answers(log.rows, n_bought=0)
    last = rows.filter(pl.col("timestamp") >= 1_500_000_000 + 2400).with_columns(clicked=pl.lit("buy"))
    first = log.stage(rows, **ANSWERS)
    second = log.stage(pl.concat([rows, last]), "2.csv", first, **ANSWERS)
    assert (second.counts.n_known, second.counts.n_accepted, second.rejected) == (1000, 40, {})


def test_a_file_delivered_again_as_parquet_is_known(log: Log) -> None:
    """Answers "1" and 1.0, seconds "1500000001" and 1500000001.0, ids "7" and 7.0 are the same values."""
    first = log.stage(log.rows)
    again = log.stage(log.rows.with_columns(pl.col("timestamp", "clicked", "user_id").cast(pl.Float64)), "2.parquet", first)
    assert (again.counts.n_known, again.counts.n_accepted) == (1000, 0)


def test_values_are_compared_as_numbers_and_two_empty_cells_are_equal(log: Log) -> None:
    """The value 0.50 of the first night is 0.5 in the second; a third of the values and of the positions are empty."""
    columns = WITH_POSITION | {"value": "value"}
    is_given = pl.int_range(pl.len()) % 3 > 0
    rows = log.rows.with_columns(
        pl.when(is_given).then(0).alias("position"), pl.when(is_given).then(pl.lit("0.50")).alias("value")
    )
    first = log.stage(rows, columns=columns)
    again = log.stage(rows.with_columns(value=pl.col("value").cast(pl.Float32)), "2.parquet", first, columns=columns)
    assert (again.counts.n_known, again.counts.n_accepted, first.rejected) == (1000, 0, {})


def test_the_same_rows_in_two_files_are_events_once(log: Log) -> None:
    first = log.stage(log.rows)
    again = log.stage(pl.concat([log.rows.tail(100), log.later(1)]), "2.csv", first)
    assert (again.counts.n_known, again.counts.n_accepted) == (100, 200)


@pytest.mark.parametrize(("identity", "n_events"), [(None, 60), ("row", 80), (["feedback"], 40), (["position", "time"], 60)])
def test_a_source_says_what_tells_its_rows_apart(log: Log, identity: Any, n_events: int) -> None:
    """Rows of one user, item and second: 40 on position 0, 20 of them again on position 1, and 20 again as they were."""
    first = log.rows.with_columns(position=pl.lit(0)).head(40)
    rows = pl.concat([first, first.head(20).with_columns(position=pl.lit(1)), first.tail(20)])
    night = log.stage(rows, columns=WITH_POSITION, identity=identity, ingest={"quarantine_limit": 0.6})
    assert night.counts.n_accepted == n_events


def test_rows_that_are_events_each_are_known_again_as_often_as_they_came(log: Log) -> None:
    """A growing file holds a row three times, then four times: three are known, the fourth is new."""
    last = log.rows.tail(1)
    first = log.stage(pl.concat([log.rows, last, last]), identity="row")
    assert first.counts.n_accepted == 1002
    second = log.stage(pl.concat([log.rows, last, last, last]), "2.csv", first, identity="row")
    assert (second.counts.n_known, second.counts.n_accepted) == (1002, 1)


def test_an_identity_of_an_unmapped_column_is_refused(log: Log) -> None:
    with pytest.raises(ValidationError, match="identity names position, which is not mapped"):
        log.stage(log.rows, identity=["position"])


def test_a_refusal_for_repeated_rows_names_the_key_that_helps(log: Log) -> None:
    with pytest.raises(SourceError, match=r"duplicate \(user, item, time, feedback\) \(1,000\).*source\.identity"):
        log.stage(pl.concat([log.rows, log.rows]))


def test_an_answer_that_was_mapped_otherwise_is_known_by_its_text(log: Log) -> None:
    """Carts became positives (an accepted change): what a growing file repeats is known nevertheless."""
    first = log.stage(with_answers(log.rows), positive=["buy"])
    again = log.stage(pl.concat([with_answers(log.rows), with_answers(log.later(1), 0)]), "2.csv", first, **ANSWERS)
    assert (again.counts.n_known, again.counts.n_accepted) == (1020, 200)
