"""Learning a codebook: rare, and the same bytes whatever the order of rows or the number of threads."""

from dataclasses import replace

import faiss
import numpy as np
import numpy.typing as npt
import polars as pl
from sklearn.cluster import kmeans_plusplus
from threadpoolctl import threadpool_limits

from pipeline.errors import ContractError
from pipeline.sids.codebook import Codebook
from pipeline.sids.config import SidsConfig
from pipeline.sids.encode import encode
from pipeline.sids.names import fixed_hash
from pipeline.sids.nearest import nearest_codes
from pipeline.sids.vectors import matrix, sorted_embeddings

OOD_QUANTILE = 0.999
LEAST_USED_SHARE = 0.99

Matrix = npt.NDArray[np.float32]


def learn_codebook(embeddings: pl.DataFrame, config: SidsConfig, seed: int) -> Codebook:
    """Residual k-means, a codebook a level (HSRL App. C, (27)–(31)).

        r^(0) = x,    C_l = k-means of {r^(l−1)} with V_l codes,    r^(l) = r^(l−1) − C_l[z_l]

    Items without signal shape nothing: their vectors are copies of a category's mean. Items with the same vector count once.
    Rows go in the order of a fixed hash of item_id, so that every leading part is a fair sample: k-means++ seeds on the first
    ``sample_rows`` (the seeding decides more than the sample's size), k-means runs on the first ``training_rows``.

    Args:
        embeddings: EMBEDDINGS of one model, any order; the vectors are taken as they are (unit norm is the model's business).
        config: levels, vocabulary, samples and iterations.
        seed: of the seeding and of k-means.

    Returns:
        The frozen codebook; its counts and its out-of-distribution error are those of all rows with signal.

    Raises:
        ContractError: a broken contract, several models or widths, values that are not finite, fewer distinct vectors (or
            residuals) than codes, or a level that uses less than 99 % of its codes.
    """
    rows = sorted_embeddings(embeddings, "codebook").filter("has_signal")
    vectors = matrix(rows, "codebook")
    distinct = _first_of_twins(vectors)
    ids = rows["item_id"].to_numpy()[distinct]
    hashed = distinct[np.lexsort((ids, fixed_hash(ids)))]
    with threadpool_limits(limits=1):
        centroids = _learn_levels(vectors[hashed[: config.training_rows]], config, seed)
    unused = tuple(np.zeros(len(level), dtype=np.int64) for level in centroids)
    draft = Codebook(centroids, unused, float("inf"), rows["embedding_id"][0])
    tokens, errors = encode(vectors, draft)
    counts = tuple(np.bincount(tokens[:, level], minlength=codes) for level, codes in enumerate(draft.vocabulary))
    return replace(draft, n_items=counts, ood_error=float(np.quantile(errors, OOD_QUANTILE)))


def _learn_levels(residual: Matrix, config: SidsConfig, seed: int) -> tuple[Matrix, ...]:
    """The codes of every level, learned on what the levels before it left of ``residual`` (n, d)."""
    levels: list[Matrix] = []
    for level, codes in enumerate(config.vocabulary_per_level, start=1):
        if (n_distinct := len(_first_of_twins(residual))) < codes:
            what = "vectors with signal" if level == 1 else "residuals"
            raise ContractError(
                f"codebook: level {level} has {n_distinct} distinct {what} for {codes} codes; set sids.vocabulary <= {n_distinct}"
                + ("" if level == 1 else f" at level {level}, or sids.levels = {level - 1}")
            )
        centroids, nearest = _learn_level(residual, codes, config, seed + level)
        _check_level(level, np.bincount(nearest, minlength=codes))
        levels.append(centroids)
        residual = residual - centroids[nearest]
    return tuple(levels)


def _learn_level(residual: Matrix, codes: int, config: SidsConfig, seed: int) -> tuple[Matrix, npt.NDArray[np.int64]]:
    """One level: (V, d) codes and the (n,) nearest code of every row; faiss itself splits large codes where others ran empty."""
    start, _ = kmeans_plusplus(residual[: max(config.sample_rows, codes)], codes, random_state=seed)
    centroids = _kmeans(residual, start, config.iterations, seed)
    return centroids, nearest_codes(residual, centroids)


def _kmeans(residual: Matrix, start: Matrix, iterations: int, seed: int) -> Matrix:
    """Lloyd's iterations on every row: faiss would otherwise draw a sample by position."""
    codes, width = start.shape
    kmeans = faiss.Kmeans(
        width,
        codes,
        niter=iterations,
        seed=seed,
        spherical=False,
        min_points_per_centroid=1,
        max_points_per_centroid=-(-len(residual) // codes),
    )
    kmeans.train(residual, init_centroids=start)
    return np.array(kmeans.centroids, dtype=np.float32).reshape(codes, width)


def _check_level(level: int, counts: npt.NDArray[np.int64]) -> None:
    """Refuse a level that collapsed. ``counts`` are the rows of each of its codes; further guard rails belong here."""
    used = int(np.count_nonzero(counts))
    if used < LEAST_USED_SHARE * len(counts):
        raise ContractError(
            f"codebook: level {level} uses {used} of its {len(counts)} codes, expected {LEAST_USED_SHARE:.0%}; "
            f"set sids.vocabulary <= {used} at level {level}"
        )


def _first_of_twins(vectors: Matrix) -> npt.NDArray[np.int64]:
    """Rising row numbers of the first of each distinct vector of (n, d)."""
    if not vectors.size:
        return np.zeros(0, dtype=np.int64)
    whole = np.ascontiguousarray(vectors + np.float32(0))  # −0.0 becomes 0.0: equal numbers, equal bytes
    as_bytes = whole.view(np.dtype((np.void, whole.shape[1] * whole.itemsize)))[:, 0]
    return np.sort(np.unique(as_bytes, return_index=True)[1])
