"""Sums over users that are exact: in any order, in any parts, and with users taken out again."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from pipeline.embeddings.cooccurrence import Cooccurrence
from pipeline.embeddings.like_sums import LikeSums, quantum_of
from pipeline.errors import ContractError

ITEMS = np.arange(12)


def likes(seed: int, n_users: int) -> sparse.csr_matrix:
    return sparse.csr_matrix((np.random.default_rng(seed).random((n_users, len(ITEMS))) < 0.4).astype(float))


def basis(seed: int) -> Cooccurrence:
    """Loadings of very unlike sizes, whose floating-point sums hang on their order."""
    rng = np.random.default_rng(seed)
    return Cooccurrence(
        ITEMS, np.ones(len(ITEMS)), rng.normal(size=(len(ITEMS), 3)) * 10.0 ** rng.integers(-6, 6, (len(ITEMS), 3))
    )


def same(left: LikeSums, right: LikeSums) -> bool:
    arrays = (left.to_arrays(), right.to_arrays())
    return all(np.array_equal(arrays[0][name], arrays[1][name]) for name in arrays[0])


@settings(deadline=None, max_examples=30)
@given(seed=st.integers(0, 10**6))
def test_users_who_come_and_go_leave_the_sums_of_those_who_stay(seed: int) -> None:
    model, stay, come, go = basis(seed), likes(seed, 20), likes(seed + 1, 7), likes(seed + 2, 5)
    at_once = model.sums(ITEMS, [sparse.vstack([come, stay], "csr")])
    moved_on = model.sums(ITEMS, [stay, go]).plus(model.sums(ITEMS, [come])).plus(model.sums(ITEMS, [go]), -1)
    assert same(moved_on, at_once)
    assert same(LikeSums.from_arrays(at_once.to_arrays()), at_once)


@settings(deadline=None, max_examples=30)
@given(seed=st.integers(0, 10**6))
def test_the_sums_are_those_of_floating_point_numbers_to_a_quantum_a_like(seed: int) -> None:
    model, liked = basis(seed), likes(seed, 20)
    loadings = model.weights[:, None] * model.basis
    totals = model.sums(ITEMS, [liked]).totals(quantum_of(loadings))
    np.testing.assert_allclose(totals, liked.T @ (liked @ loadings), rtol=1e-12, atol=12 * 20 * quantum_of(loadings).max())


def test_a_catalogue_that_grew_keeps_the_sums_of_its_items_and_one_that_shrank_is_refused() -> None:
    """Item 3 and 20 are new among 2 and 12; then 2 is gone."""
    sums = LikeSums(np.array([2, 12]), np.array([1, 4]), np.array([[0], [-1]]), np.array([[7], [9]]))
    grown = sums.among(np.array([2, 3, 12, 20]))
    assert (grown.popularity.tolist(), grown.high.ravel().tolist(), grown.low.ravel().tolist()) == (
        [1, 0, 4, 0],
        [0, 0, -1, 0],
        [7, 0, 9, 0],
    )
    with pytest.raises(ContractError, match="1 of 2 items with likes are gone"):
        sums.among(np.array([3, 12]))


def test_a_user_who_likes_everything_is_summed_without_overflow() -> None:
    """All loadings of a sign, the worst case: a million users of 3·0.7, in numbers of 2⁶² quanta at most."""
    model = Cooccurrence(np.arange(3), np.ones(3), np.full((3, 1), 0.7))
    [taste] = model.sums(np.arange(3), [sparse.csr_matrix(np.ones((1, 3)))]).totals(quantum_of(model.basis))[0]
    assert taste == pytest.approx(2.1, rel=1e-15)
    million = model.sums(np.arange(3), [sparse.csr_matrix(np.ones((10**5, 3)))] * 10)
    assert million.totals(quantum_of(model.basis))[2] == pytest.approx(2.1e6, rel=1e-15)
