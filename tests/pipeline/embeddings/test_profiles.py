"""User attributes as one-hot and standardised columns."""

import numpy as np
import polars as pl
import pytest

from pipeline.contracts import USERS
from pipeline.embeddings.profiles import ProfileModel, encode_profiles, learn_profiles
from pipeline.errors import ContractError


def users(*texts: str | None) -> pl.DataFrame:
    rows = [{"user_id": number, "raw_id": str(number), "attributes": text} for number, text in enumerate(texts)]
    return pl.DataFrame(rows, schema=USERS.schema)


KNOWN = users('{"sex": "F", "age": 20}', '{"sex": "M", "age": 40}', '{"sex": "F"}', None)


def test_texts_are_one_hot_and_numbers_standardised() -> None:
    """Columns F, M, any other; age with mean 30 and deviation 10. What is not told is 0."""
    expected = [[1, 0, 0, -1], [0, 1, 0, 1], [1, 0, 0, 0], [0, 0, 0, 0]]
    np.testing.assert_allclose(encode_profiles(learn_profiles(KNOWN), KNOWN), expected)


def test_values_that_came_later_share_the_last_column() -> None:
    later = encode_profiles(learn_profiles(KNOWN), users('{"sex": "X", "age": 50, "town": "Ulm"}'))
    np.testing.assert_allclose(later, [[0, 0, 1, 2]])


def test_only_the_most_frequent_values_have_a_column() -> None:
    model = learn_profiles(users('{"town": "Ulm"}', '{"town": "Bonn"}', '{"town": "Ulm"}', '{"town": "Aalen"}'), max_values=2)
    assert model.choices[0].values == ("Aalen", "Ulm")


def test_an_attribute_that_is_not_always_a_number_is_a_text() -> None:
    model = learn_profiles(users('{"a b": 1, "ü": true}', '{"a b": "x", "ü": null}'))
    assert [(choice.name, choice.values) for choice in model.choices] == [("a b", ("1", "x")), ("ü", ("true",))]
    np.testing.assert_allclose(encode_profiles(model, users('{"a b": 1, "ü": true}')), [[1, 0, 0, 1, 0]])


def test_without_attributes_a_profile_has_no_columns() -> None:
    model = learn_profiles(users(None, None))
    assert encode_profiles(model, users(None, None)).shape == (2, 0)
    assert model.width == 0


def test_a_stored_model_is_the_same_model_and_a_changed_one_is_refused() -> None:
    model = learn_profiles(KNOWN)
    arrays, metadata = model.to_arrays()
    stored = ProfileModel.from_arrays(arrays, metadata)
    np.testing.assert_array_equal(encode_profiles(stored, KNOWN), encode_profiles(model, KNOWN))
    with pytest.raises(ContractError, match="profile model: the fingerprint is"):
        ProfileModel.from_arrays(arrays, metadata | {"model": metadata["model"].replace('"F"', '"E"')})


def test_users_that_break_their_contract_are_refused() -> None:
    with pytest.raises(ContractError, match="profiles: users lacks"):
        encode_profiles(learn_profiles(KNOWN), KNOWN.drop("attributes"))
