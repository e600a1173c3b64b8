"""Answers summed by item, and positives as a matrix of users and items."""

import numpy as np
import polars as pl
import pytest

from pipeline.embeddings.positives import likes_of, summed_answers
from pipeline.errors import ContractError


def pairs(*rows: tuple[int, int]) -> pl.DataFrame:
    """Rows of user and item."""
    return pl.DataFrame(rows, schema={"user_id": pl.Int64, "item_id": pl.Int64}, orient="row")


def test_answers_are_summed_over_all_frames() -> None:
    """Item 10 was shown three times in the first bucket and once in the second."""
    frames = [pl.DataFrame({"item_id": [11, 10], "n_shown": [1, 3], "n_positives": [0, 2]})]
    frames.append(pl.DataFrame({"item_id": [10], "n_shown": [1], "n_positives": [1]}))
    assert summed_answers(frames).rows() == [(10, 4, 3), (11, 1, 0)]


def test_no_frames_are_no_answers() -> None:
    assert summed_answers([]).schema == {"item_id": pl.Int64, "n_shown": pl.Int64, "n_positives": pl.Int64}


def test_a_like_that_comes_twice_counts_once() -> None:
    likes = likes_of(pairs((0, 10), (0, 10), (1, 11)), np.array([10, 11]))
    assert likes.toarray().tolist() == [[1, 0], [0, 1]]


def test_likes_of_unknown_items_are_refused() -> None:
    with pytest.raises(ContractError, match="1 of 2 positives are of items that the table items does not hold"):
        likes_of(pairs((0, 10), (0, 99)), np.array([10, 11]))
