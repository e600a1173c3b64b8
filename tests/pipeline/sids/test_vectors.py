"""Vectors as the tokenizer takes them: twins, however their hashes fall."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from pipeline.sids import vectors


@given(arrays(np.float32, st.tuples(st.integers(1, 40), st.just(3)), elements=st.sampled_from([-0.0, 0.0, 0.5, 1.0, -1.0, 3e38])))
def test_twins_are_those_of_equal_numbers_and_the_first_stands_for_them(rows: np.ndarray) -> None:
    first, group = vectors.distinct_rows(rows)
    seen: dict[tuple[float, ...], int] = {}
    expected = [seen.setdefault(tuple(row + 0.0), number) for number, row in enumerate(rows)]
    assert first.tolist() == sorted(seen.values())
    assert first[group].tolist() == expected


def test_two_vectors_with_one_hash_are_two(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = np.array([[1, 2], [3, 4], [1, 2], [0, 0]], np.float32)
    whole = vectors.distinct_rows(rows)
    monkeypatch.setattr(vectors, "_row_hashes", lambda words: np.zeros(len(words), np.uint64))
    assert all(np.array_equal(found, expected) for found, expected in zip(vectors.distinct_rows(rows), whole, strict=True))
    assert whole[0].tolist() == [0, 1, 3] and whole[1].tolist() == [0, 1, 0, 2]


def test_round_numbers_have_hashes_of_their_own() -> None:
    """Multi-hot vectors end in zeros, which a product of odd numbers keeps: without a fold a few bits would be left to tell them apart."""
    rows = np.random.default_rng(0).integers(0, 2, (20_000, 32)).astype(np.float32)
    words = rows.view(np.uint32)
    assert len(np.unique(vectors._row_hashes(words))) == len(np.unique(rows, axis=0))
