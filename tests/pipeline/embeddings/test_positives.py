"""Positives counted by item, and as a matrix of users and items."""

import numpy as np
import polars as pl
import pytest

from pipeline.embeddings.positives import count_positives, likes_of
from pipeline.errors import ContractError


def pairs(*rows: tuple[int, int]) -> pl.DataFrame:
    """Rows of user and item."""
    return pl.DataFrame(rows, schema={"user_id": pl.Int64, "item_id": pl.Int64}, orient="row")


def test_positives_are_counted_over_all_frames() -> None:
    """Item 10 has two in the first frame and one in the second."""
    counts = count_positives([pairs((0, 10), (1, 10), (1, 11)), pairs((2, 10))])
    assert counts.rows() == [(10, 3), (11, 1)]


def test_no_frames_are_no_counts() -> None:
    assert count_positives([]).schema == {"item_id": pl.Int64, "n_positives": pl.Int64}


def test_a_like_that_comes_twice_counts_once() -> None:
    likes = likes_of(pairs((0, 10), (0, 10), (1, 11)), np.array([10, 11]))
    assert likes.toarray().tolist() == [[1, 0], [0, 1]]


def test_likes_of_unknown_items_are_refused() -> None:
    with pytest.raises(ContractError, match="1 of 2 positives are of items that the table items does not hold"):
        likes_of(pairs((0, 10), (0, 99)), np.array([10, 11]))
