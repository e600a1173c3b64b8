"""Learning: what is found, the same bytes every time, and what is refused."""

import tomllib
from collections.abc import Callable

import numpy as np
import polars as pl
import pytest
from sklearn.metrics import normalized_mutual_info_score
from threadpoolctl import threadpool_limits

from pipeline.errors import ContractError
from pipeline.sids.config import SidsConfig
from pipeline.sids.encode import encode
from pipeline.sids.figures import entropy_bits
from pipeline.sids.learn import learn_codebook

Frames = Callable[..., pl.DataFrame]
SMALL = SidsConfig(levels=2, vocabulary=8)


def clouds(seed: int, n: int, d: int) -> np.ndarray:
    """n normal vectors of width d, float32."""
    return np.random.default_rng(seed).standard_normal((n, d)).astype(np.float32)


def test_four_points_on_a_line_are_learned_exactly(embed_matrix: Frames) -> None:
    """−5, −3, 3 and 5 with two codes at two levels: coarse ±4, fine ±1."""
    book = learn_codebook(embed_matrix(np.array([[-5.0], [-3.0], [3.0], [5.0]])), SidsConfig(levels=2, vocabulary=2), seed=0)
    assert [sorted(level[:, 0].tolist()) for level in book.centroids] == [[-4.0, 4.0], [-1.0, 1.0]]
    assert [counts.tolist() for counts in book.n_items] == [[2, 2], [2, 2]]
    assert book.ood_error == 0.0


def test_a_planted_category_tree_is_recovered(embed_matrix: Frames) -> None:
    """Four clusters 100 apart, each of the same four 10 apart, noise 0.1: level 1 is the cluster, levels 1–2 the leaf."""
    draw = np.random.default_rng(1)
    top, leaf = draw.integers(0, 4, 800), draw.integers(0, 4, 800)
    vectors = 100.0 * np.eye(8)[top] + 10.0 * np.eye(8)[4 + leaf] + draw.normal(0, 0.1, (800, 8))
    book = learn_codebook(embed_matrix(vectors), SidsConfig(levels=2, vocabulary=4), seed=0)
    tokens = encode(vectors.astype(np.float32), book).tokens
    assert normalized_mutual_info_score(top, tokens[:, 0]) == pytest.approx(1.0)
    assert normalized_mutual_info_score(4 * top + leaf, 4 * tokens[:, 0].astype(int) + tokens[:, 1]) == pytest.approx(1.0)


def test_the_same_bytes_whatever_the_row_order(embed_matrix: Frames) -> None:
    """Every vector three times: the twin with the lowest id stands for them, not the first row."""
    rows = embed_matrix(np.tile(clouds(2, 500, 6), (3, 1)))
    shuffled = rows.sample(fraction=1.0, shuffle=True, seed=5)
    assert learn_codebook(shuffled, SMALL, seed=3).codebook_id == learn_codebook(rows, SMALL, seed=3).codebook_id


def test_the_same_bytes_whatever_the_number_of_threads(embed_matrix: Frames) -> None:
    """Multi-hot rows of unit norm: many lie in the middle between codes, where the last bit of a distance decides."""
    hot = np.random.default_rng(0).random((8_000, 33)) < 0.15
    hot = hot[hot.any(axis=1)].astype(np.float32)
    rows = embed_matrix(hot / np.linalg.norm(hot, axis=1, keepdims=True))
    config = SidsConfig(levels=2, vocabulary=40, iterations=3)
    books = []
    for threads in (1, 2):
        with threadpool_limits(limits=threads):
            books.append(learn_codebook(rows, config, seed=3).codebook_id)
    assert books[0] == books[1]


def test_another_seed_or_another_model_is_another_codebook(embed_matrix: Frames) -> None:
    rows = embed_matrix(clouds(4, 300, 6))
    other = rows.with_columns(embedding_id=pl.lit("other"))
    ids = {
        learn_codebook(rows, SMALL, 0).codebook_id,
        learn_codebook(rows, SMALL, 1).codebook_id,
        learn_codebook(other, SMALL, 0).codebook_id,
    }
    assert len(ids) == 3


