"""The whole model: learned once, then items come and evidence grows."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal
from safetensors.numpy import load_file, save_file

from pipeline.contracts import ITEMS
from pipeline.embeddings.config import EmbeddingsConfig
from pipeline.embeddings.embed import embed, embed_external, learn
from pipeline.embeddings.model import EmbeddingModel
from pipeline.errors import ContractError

# Users 0, 1 like westerns 10, 11 (1 also 12); users 2, 3 like musicals 20, 21; user 4 one of each. Nobody knows 13 and 14.
LIKES = {0: [10, 11], 1: [10, 11, 12], 2: [20, 21], 3: [20, 21], 4: [11, 20]}
GENRES = {10: "western", 11: "western", 12: "western", 13: "western", 14: "silent", 20: "musical", 21: "musical"}
TWO = EmbeddingsConfig(width=2, prior_positives=2.0)


def items(genres: dict[int, str] | None = None, gone: tuple[int, ...] = ()) -> pl.DataFrame:
    genre_of = GENRES if genres is None else genres
    rows: list[dict[str, Any]] = [
        {"item_id": number, "raw_id": str(number), "categories": [genre] if genre else [], "is_active": number not in gone}
        for number, genre in genre_of.items()
    ]
    return pl.DataFrame(rows, schema=ITEMS.schema)


def positives(likes: dict[int, list[int]] | None = None) -> Iterator[pl.DataFrame]:
    """One frame a user."""
    for user, liked in (LIKES if likes is None else likes).items():
        yield pl.DataFrame({"user_id": [user] * len(liked), "item_id": liked})


def rows(embeddings: pl.DataFrame) -> dict[int, np.ndarray]:
    return {item: np.array(vector) for item, vector in embeddings.select("item_id", "vector").iter_rows()}


def model(config: EmbeddingsConfig = TWO, **more: Any) -> EmbeddingModel:
    return learn(items(), positives(), config, seed=0, **more)


def test_an_item_nobody_knows_lies_at_the_mean_of_its_genre_and_is_flagged() -> None:
    embedded = embed(model(), items(), positives())
    vectors = rows(embedded)
    westerns = np.mean([vectors[item] for item in (10, 11, 12)], axis=0)
    assert vectors[13] @ westerns / np.linalg.norm(westerns) > 0.99
    assert vectors[13] @ vectors[21] < 0.3
    assert embedded.filter(~pl.col("has_signal"))["item_id"].to_list() == [13, 14]


def test_an_item_that_nothing_is_known_of_has_the_zero_vector() -> None:
    """No one with a signal is a silent film, so 14 has no mean to lie at."""
    assert rows(embed(model(), items(), positives()))[14].tolist() == [0, 0]


def test_all_other_vectors_have_length_one() -> None:
    vectors = rows(embed(model(), items(), positives()))
    lengths = [np.linalg.norm(vector) for item, vector in vectors.items() if item != 14]
    np.testing.assert_allclose(lengths, 1, rtol=1e-6)


def test_the_fewer_positives_the_more_an_item_leans_on_its_genre() -> None:
    """A musical that one lover of westerns likes is still half a musical; liked by both of them it is a western."""
    genres = GENRES | {22: "musical"}
    one, both = (
        rows(embed(model(), items(genres), positives(LIKES | more)))
        for more in ({0: [10, 11, 22]}, {0: [10, 11, 22], 1: [10, 11, 12, 22]} | {user: [10, 22] for user in range(5, 20)})
    )
    assert 0.4 < one[22] @ one[21] < 0.98
    assert both[22] @ both[10] > 0.95


def test_a_new_item_moves_nothing_that_was_there() -> None:
    before = embed(model(), items(), positives())
    after = embed(model(), items(GENRES | {22: "musical"}), positives())
    assert_frame_equal(after.filter(pl.col("item_id") != 22), before)


def test_parts_are_concatenated_by_their_shares() -> None:
    """Shares 3 and 1: of the squared length 1 of item 10, three quarters belong to content (three genres, three columns)."""
    both = EmbeddingsConfig(parts=("content", "cooccurrence"), width=2, weights={"content": 3.0})
    embedded = embed(model(both), items(), positives())
    vector = rows(embedded)[10]
    np.testing.assert_allclose([vector[:3] @ vector[:3], vector[3:] @ vector[3:]], [0.75, 0.25], rtol=1e-6)
    assert embedded["has_signal"].all()


def test_content_alone_asks_for_no_positives() -> None:
    content = EmbeddingsConfig(parts=("content",))
    none = iter(())
    assert embed(learn(items(), none, content, seed=0), items(), none)["vector"].list.len().to_list() == [3] * 7


def test_features_are_standardised_over_the_items_that_were_active_and_stay_so() -> None:
    """Mean 0 and deviation 1 when the model was learned; a later item changes no one's features; the zero vector stays 0."""
    learned = learn(items(gone=(14,)), positives(), TWO, seed=0)
    item_ids, features = learned.standardised(embed(learned, items(gone=(14,)), positives()))
    active = features[item_ids != 14]
    np.testing.assert_allclose([active.mean(axis=0), active.std(axis=0)], [[0, 0], [1, 1]], atol=1e-6)
    assert features[item_ids == 14].tolist() == [[0, 0]]
    later = learned.standardised(embed(learned, items(GENRES | {22: "musical"}), positives()))[1]
    np.testing.assert_array_equal(later[:-1], features)


def test_features_of_another_model_are_refused() -> None:
    other = model(EmbeddingsConfig(width=1))
    with pytest.raises(ContractError, match="7 of 7 vectors are of another model"):
        other.standardised(embed(model(), items(), positives()))


