"""The cut between training and test records, as an artifact of its own: rows never move, the cut does (docs/design.md §4)."""

from datetime import datetime
from fractions import Fraction

import polars as pl

from pipeline.contracts import IS_TRAINING, SPLITS, check
from pipeline.errors import ContractError
from pipeline.records.config import RecordsConfig

_DENOMINATOR = 1_000_000


def make_splits(config: RecordsConfig, states: pl.LazyFrame, records: pl.LazyFrame) -> pl.DataFrame:
    """Cut the records of all users as the configuration asks.

    Args:
        config: the section ``records``.
        states: USER_STATE of every user; read where the cut is by user.
        records: RECORD_ROWS of every user; read where the cut is by time.

    Returns:
        SPLITS, by user_id.

    Raises:
        ContractError: see ``split_per_user``, ``time_of_fraction`` and ``split_by_time``.
    """
    if config.split == "per_user":
        return split_per_user(states.select("user_id", "n_records").collect(), config.train_fraction)
    times = records.select("user_id", "record_index", "occurred_at").collect()
    return split_by_time(times, config.split_at or time_of_fraction(times["occurred_at"], config.train_fraction))


def labelled_slates(records: pl.LazyFrame, splits: pl.DataFrame) -> pl.DataFrame:
    """user_id, record_index, exposed_items, feedback, history, occurred_at and split (``train`` or ``test``) of all records.

    Args:
        records: RECORD_ROWS.
        splits: SPLITS with every user of ``records``.
    """
    label = pl.when(IS_TRAINING).then(pl.lit("train")).otherwise(pl.lit("test"))
    slates = records.select("user_id", "record_index", "exposed_items", "feedback", "history", "occurred_at")
    return _with_n_train(slates, splits).with_columns(split=label).collect()


def training_answers(records: pl.LazyFrame, splits: pl.DataFrame) -> pl.DataFrame:
    """user_id, record_index, item_id and feedback (u8) of every item that a training record shows, in its order within the record.

    Args:
        records: RECORD_ROWS.
        splits: SPLITS with every user of ``records``.
    """
    slates = records.select("user_id", "record_index", "exposed_items", "feedback")
    shown = _with_n_train(slates, splits).filter(IS_TRAINING).explode("exposed_items", "feedback")
    return shown.select("user_id", "record_index", "feedback", item_id="exposed_items").collect()


def count_answers(answers: pl.DataFrame) -> pl.DataFrame:
    """item_id, n_shown and n_positives (i64): how often ``training_answers`` show and like each item; others have no row."""
    return answers.group_by("item_id").agg(
        n_shown=pl.len().cast(pl.Int64), n_positives=(pl.col("feedback") == 1).sum().cast(pl.Int64)
    )


def _with_n_train(records: pl.LazyFrame, splits: pl.DataFrame) -> pl.LazyFrame:
    return records.join(splits.lazy().select("user_id", "n_train"), on="user_id")


def split_per_user(counts: pl.DataFrame, fraction: float) -> pl.DataFrame:
    """Give training the first ⌊fraction · n⌋ of each user's n records.

    The floor is that of the decimal number as it is written (0.8 · 5 is 4), with at most six digits.

    Args:
        counts: user_id, n_records (USER_STATE has both).
        fraction: in (0, 1).

    Returns:
        SPLITS, by user_id.

    Raises:
        ContractError: a user comes twice.
    """
    exact = _exact(fraction)
    cuts = counts.select(
        "user_id",
        "n_records",
        n_train=pl.col("n_records") * exact.numerator // exact.denominator,
        method=pl.lit(f"per_user {fraction}"),
    )
    return check(cuts.sort("user_id"), SPLITS, "split")


def split_by_time(records: pl.DataFrame, split_at: datetime) -> pl.DataFrame:
    """Give training the records of each user that lead up to the first one at or after ``split_at``.

    Args:
        records: user_id, record_index, occurred_at of all records, in any order.
        split_at: first moment of the test, with its time zone.

    Returns:
        SPLITS, by user_id.

    Raises:
        ContractError: a record has no time.
    """
    _require_times(records["occurred_at"])
    cuts = records.group_by("user_id").agg(
        n_records=pl.len().cast(pl.Int64),
        n_train=pl.col("record_index").filter(pl.col("occurred_at") >= split_at).min(),
    )
    cuts = cuts.with_columns(pl.col("n_train").fill_null(pl.col("n_records")), method=pl.lit(f"by_time {split_at.isoformat()}"))
    return check(cuts.sort("user_id"), SPLITS, "split")


def time_of_fraction(occurred_at: pl.Series, fraction: float) -> datetime:
    """The first moment of the test records that leaves at most ``fraction`` of all records, and as many as ties allow, before it.

    Args:
        occurred_at: times of all records, n ≥ 1.
        fraction: in (0, 1).

    Raises:
        ContractError: no records, or a record without a time.
    """
    _require_times(occurred_at)
    if occurred_at.is_empty():
        raise ContractError("split: 0 records, expected one at least to take the time of the split from; set records.split_at")
    exact = _exact(fraction)
    moment: datetime = occurred_at.sort().item(len(occurred_at) * exact.numerator // exact.denominator)
    return moment


def _exact(fraction: float) -> Fraction:
    return Fraction(str(fraction)).limit_denominator(_DENOMINATOR)


def _require_times(occurred_at: pl.Series) -> None:
    if n_timeless := occurred_at.null_count():
        raise ContractError(
            f"split: {n_timeless} of {len(occurred_at)} records have no time, expected one in each for a split by time; "
            "set records.split = 'per_user'"
        )