def test_twins_count_once_and_items_without_signal_not_at_all(embed_matrix: Frames) -> None:
    """A thousand copies of one vector and of a fall-back pull no code; the twins are counted among the items of their code."""
    vectors = clouds(5, 100, 4)
    plain = learn_codebook(embed_matrix(vectors), SMALL, seed=0)
    crowd = np.concatenate([vectors, np.tile(vectors[:1], (1000, 1)), np.full((1000, 4), 9.0)])
    rows = embed_matrix(crowd).with_columns(has_signal=pl.col("item_id") < 1100)
    crowded = learn_codebook(rows, SMALL, seed=0)
    assert all((ours == theirs).all() for ours, theirs in zip(crowded.centroids, plain.centroids, strict=True))
    assert (plain.n_items[0].sum(), crowded.n_items[0].sum()) == (100, 1100)


def test_samples_are_drawn_by_item_id_not_by_position(embed_matrix: Frames) -> None:
    """Items come sorted by value: a sample by position would know only the lower half of the line."""
    line = embed_matrix(np.linspace(-1, 1, 4_000)[:, None])
    book = learn_codebook(line, SidsConfig(levels=1, vocabulary=4, sample_rows=100, training_rows=1_000), seed=0)
    assert sorted(book.centroids[0][:, 0].tolist()) == pytest.approx([-0.75, -0.25, 0.25, 0.75], abs=0.1)


def test_every_code_is_used_where_nearly_all_rows_lie_on_one_spot(embed_matrix: Frames) -> None:
    """2,000 of 2,030 rows take one code at whatever level; that is published only where someone says so."""
    vectors = np.concatenate([1e-3 * clouds(6, 2_000, 2), 50.0 * clouds(7, 30, 2)])
    config = SidsConfig(levels=1, vocabulary=16, guard_rails="warn")
    assert all((counts > 0).all() for counts in learn_codebook(embed_matrix(vectors), config, seed=0).n_items)
    with pytest.raises(ContractError, match=r"level 1 has 9\d\.\d% of its items in one of 16 codes, expected at most 90%"):
        learn_codebook(embed_matrix(vectors), config.model_copy(update={"guard_rails": "block"}), seed=0)


def test_one_item_in_a_thousand_lies_beyond_the_threshold(embed_matrix: Frames) -> None:
    vectors = clouds(8, 4_000, 4)
    book = learn_codebook(embed_matrix(vectors), SMALL, seed=0)
    assert (encode(vectors, book).recon_error > book.ood_error).sum() == 4


def test_levels_may_have_vocabularies_of_their_own(embed_matrix: Frames) -> None:
    assert learn_codebook(embed_matrix(clouds(9, 200, 3)), SidsConfig(levels=2, vocabulary=(6, 3)), 0).vocabulary == (6, 3)


def test_fewer_distinct_vectors_than_codes_are_refused(embed_matrix: Frames) -> None:
    """Twelve items, four vectors, minus zero being zero."""
    vectors = np.tile(np.array([[0.0], [1.0], [2.0], [3.0]]), (3, 1))
    vectors[4] = -0.0
    with pytest.raises(
        ContractError,
        match=r"level 1 has 4 distinct vectors with signal for 8 codes; set sids.vocabulary = 2 \(tried: it passes\)$",
    ):
        learn_codebook(embed_matrix(vectors), SMALL, seed=0)


