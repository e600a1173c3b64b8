"""User attributes as profiles: one-hot texts and standardised numbers, frozen when they were learned."""

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from pipeline.contracts import USERS, check
from pipeline.embeddings.frozen import Arrays, from_arrays, to_arrays
from pipeline.embeddings.numbers import Standardised, texts_in
from pipeline.embeddings.vectors import Matrix


@dataclass(frozen=True)
class Choice:
    """A text attribute: a column for each known value and a last one for all others.

    Attributes:
        name: the attribute.
        values: the most frequent values when it was learned, sorted.
    """

    name: str
    values: tuple[str, ...]

    def encode(self, attributes: pl.Series) -> Matrix:
        """(n, values + 1) one-hot; no column where a row has no value."""
        texts = texts_in(attributes, self.name)
        column_of = {value: column for column, value in enumerate(self.values)}
        columns = texts.replace_strict(column_of, default=len(self.values), return_dtype=pl.Int64)
        has_value = texts.is_not_null().to_numpy()
        encoded = np.zeros((len(texts), len(self.values) + 1))
        encoded[has_value, columns.to_numpy()[has_value]] = 1
        return encoded


@dataclass(frozen=True)
class ProfileModel:
    """What a profile is made of.

    Attributes:
        choices: text attributes, by name.
        numbers: number attributes, by name.
    """

    choices: tuple[Choice, ...]
    numbers: Standardised

    @property
    def width(self) -> int:
        """u, the columns of a profile; may be 0."""
        return sum(len(choice.values) + 1 for choice in self.choices) + len(self.numbers.names)

    def to_arrays(self) -> tuple[Arrays, dict[str, str]]:
        """Arrays and metadata for ``safetensors.numpy.save``."""
        return to_arrays(self, "profile_id")

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, npt.NDArray[Any]], metadata: Mapping[str, str]) -> "ProfileModel":
        """The model that was stored.

        Raises:
            ContractError: the bytes are not those that its profile_id was taken of.
        """
        types = (cls, Choice, Standardised)
        model: ProfileModel = from_arrays((arrays, metadata), "profile_id", types, "profile model")
        return model


def learn_profiles(users: pl.DataFrame, max_values: int = 64) -> ProfileModel:
    """Decide for each attribute whether it is a number (all its values are) or a text, and freeze what encodes it.

    Args:
        users: USERS, ``attributes`` hold a JSON object or nothing.
        max_values: most columns of a text, the most frequent values; ties go to the first in the alphabet.

    Raises:
        ContractError: ``users`` breaks its contract.
    """
    attributes = check(users, USERS, "profiles")["attributes"]
    counts: dict[str, Counter[str]] = {}
    numbers: dict[str, bool] = {}
    for text, n_users in attributes.drop_nulls().value_counts().sort("attributes").iter_rows():
        for name, value in json.loads(text).items():
            if value is None:
                continue
            is_number = isinstance(value, int | float) and not isinstance(value, bool)
            numbers[name] = numbers.get(name, True) and is_number
            counts.setdefault(name, Counter())[_spelt(value)] += n_users
    names = sorted(counts)
    choices = [Choice(name, _most_frequent(counts[name], max_values)) for name in names if not numbers[name]]
    return ProfileModel(tuple(choices), Standardised.learn(attributes, tuple(name for name in names if numbers[name])))


def encode_profiles(model: ProfileModel, users: pl.DataFrame) -> npt.NDArray[np.float32]:
    """(n, u) profiles in the order of the rows: the texts one-hot, then the standardised numbers; unknown values are 0.

    Raises:
        ContractError: ``users`` breaks its contract.
    """
    attributes = check(users, USERS, "profiles")["attributes"]
    columns = [choice.encode(attributes) for choice in model.choices]
    return np.hstack([*columns, model.numbers.encode(attributes)]).astype(np.float32)


def _most_frequent(counts: Counter[str], n: int) -> tuple[str, ...]:
    by_count = sorted(counts, key=lambda value: (-counts[value], value))
    return tuple(sorted(by_count[:n]))


def _spelt(value: Any) -> str:
    """A value as JSON paths give it back: texts bare, the rest as JSON."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, separators=(",", ":"))
