"""Vectors whose distances are differences of scores, from a model's vectors and popularity."""

import numpy as np
import polars as pl
import pytest

from pipeline.contracts import EMBEDDINGS, ITEMS
from pipeline.embeddings.model import EmbeddingModel
from pipeline.embeddings.score_aware import PRIOR_ANSWERS, ScoreAware, with_answers
from pipeline.errors import ContractError

PLAIN = EmbeddingModel((), np.zeros(2, np.float32), np.ones(2, np.float32))  # standardises nothing away
FIRST_AND_POPULARITY = ScoreAware(PLAIN.embedding_id, np.array([[2, 0], [0, 0], [0, 1], [0, 0]], np.float32))
VECTORS = {1: [1.0, 5.0], 2: [3.0, 7.0], 3: [0.0, 0.0], 4: [1.0, 9.0]}
ANSWERS = pl.DataFrame({"item_id": [1, 2], "n_shown": [7, 1], "n_positives": [7, 0]})


def items(gone: tuple[int, ...] = ()) -> pl.DataFrame:
    rows = [{"item_id": item, "raw_id": str(item), "is_active": item not in gone} for item in VECTORS]
    return pl.DataFrame(rows, schema=ITEMS.schema)


def embeddings(embedding_id: str = PLAIN.embedding_id) -> pl.DataFrame:
    rows = [
        {"item_id": item, "embedding_id": embedding_id, "vector": vector, "has_signal": item == 1}
        for item, vector in VECTORS.items()
    ]
    return pl.DataFrame(rows, schema=EMBEDDINGS.schema)


def test_likes_and_like_rate_are_the_last_features_standardised_over_active_items() -> None:
    """log(1 + 7) and log(1 + 0) of two active items become 1 and −1, as do their log-odds; an inactive one is measured by the same rule."""
    n_shown, n_liked = np.array([7, 7, 7]), np.array([7, 0, 7])
    features = with_answers(np.zeros((3, 1), np.float32), n_shown, n_liked, np.array([True, True, False]))
    np.testing.assert_allclose(features, [[0, 1, 1], [0, -1, -1], [0, 1, 1]], atol=1e-6)


def test_few_answers_say_little_and_none_says_what_all_items_say() -> None:
    """Log-odds by hand: 2 of 2, 200 of 200 and 0 of 202 likes, and an item that was never shown, each with five answers at the mean."""
    n_shown, n_liked = np.array([2, 200, 202, 0]), np.array([2, 200, 0, 0])
    mean = 202.5 / 405
    odds = np.log((n_liked + PRIOR_ANSWERS * mean) / (n_shown - n_liked + PRIOR_ANSWERS * (1 - mean)))
    found = with_answers(np.zeros((4, 0), np.float32), n_shown, n_liked, np.ones(4, bool))[:, 1]
    np.testing.assert_allclose(found, (odds - odds.mean()) / odds.std(), atol=1e-6)
    assert found[2] < found[3] < found[0] < found[1]


def test_coordinates_are_weighed_and_popularity_joins_them() -> None:
    """The first coordinate counts twice, the second nothing: 1 and 4 differ by popularity alone."""
    embedded = FIRST_AND_POPULARITY.embed(PLAIN, embeddings(), items(gone=(3, 4)), ANSWERS)
    vectors = dict(embedded.select("item_id", "vector").iter_rows())
    np.testing.assert_allclose([vectors[1], vectors[2], vectors[4]], [[2, 1], [6, -1], [2, -1]], atol=1e-6)
    assert embedded["embedding_id"].unique().to_list() == [FIRST_AND_POPULARITY.embedding_id]
    assert embedded["has_signal"].to_list() == [True, False, False, False]


def test_an_item_without_a_vector_gets_none_from_its_popularity() -> None:
    embedded = FIRST_AND_POPULARITY.embed(
        PLAIN, embeddings(), items(), pl.DataFrame({"item_id": [3], "n_shown": [100], "n_positives": [100]})
    )
    assert embedded.filter(item_id=3)["vector"].item().to_list() == [0, 0]


def test_another_base_is_refused() -> None:
    other = EmbeddingModel((), np.ones(2, np.float32), np.ones(2, np.float32))
    with pytest.raises(ContractError, match=f"made from model {PLAIN.embedding_id}, given {other.embedding_id}"):
        FIRST_AND_POPULARITY.embed(other, embeddings(other.embedding_id), items(), ANSWERS)


def test_a_stored_map_is_checked_against_its_id() -> None:
    arrays, metadata = FIRST_AND_POPULARITY.to_arrays()
    assert ScoreAware.from_arrays(arrays, metadata).embedding_id == FIRST_AND_POPULARITY.embedding_id
    with pytest.raises(ContractError, match="fingerprint"):
        ScoreAware.from_arrays({name: array + 1 for name, array in arrays.items()}, metadata)
