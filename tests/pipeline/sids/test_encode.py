"""Encoding on the line world and on random worlds."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from pipeline.errors import ContractError
from pipeline.sids.codebook import Codebook
from pipeline.sids.encode import encode, reconstruction_errors


def column(*values: float) -> np.ndarray:
    """(n, 1) vectors."""
    return np.array(values, dtype=np.float32)[:, None]


def random_book(seed: int, *shapes: tuple[int, int]) -> Codebook:
    """Normal codes of the shapes (V_l, d)."""
    draw = np.random.default_rng(seed)
    levels = tuple(draw.standard_normal(shape).astype(np.float32) for shape in shapes)
    return Codebook(levels, tuple(np.zeros(len(level), dtype=np.int64) for level in levels), 1.0, "random")


def test_codes_are_matched_coarse_to_fine(line: Codebook) -> None:
    """5.2 is nearest 4 (code 1) and leaves 1.2, nearest 1 (code 1); −3.1 is nearest −4 and leaves 0.9."""
    assert encode(column(5.2, -3.1), line).tokens.tolist() == [[1, 1], [0, 1]]


def test_the_error_is_what_the_last_level_left_over(line: Codebook) -> None:
    """5.2 − 5 = 0.2 and −3.1 + 3 = −0.1, squared."""
    assert encode(column(5.2, -3.1), line).recon_error == pytest.approx([0.04, 0.01], rel=1e-4)


def test_ties_go_to_the_lowest_code(line: Codebook) -> None:
    """0 lies between −4 and 4; taking code 0 leaves 4, nearest 1. 4 leaves 0, between −1 and 1."""
    assert encode(column(0.0, 4.0), line).tokens.tolist() == [[0, 1], [1, 0]]


def test_no_vectors_have_no_tokens(line: Codebook) -> None:
    assert encode(np.zeros((0, 1), dtype=np.float32), line).tokens.shape == (0, 2)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**16), st.integers(1, 60))
def test_well_separated_code_points_come_back_as_their_tokens(seed: int, n: int) -> None:
    """Levels of ±100, ±10 and ±1: what finer levels add never reaches half the gap of a coarser one."""
    levels = tuple(np.array([[-scale], [scale]], dtype=np.float32) for scale in (100.0, 10.0, 1.0))
    book = Codebook(levels, (np.zeros(2),) * 3, 1.0, "scales")
    tokens = np.random.default_rng(seed).integers(0, 2, (n, 3)).astype(np.uint16)
    again, errors = encode(book.decode(tokens), book)
    assert (again == tokens).all()
    assert (errors == 0).all()


@settings(max_examples=25, deadline=None)
@given(hnp.arrays(np.float32, (40, 3), elements=st.integers(-8, 8).map(float)), st.randoms(use_true_random=False))
def test_the_order_of_items_decides_nothing(vectors: np.ndarray, random: object) -> None:
    order = np.array(random.sample(range(40), 40))  # type: ignore[attr-defined]
    book = random_book(3, (5, 3), (4, 3))
    assert (encode(vectors[order], book).tokens == encode(vectors, book).tokens[order]).all()


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**16))
def test_encode_agrees_with_the_definition(seed: int) -> None:
    """A plain loop over rows and levels, in double precision; random codes have no ties."""
    book = random_book(seed, (7, 4), (5, 4))
    vectors = np.random.default_rng(seed + 1).standard_normal((30, 4)).astype(np.float32)
    tokens, errors = encode(vectors, book)
    for row, vector in enumerate(vectors.astype(np.float64)):
        residual = vector
        for level, codes in enumerate(book.centroids):
            distances = ((residual - codes) ** 2).sum(axis=1)
            assert distances[tokens[row, level]] <= distances.min() + 1e-5
            residual = residual - codes[tokens[row, level]]
        assert errors[row] == pytest.approx((residual**2).sum(), rel=1e-3, abs=1e-5)


def test_errors_of_given_tokens_equal_those_of_encoding_bit_for_bit() -> None:
    book = random_book(5, (16, 8), (16, 8), (16, 8))
    vectors = np.random.default_rng(6).standard_normal((500, 8)).astype(np.float32)
    tokens, errors = encode(vectors, book)
    assert (reconstruction_errors(vectors, tokens, book) == errors).all()


def test_vectors_of_another_width_are_refused(line: Codebook) -> None:
    with pytest.raises(ContractError, match="3 vectors are 2 long, not 1, the codebook's d"):
        encode(np.zeros((3, 2), dtype=np.float32), line)
    with pytest.raises(ContractError, match="2 long, not 1"):
        reconstruction_errors(np.zeros((3, 2), dtype=np.float32), np.zeros((3, 2), dtype=np.uint16), line)
