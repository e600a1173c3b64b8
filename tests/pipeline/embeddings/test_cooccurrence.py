"""The singular vectors of who liked what, and folding into them."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from pipeline.embeddings.cooccurrence import Cooccurrence
from pipeline.embeddings.positives import likes_of
from pipeline.embeddings.vectors import unit
from pipeline.errors import ContractError

# Two camps: users 0 and 1 like items 10, 11 (and 1 also 12), users 2 and 3 like 20, 21; user 4 likes one of each camp.
CAMPS = {0: [10, 11], 1: [10, 11, 12], 2: [20, 21], 3: [20, 21], 4: [11, 20]}
ITEMS = np.array([10, 11, 12, 20, 21])


def pairs(likes: dict[int, list[int]]) -> pl.DataFrame:
    rows = [(user, item) for user, liked in likes.items() for item in liked]
    return pl.DataFrame(rows, schema={"user_id": pl.Int64, "item_id": pl.Int64}, orient="row")


def camps_basis(width: int = 2) -> Cooccurrence:
    return Cooccurrence.learn(ITEMS, likes_of(pairs(CAMPS), ITEMS), width, 0.5, seed=0)


def test_items_of_one_camp_point_the_same_way_and_those_of_two_camps_do_not() -> None:
    vectors = camps_basis().fold(ITEMS, [likes_of(pairs(CAMPS), ITEMS)]).vectors
    cosines = vectors @ vectors.T
    assert cosines[0, 1] > 0.9
    assert cosines[3, 4] > 0.9
    assert cosines[0, 4] < 0.2


def test_an_item_that_came_later_lands_among_what_its_users_like() -> None:
    """Item 22 is unknown to the basis; users 2 and 3 like it, and it lies beside their 20 and 21."""
    item_ids = np.array([10, 11, 12, 20, 21, 22])
    later = CAMPS | {2: [20, 21, 22], 3: [20, 21, 22]}
    folded = camps_basis().fold(item_ids, [likes_of(pairs(later), item_ids)])
    assert folded.vectors[5] @ folded.vectors[4] > 0.99
    assert folded.evidence.tolist() == [2, 3, 1, 3, 2, 2]


def test_an_item_whose_users_like_nothing_of_the_basis_has_no_signal() -> None:
    item_ids = np.append(ITEMS, 30)
    folded = camps_basis().fold(item_ids, [likes_of(pairs({9: [30]}), item_ids)])
    assert (folded.vectors[5].tolist(), folded.evidence[5]) == ([0, 0], 0)


@settings(deadline=None, max_examples=30)
@given(seed=st.integers(0, 10**6), power=st.sampled_from([0.0, 0.5, 1.0]), n_blocks=st.integers(1, 4))
def test_with_unchanged_likes_folding_gives_back_the_singular_vectors(seed: int, power: float, n_blocks: int) -> None:
    """V S of numpy's full decomposition, in the same directions; however the users are cut into blocks."""
    rng = np.random.default_rng(seed)
    likes = sparse.csr_matrix((rng.random((30, 12)) < 0.4).astype(float))
    likes = likes[:, np.asarray(likes.sum(axis=0)).ravel() > 0]
    item_ids = np.arange(likes.shape[1])
    basis = Cooccurrence.learn(item_ids, likes, 3, power, seed)
    _, values, right = np.linalg.svd(likes.toarray() * np.asarray(likes.sum(axis=0)).ravel() ** -power, full_matrices=False)
    expected = unit(right[:3].T * values[:3])
    folded = basis.fold(item_ids, [likes[rows] for rows in np.array_split(np.arange(30), n_blocks)]).vectors
    signs = np.sign(np.sum(folded * expected, axis=0))
    np.testing.assert_allclose(folded * signs, expected, atol=1e-8)


def test_the_same_likes_and_seed_give_the_same_bytes() -> None:
    assert camps_basis().basis.tobytes() == camps_basis().basis.tobytes()


def test_too_few_items_for_the_width_are_refused() -> None:
    with pytest.raises(ContractError, match=r"5 users like 5 items in training, expected more than 5 of both"):
        camps_basis(width=5)


def test_likes_that_do_not_span_the_width_are_refused() -> None:
    """Two kinds of users, however many: two dimensions."""
    same = {user: [10, 11, 12] if user % 2 else [20, 21] for user in range(8)}
    with pytest.raises(ContractError, match="the likes span 2 dimensions, expected 3"):
        Cooccurrence.learn(ITEMS, likes_of(pairs(same), ITEMS), 3, 0.5, seed=0)