@settings(deadline=None, max_examples=20)
@given(order=st.permutations(list(GENRES)), seed=st.integers(0, 3))
def test_the_order_of_rows_decides_nothing(order: list[int], seed: int) -> None:
    shuffled = items({item: GENRES[item] for item in order})
    learned = learn(shuffled, positives(), TWO, seed)
    assert learned.embedding_id == learn(items(), positives(), TWO, seed).embedding_id
    assert_frame_equal(embed(learned, shuffled, positives()), embed(learned, items(), positives()))


def test_a_stored_model_is_the_same_model(tmp_path: Path) -> None:
    every = EmbeddingsConfig(parts=("content", "cooccurrence", "external"), width=2, numbers=("year",))
    learned = model(every, external=external())
    arrays, metadata = learned.to_arrays()
    save_file(arrays, tmp_path / "model.safetensors", metadata)
    stored = EmbeddingModel.from_arrays(load_file(tmp_path / "model.safetensors"), metadata)
    assert stored.embedding_id == learned.embedding_id
    assert_frame_equal(embed(stored, items(), positives(), external()), embed(learned, items(), positives(), external()))


def test_a_model_with_a_changed_byte_is_refused() -> None:
    arrays, metadata = model().to_arrays()
    changed = arrays | {"mean": arrays["mean"] + np.float32(1e-6)}
    with pytest.raises(ContractError, match=r"fingerprint is \w+, expected \w+"):
        EmbeddingModel.from_arrays(changed, metadata)


def external(vectors: dict[int, list[float | None]] | None = None) -> pl.DataFrame:
    given = {99: [1.0, 1.0, 1.0], 20: [0.0, 0.0, 2.0], 10: [3.0, 4.0, 0.0]} if vectors is None else vectors
    schema = {"item_id": pl.Int64, "vector": pl.List(pl.Float64)}
    return pl.DataFrame({"item_id": list(given), "vector": list(given.values())}, schema=schema)


EXTERNAL = EmbeddingsConfig(parts=("external",))


def test_brought_vectors_are_taken_at_length_one_and_missing_ones_lie_at_their_genre() -> None:
    """Item 10 of (3, 4, 0) points to (.6, .8, 0), and so do 11, 12 and 13, westerns without a vector."""
    embedded = embed(model(EXTERNAL, external=external()), items(), [], external())
    np.testing.assert_allclose(
        [rows(embedded)[item] for item in (10, 13, 21)], [[0.6, 0.8, 0], [0.6, 0.8, 0], [0, 0, 1]], rtol=1e-6
    )
    assert embedded.filter("has_signal")["item_id"].to_list() == [10, 20]


@pytest.mark.parametrize(
    ("vectors", "message"),
    [
        (external({10: [1.0, 2.0]}), "1 of 1 external vectors are not 3 long"),
        (external({10: [1.0, float("nan"), 0.0], 11: [1.0, None, 0.0], 12: [1.0, 1.0, 1.0]}), "2 of 3 external vectors hold NaN"),
        (pl.concat([external(), external({10: [1.0, 2.0, 3.0]})]), "1 of 4 external vectors repeat an item_id"),
        (external().rename({"vector": "vec"}), "expected item_id Int64 and vector a list of numbers"),
        (None, "no vectors for the part external"),
    ],
)
def test_malformed_vectors_are_refused(vectors: pl.DataFrame | None, message: str) -> None:
    with pytest.raises(ContractError, match=message):
        embed(model(EXTERNAL, external=external()), items(), [], vectors)


def test_no_vectors_teach_no_model() -> None:
    with pytest.raises(ContractError, match="0 external vectors"):
        model(EXTERNAL, external=external({}))


@pytest.mark.parametrize(("width", "dtype"), [(1, "f4"), (16, "f2"), (33, "f8"), (1536, "f4"), (7, "i1")])
def test_a_brought_vector_is_embedded_as_that_of_an_item_bit_for_bit(width: int, dtype: str) -> None:
    """Whatever its neighbours in the batch, and however the batch lies in memory."""
    vectors = (20 * np.random.default_rng(width).normal(size=(40, width))).astype(dtype)
    many = items(dict.fromkeys(range(40), "western"))
    given = pl.DataFrame({"item_id": range(40), "vector": pl.Series(vectors.astype(np.float64))})
    learned = learn(many, [], EXTERNAL, 0, given)
    whole = np.array(embed(learned, many, [], given)["vector"].to_list(), dtype=np.float32)
    np.testing.assert_array_equal(embed_external(learned, vectors), whole)
    np.testing.assert_array_equal(embed_external(learned, np.asfortranarray(vectors)), whole)
    np.testing.assert_array_equal(np.concatenate([embed_external(learned, vectors[[row]]) for row in range(40)]), whole)


def test_a_brought_vector_does_not_reach_a_space_of_several_parts() -> None:
    learned = model(EmbeddingsConfig(parts=("content", "external")), external=external())
    with pytest.raises(ContractError, match="content and external, which a brought vector alone does not give"):
        embed_external(learned, np.ones((1, 3)))


def test_content_without_categories_or_numbers_is_refused() -> None:
    with pytest.raises(ContractError, match="0 of 2 active items have what content vectors are made of"):
        learn(items({1: "", 2: ""}), [], EmbeddingsConfig(parts=("content",)), seed=0)


def test_a_part_named_twice_and_a_weight_of_zero_are_refused() -> None:
    with pytest.raises(ValueError, match="2 parts name 1 kinds"):
        EmbeddingsConfig(parts=("content", "content"))
    with pytest.raises(ValueError, match="not above 0"):
        EmbeddingsConfig(weights={"content": 0.0})
