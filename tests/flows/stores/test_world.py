"""A release as tensors: two users, three items, checked by eye."""

from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import polars as pl
import pytest
import torch

from flows.stores.world import build_world
from hsrl_train.data.tensors import World
from pipeline.contracts import USERS
from pipeline.embeddings.profiles import learn_profiles
from pipeline.errors import TrainingError
from pipeline.sids.table import SidTable

RECORDS = pl.DataFrame(
    {
        "user_id": [20, 10, 10],
        "record_index": [0, 1, 0],
        "exposed_items": [[5, 7], [9, 7], [7, 5]],
        "feedback": [[0, 1], [1, 1], [1, 0]],
        "history": [[], [7], []],
        "split": ["train", "test", "train"],
        "occurred_at": [datetime(2020, 1, day, tzinfo=UTC) for day in (3, 2, 1)],
    }
)
VECTORS = np.array([[1, 0], [0, 1], [1, 1]], np.float32)


def built(records: pl.DataFrame = RECORDS, *, has_times: bool = True, newest: int | None = None) -> World:
    came = [None, datetime(2020, 1, 1, tzinfo=UTC), datetime(2020, 1, 2, tzinfo=UTC)] if has_times else [None] * 3
    items = pl.DataFrame(
        {"item_id": [5, 7, 9], "is_active": [True, True, False], "first_seen": came},
        schema_overrides={"first_seen": pl.Datetime("us", "UTC")},
    )
    users = pl.DataFrame({"user_id": [10, 20], "raw_id": ["a", "b"], "attributes": ["{}", "{}"]}, schema=USERS.schema)
    sids = SidTable("book", (4, 4), np.array([5, 7]), np.array([[1, 2], [3, 0]], np.uint16), np.zeros(2, np.uint32))
    ordered = records.sort("user_id", "record_index")
    with TemporaryDirectory() as folder:
        world = build_world(items, users, ordered.iter_slices(2), VECTORS, learn_profiles(users), Path(folder), newest)
    return world.with_sids(sids)


def test_ids_become_numbers_and_records_stand_by_user_and_place() -> None:
    """Items 5, 7 and 9 are 1, 2 and 3; users 10 and 20 are 0 and 1."""
    world = built()
    assert world.records.user.tolist() == [0, 0, 1]
    assert world.records.exposed.tolist() == [[2, 1], [3, 2], [1, 2]]
    assert world.records.history.tolist() == [[0], [2], [0]]
    assert world.records.is_train.tolist() == [True, False, True]
    assert world.catalogue.tokens.tolist() == [[-1, -1], [1, 2], [3, 0], [-1, -1]]
    assert world.catalogue.is_active.tolist() == [False, True, True, False]


def test_popularity_counts_train_positives_and_joins_the_vectors_standardised() -> None:
    """In training item 7 is liked twice, 5 never; 9 only in the test. Over the active two, log 1 and log 3 are −1 and 1 deviations."""
    catalogue = built().catalogue
    assert catalogue.popularity.tolist() == [0, 0, 2, 0]
    assert torch.equal(catalogue.vectors[1:, :2], torch.from_numpy(VECTORS))
    assert catalogue.vectors[:, 2].tolist() == pytest.approx([0, -1, 1, -1])
    # Shown twice in training and never liked, always liked; 9 was never shown there and has what all items have.
    assert catalogue.vectors[:, 3].tolist() == pytest.approx([0, -1, 1, 0], abs=1e-6)


def test_newer_items_have_larger_times_and_without_any_time_there_are_none() -> None:
    """Item 5 has no time and counts as the oldest; 7 came a day before 9."""
    told = built().catalogue.first_seen
    assert told is not None
    assert told[1] < told[2] == told[3] - 86_400
    assert built(has_times=False).catalogue.first_seen is None


def test_new_sids_change_their_fingerprint_only() -> None:
    other = built(RECORDS.with_columns(feedback=pl.Series([[1, 1], [1, 1], [1, 0]])))
    assert other.fingerprint != built().fingerprint
    assert other.sid_fingerprint == built().sid_fingerprint


def test_what_cannot_be_learned_from_is_refused() -> None:
    with pytest.raises(TrainingError, match=r"slates of lengths \[1, 2\], expected one length K"):
        built(RECORDS.with_columns(exposed_items=pl.Series([[5], [9, 7], [7, 5]])))
    with pytest.raises(TrainingError, match="0 of 3 are for testing"):
        built(RECORDS.with_columns(split=pl.lit("train")))
    with pytest.raises(TrainingError, match=r"1 of 2 shown or liked items are not in items, such as 8"):
        built(RECORDS.with_columns(exposed_items=pl.Series([[5, 8], [9, 7], [7, 5]])))
    with pytest.raises(TrainingError, match=r"1 of 1 shown or liked items are not in items, such as 8"):
        built(RECORDS.with_columns(history=pl.Series([[8], [], []], dtype=pl.List(pl.Int64))))


def test_the_newest_records_are_learned_from_and_know_what_came_before_them() -> None:
    """Of two training records the newer one, and half a test record, which is one; the other is shown before it all the same."""
    records = built(newest=1).records
    assert records.user.tolist() == [0, 1] and records.is_train.tolist() == [False, True]
    assert records.exposed.tolist() == [[3, 2], [1, 2]]
    assert records.shown_before(2).tolist() == [[2, -1], [0, 0]]
    whole = built()
    assert built(newest=2).fingerprint == built(newest=100).fingerprint == whole.fingerprint != built(newest=1).fingerprint
    assert built(newest=1).catalogue.popularity.tolist() == [0, 0, 1, 0]


def test_the_newest_of_a_log_without_times_are_refused() -> None:
    timeless = RECORDS.with_columns(occurred_at=pl.lit(None, pl.Datetime("us", "UTC")))
    assert built(timeless).fingerprint == built().fingerprint
    with pytest.raises(TrainingError, match="newest_records is 1, but the log tells no times"):
        built(timeless, newest=1)
