"""The counts of ML-1M ranked that the papers and docs/measurements.md give."""

import io
import lzma
import os
from pathlib import Path

import polars as pl
import pytest

from pipeline.contracts import EVENTS, USER_STATE
from pipeline.records.slates import build_records
from pipeline.records.split import split_per_user

RANKED = Path(os.environ.get("HSRL_SHARED", "../shared")) / "data/ml-1m/ml-1m-all-ratings-rank-not-timestamp.dat.xz"


@pytest.mark.real
@pytest.mark.skipif(not RANKED.exists(), reason=f"no {RANKED}; set HSRL_SHARED")
def test_ml1m_gives_97383_whole_lists_of_which_75470_are_for_training() -> None:
    """1,000,209 ratings of 6,040 users; over 3 is positive; K = 10, ⌊0.8 n⌋ a user; the tails wait in the state."""
    text = lzma.decompress(RANKED.read_bytes()).replace(b"::", b",")
    fields = dict.fromkeys(("user_id", "item_id", "rating", "user_seq"), pl.Int64)
    rated = pl.read_csv(io.BytesIO(text), has_header=False, new_columns=list(fields), schema_overrides=fields)
    empty = [pl.lit(None, dtype).alias(name) for name, dtype in EVENTS.schema.items() if name not in fields]
    events = (
        rated.with_columns(*empty)
        .with_columns(feedback=(pl.col("rating") > 3).cast(pl.UInt8), source=pl.lit("ml-1m"), ingest_id=pl.lit("all"))
        .select(list(EVENTS.schema))
        .sort("user_id", "user_seq")
    )
    built = build_records(events, USER_STATE.empty(), 10, 50)
    split = split_per_user(built.state.select("user_id", "n_records"), 0.8)
    n_train = split["n_train"].sum()
    assert (events.height, built.state.height, built.records.height, built.n_short) == (1_000_209, 6_040, 97_383, 0)
    assert (n_train, split["n_records"].sum() - n_train) == (75_470, 21_913)
    assert built.state["open_items"].list.len().sum() == 1_000_209 - 973_830