def spots(n: int, width: int) -> np.ndarray:
    """Sixty vectors on n spots of the sphere."""
    rows = clouds(12, n, width)
    return np.tile(rows / np.linalg.norm(rows, axis=1, keepdims=True), (60 // n + 1, 1))[:60]


@pytest.mark.parametrize(
    ("vectors", "config"),
    [
        (spots(2, 3), SMALL),
        (spots(3, 3), SMALL),
        (spots(5, 3), SidsConfig(levels=3, vocabulary=16)),
        (spots(17, 3), SidsConfig(levels=3, vocabulary=(16, 16, 16))),
        (spots(9, 3), SidsConfig(levels=3, vocabulary=8, locked_levels=2)),
        (np.repeat([[1.0], [-1.0]], 30, axis=0), SidsConfig(levels=3, vocabulary=8)),  # of length 1 and one number: two spots
    ],
    ids=["two", "three", "five", "seventeen", "locked", "one number"],
)
def test_the_advice_followed_works(embed_matrix: Frames, vectors: np.ndarray, config: SidsConfig) -> None:
    """What stands behind "set" is read, set and tried; it is allowed and enough."""
    with pytest.raises(ContractError, match="distinct") as refused:
        learn_codebook(embed_matrix(vectors), config, seed=0)
    message = str(refused.value).split("; set ")[1].split(" (tried")[0].replace(" and ", "\n").replace("sids.", "")
    followed = SidsConfig(**(config.model_dump() | tomllib.loads(message)))
    assert learn_codebook(embed_matrix(vectors), followed, seed=0).n_levels == followed.levels


@pytest.mark.parametrize("vectors", [np.ones((30, 4)), np.zeros((0, 4))])
def test_vectors_that_are_all_the_same_get_no_advice_that_is_not_allowed(embed_matrix: Frames, vectors: np.ndarray) -> None:
    with pytest.raises(ContractError, match="no fewer codes or levels pass either") as refused:
        learn_codebook(embed_matrix(vectors), SMALL, seed=0)
    assert "<=" not in str(refused.value) and "embeddings.parts" in str(refused.value)


def test_a_level_with_nothing_left_to_tell_apart_is_refused(embed_matrix: Frames) -> None:
    """Eight points and eight codes leave one residual, zero."""
    with pytest.raises(
        ContractError, match=r"level 2 has 1 distinct residuals for 8 codes; set sids.vocabulary = \d \(tried: it passes\)$"
    ):
        learn_codebook(embed_matrix(clouds(10, 8, 2)), SMALL, seed=0)


def test_a_level_that_leaves_codes_unused_is_refused(embed_matrix: Frames, monkeypatch: pytest.MonkeyPatch) -> None:
    """A k-means that ends with every code on one spot, and no repair."""
    monkeypatch.setattr("pipeline.sids.learn._kmeans", lambda residual, weights, start, iterations, seed: np.zeros_like(start))
    monkeypatch.setattr("pipeline.sids.joint.REPAIRS", 0)
    with pytest.raises(ContractError, match="level 1 uses 1 of its 8 codes, expected 99%"):
        learn_codebook(embed_matrix(clouds(11, 100, 2)), SMALL.model_copy(update={"joint_rounds": 0}), seed=0)


def test_fitting_the_levels_together_describes_better(embed_matrix: Frames) -> None:
    """From the same five starts, on average, and on vectors that were not learned from as well: a tenth less is left over."""
    around = 3.0 * clouds(14, 40, 8)
    vectors, strangers = (np.tile(around, (50, 1)) + clouds(seed, 2_000, 8) for seed in (15, 16))
    plain, joint = (
        [learn_codebook(embed_matrix(vectors), SMALL.model_copy(update={"joint_rounds": rounds}), seed) for seed in range(5)]
        for rounds in (0, 20)
    )
    for wanted in (vectors, strangers):
        errors = [[encode(wanted, book).recon_error.mean() for book in books] for books in (joint, plain)]
        assert np.mean(errors[0]) < 0.95 * np.mean(errors[1])


def test_balance_makes_the_use_of_codes_more_even(embed_matrix: Frames) -> None:
    """Nine tenths of the vectors in a narrow cloud, a tenth wide around it: entropy up, at less than twice the error."""
    vectors = np.concatenate([0.3 * clouds(17, 1_800, 4), 1.5 * clouds(18, 200, 4)])
    entropy, error = {}, {}
    for balance in (None, 1.1):
        encoded = encode(vectors, learn_codebook(embed_matrix(vectors), SMALL.model_copy(update={"balance": balance}), seed=0))
        entropy[balance] = [entropy_bits(np.bincount(level, minlength=8) / len(vectors)) for level in encoded.tokens.T]
        error[balance] = encoded.recon_error.mean()
    assert sum(entropy[1.1]) > sum(entropy[None]) + 0.1
    assert error[1.1] < 2.0 * error[None]


def test_balanced_codes_are_the_same_bytes_whatever_order_and_threads(embed_matrix: Frames) -> None:
    rows, config = embed_matrix(clouds(19, 1_000, 6)), SMALL.model_copy(update={"balance": 1.2})
    found = set()
    for given, threads in ((rows, 1), (rows, 2), (rows.sample(fraction=1.0, shuffle=True, seed=5), 1)):
        with threadpool_limits(limits=threads):
            found.add(learn_codebook(given, config, seed=3).codebook_id)
    assert len(found) == 1


def test_no_item_with_signal_is_refused(embed_matrix: Frames) -> None:
    rows = embed_matrix(clouds(12, 20, 2)).with_columns(has_signal=pl.lit(False))
    with pytest.raises(ContractError, match="level 1 has 0 distinct vectors with signal"):
        learn_codebook(rows, SMALL, seed=0)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_vectors_that_are_not_finite_are_refused(embed_matrix: Frames, bad: float) -> None:
    vectors = clouds(13, 20, 2)
    vectors[7, 1] = bad
    with pytest.raises(ContractError, match="1 of 20 vectors hold NaN, infinite or missing values, for example that of item 7"):
        learn_codebook(embed_matrix(vectors), SMALL, seed=0)


def test_vectors_of_several_widths_are_refused(embed: Frames) -> None:
    with pytest.raises(ContractError, match="1 of 3 vectors are not 1 long"):
        learn_codebook(embed({1: [1.0], 2: [2.0], 3: [3.0, 4.0]}), SMALL, seed=0)


def test_vectors_of_two_models_are_refused(embed: Frames) -> None:
    with pytest.raises(ContractError, match="embeddings of 2 models"):
        learn_codebook(pl.concat([embed({1: [1.0]}), embed({2: [1.0]}, model="other")]), SMALL, seed=0)


def test_popular_items_draw_the_codes_towards_them(embed_matrix: Frames) -> None:
    """Two codes for 0, 1 and 10, 11; item 3 at 11 has 99 positives and power 1: its code ends near 11, not at 10.5."""
    rows = embed_matrix(np.array([[0.0], [1.0], [10.0], [11.0]]))
    config = SidsConfig(levels=1, vocabulary=2, popularity_power=1.0)
    book = learn_codebook(rows, config, 0, pl.DataFrame({"item_id": [3], "n_positives": [99]}))
    assert max(book.centroids[0][:, 0]) == pytest.approx((10 + 100 * 11) / 101, rel=1e-4)
    assert max(learn_codebook(rows, SidsConfig(levels=1, vocabulary=2), 0).centroids[0][:, 0]) == pytest.approx(10.5)
    with pytest.raises(ContractError, match="popularity_power asks for the positives of each item"):
        learn_codebook(rows, config, 0)


def test_under_suffix_a_level_of_zeros_is_added(embed_matrix: Frames) -> None:
    book = learn_codebook(
        embed_matrix(clouds(14, 200, 3)), SMALL.model_copy(update={"collisions": "suffix", "suffix_codes": 5}), 0
    )
    assert book.vocabulary == (8, 8, 5)
    assert not book.centroids[2].any()
