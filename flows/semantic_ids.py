"""The middle of a refresh: what records become on the way to Semantic IDs, with frozen artifacts learned once and found again."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from flows.deliveries import of_bucket
from flows.settings import Settings
from pipeline.records.split import split_by_time, split_per_user


def make_splits(settings: Settings, state: Sequence[Path], records: Sequence[Path]) -> pl.DataFrame:
    """SPLITS of all users, from their states or, by time, from their records."""
    if settings.records.split == "per_user":
        counts = pl.scan_parquet(list(state)).select("user_id", "n_records").collect()
        return split_per_user(counts, settings.records.train_fraction)
    times = pl.scan_parquet(list(records)).select("user_id", "record_index", "occurred_at").collect()
    return split_by_time(times, settings.records.split_at, settings.records.train_fraction)


def train_positives(records: Sequence[Path], splits: pl.DataFrame, n_buckets: int) -> Iterator[pl.DataFrame]:
    """user_id and item_id of every positive in a training record, whole users, one frame a bucket."""
    n_train = splits.lazy().select("user_id", "n_train")
    for bucket in range(n_buckets):
        mine = of_bucket(records, bucket)
        if mine:
            yield (
                pl.scan_parquet(mine)
                .select("user_id", "record_index", "exposed_items", "feedback")
                .join(n_train, on="user_id")
                .filter(pl.col("record_index") < pl.col("n_train"))
                .explode("exposed_items", "feedback")
                .filter(pl.col("feedback") == 1)
                .select("user_id", item_id="exposed_items")
                .collect()
            )
