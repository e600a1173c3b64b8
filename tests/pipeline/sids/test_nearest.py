"""The nearest code, where single precision cannot tell."""

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.sids.nearest import nearest_codes

Matrix = npt.NDArray[np.float32]


def multi_hot(seed: int, n: int, d: int) -> Matrix:
    """n distinct category sets of unit norm: many lie in the middle between two others."""
    hot = np.unique(np.random.default_rng(seed).random((n, d)) < 0.15, axis=0).astype(np.float32)
    hot = hot[hot.any(axis=1)]
    return hot / np.linalg.norm(hot, axis=1, keepdims=True)


def test_the_lowest_of_equal_codes_wins_in_any_batch() -> None:
    """Three copies of the same sixteen codes, asked for one by one and all at once."""
    codes = np.random.default_rng(0).standard_normal((16, 8)).astype(np.float32)
    tripled = np.tile(codes, (3, 1))
    assert nearest_codes(np.tile(codes, (500, 1)), tripled).tolist() == list(range(16)) * 500
    assert [int(nearest_codes(code[None], tripled)[0]) for code in codes] == list(range(16))


def test_a_row_in_the_middle_goes_to_the_lower_code() -> None:
    assert nearest_codes(np.array([[0.0]], dtype=np.float32), np.array([[0.1], [-0.1]], dtype=np.float32)).tolist() == [0]
    assert nearest_codes(np.array([[0.0]], dtype=np.float32), np.array([[-0.1], [0.1]], dtype=np.float32)).tolist() == [0]


@pytest.mark.parametrize(("d", "n_codes"), [(18, 64), (33, 40)])
def test_twins_are_never_parted(d: int, n_codes: int) -> None:
    """Each vector twenty times, in any order: faiss's search gives some twins different codes here."""
    vectors = multi_hot(0, 500, d)
    codes, who = vectors[:n_codes], np.random.default_rng(1).permutation(np.repeat(np.arange(len(vectors)), 20))
    one_by_one = np.array([nearest_codes(vector[None], codes)[0] for vector in vectors])
    assert (nearest_codes(vectors[who], codes) == one_by_one[who]).all()


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**16), far=st.sampled_from([0.0, 10.0, 1000.0]))
def test_no_code_is_nearer_in_double_precision(seed: int, far: float) -> None:
    """Far from the origin single precision loses the differences altogether."""
    draw = np.random.default_rng(seed)
    vectors = (far + draw.standard_normal((50, 5))).astype(np.float32)
    codes = (far + draw.standard_normal((20, 5))).astype(np.float32)
    distances = ((vectors[:, None].astype(np.float64) - codes[None]) ** 2).sum(axis=2)
    chosen = distances[np.arange(50), nearest_codes(vectors, codes)]
    assert (chosen <= distances.min(axis=1) + 1e-9 * (1 + far**2)).all()
