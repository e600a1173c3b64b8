"""Categories and numbers as directions."""

from typing import Any

import numpy as np
import polars as pl

from pipeline.contracts import ITEMS
from pipeline.embeddings.content import Content


def items(*contents: tuple[list[str], str | None]) -> pl.DataFrame:
    """Items 0, 1, … with their categories and attributes."""
    rows: list[dict[str, Any]] = [
        {"item_id": number, "raw_id": str(number), "categories": categories, "attributes": attributes, "is_active": True}
        for number, (categories, attributes) in enumerate(contents)
    ]
    return pl.DataFrame(rows, schema=ITEMS.schema)


def learn(known: pl.DataFrame, *, columns: int = 256, numbers: tuple[str, ...] = ()) -> Content:
    return Content.learn(known, columns, numbers, number_weight=0.5)


def test_items_of_the_same_categories_have_the_same_vector_and_strangers_are_orthogonal() -> None:
    known = items((["drama", "war"], None), (["war", "drama"], None), (["comedy"], None))
    cosines = (vectors := learn(known).fold(known).vectors) @ vectors.T
    np.testing.assert_allclose(cosines, [[1, 1, 0], [1, 1, 0], [0, 0, 1]], atol=1e-12)


def test_a_rare_category_weighs_more_than_a_common_one() -> None:
    """Of three items all are drama, one is war: weights 1 + ln(4/4) = 1 and 1 + ln(4/2) = 1.69."""
    known = items((["drama"], None), (["drama"], None), (["drama", "war"], None))
    drama, war = learn(known).fold(known).vectors[2]
    np.testing.assert_allclose(war / drama, 1 + np.log(2))


def test_numbers_are_standardised_as_when_the_model_was_learned_and_missing_ones_are_the_mean() -> None:
    """Years 1990 and 2000: mean 1995, deviation 5, so z = −1, 1, and 3 for a film of 2010 that came later; weight 0.5."""
    model = learn(items((["a"], '{"year": 1990}'), (["a"], '{"year": 2000}')), numbers=("year",))
    vectors = model.fold(
        items((["a"], '{"year": 1990}'), (["a"], '{"year": 2010}'), (["a"], '{"year": "old"}'), (["a"], None))
    ).vectors
    np.testing.assert_allclose(vectors[:, 1] / vectors[:, 0], [-0.5, 1.5, 0, 0])


def test_a_number_that_is_the_same_everywhere_says_nothing() -> None:
    known = items((["a"], '{"year": 1990}'), (["a"], '{"year": 1990}'))
    assert learn(known, numbers=("year",)).fold(known).vectors.tolist() == [[1, 0], [1, 0]]


def test_unknown_categories_give_no_signal() -> None:
    rows = learn(items((["a"], None))).fold(items((["later"], None), ([], None), (["a"], None)))
    assert rows.evidence.tolist() == [0, 0, np.inf]
    assert rows.vectors.tolist() == [[0], [0], [1]]


def test_many_categories_are_hashed_and_later_ones_too() -> None:
    """Forty tags in eight columns: each item keeps its own direction by tag, and a tag that came later has one as well."""
    known = items(*(([f"tag{number}"], None) for number in range(40)))
    model = learn(known, columns=8)
    assert model.fold(known).vectors.shape == (40, 8)
    later = model.fold(items((["tag41"], None), (["tag41"], None), ([], None)))
    np.testing.assert_allclose(np.linalg.norm(later.vectors, axis=1), [1, 1, 0])
    np.testing.assert_array_equal(later.vectors[0], later.vectors[1])
