"""Learning a codebook: rare, and the same bytes whatever the order of rows or the number of threads."""

from dataclasses import replace

import faiss
import numpy as np
import numpy.typing as npt
import polars as pl
from threadpoolctl import threadpool_limits

from pipeline.errors import ContractError
from pipeline.sids.codebook import Codebook
from pipeline.sids.config import SidsConfig
from pipeline.sids.encode import encode
from pipeline.sids.guard_rails import advice, fault_of
from pipeline.sids.joint import refine_jointly
from pipeline.sids.names import fixed_hash
from pipeline.sids.nearest import nearest_codes
from pipeline.sids.seeding import kmeans_plus_plus
from pipeline.sids.vectors import distinct_rows, matrix, sorted_embeddings

OOD_QUANTILE = 0.999

Matrix = npt.NDArray[np.float32]
Weights = npt.NDArray[np.float32] | None


def learn_codebook(embeddings: pl.DataFrame, config: SidsConfig, seed: int, popularity: pl.DataFrame | None = None) -> Codebook:
    """Residual k-means, a codebook a level (HSRL App. C, (27)–(31)).

        r^(0) = x,    C_l = k-means of {r^(l−1)} with V_l codes,    r^(l) = r^(l−1) − C_l[z_l]

    Then the levels are fitted together (``refine_jointly``), since the means of a level change what is best for those before it.
    Items without signal are left out: their vectors are copies of a category's mean. Items with the same vector count once.
    Rows go in the order of a fixed hash of item_id, so that every leading part is a fair sample: k-means++ seeds on the first
    ``sample_rows`` (the seeding decides more than the sample's size), k-means runs on the first ``training_rows``. Where items have
    weights, w = (1 + positives)^power, twins weigh together. Under ``suffix`` a further level of zeros only tells items apart.

    Args:
        embeddings: EMBEDDINGS of one model, any order; the vectors are taken as they are (unit norm is the model's business).
        config: levels, vocabulary, samples and iterations.
        seed: of the seeding and of k-means.
        popularity: item_id, n_positives; needed for weights, items not named have none.

    Returns:
        The frozen codebook; its counts and its out-of-distribution error are those of all rows with signal.

    Raises:
        ContractError: a broken contract, several models or widths, values that are not finite, fewer distinct vectors (or
            residuals) than codes, or, where ``guard_rails`` block, a level of no use (``fault_of``); the message names settings that
            were tried on the same vectors and pass.
    """
    rows = sorted_embeddings(embeddings, "codebook").filter("has_signal")
    vectors = matrix(rows, "codebook")
    distinct, group = distinct_rows(vectors)
    weights = np.bincount(group, _weights(rows["item_id"], popularity, config.popularity_power), len(distinct)).astype(np.float32)
    ids = rows["item_id"].to_numpy()[distinct]
    order = np.lexsort((ids, fixed_hash(ids)))[: config.training_rows]
    chosen, of_chosen = vectors[distinct[order]], weights[order] if config.popularity_power else None
    with threadpool_limits(limits=1):
        centroids = _learn(chosen, of_chosen, config, seed)
    if config.collisions == "suffix":
        centroids = (*centroids, np.zeros((config.suffix_codes, vectors.shape[1]), dtype=np.float32))
    unused = tuple(np.zeros(len(level), dtype=np.int64) for level in centroids)
    draft = Codebook(centroids, unused, float("inf"), rows["embedding_id"][0])
    tokens, errors = encode(vectors, draft)
    counts = tuple(np.bincount(tokens[:, level], minlength=codes) for level, codes in enumerate(draft.vocabulary))
    return replace(draft, n_items=counts, ood_error=float(np.quantile(errors, OOD_QUANTILE)))


def _weights(item_ids: pl.Series, popularity: pl.DataFrame | None, power: float) -> npt.NDArray[np.float64]:
    """(n,) weights of the items when codes are learned."""
    if not power:
        return np.ones(len(item_ids))
    if popularity is None:
        raise ContractError("codebook: sids.popularity_power asks for the positives of each item, none were given; set it to 0")
    liked = item_ids.to_frame().join(popularity, on="item_id", how="left", maintain_order="left")["n_positives"]
    return np.asarray((1.0 + liked.fill_null(0).to_numpy()) ** power)


def _learn(rows: Matrix, weights: Weights, config: SidsConfig, seed: int) -> tuple[Matrix, ...]:
    """The codes of every level.

    Raises:
        ContractError: they cannot be made, or are refused by the guard rails.
    """

    def passes(tried: SidsConfig) -> bool:
        fitted, fault = _learn_levels(rows, weights, tried, seed)
        return bool(fitted) and not fault

    codes, fault = _learn_levels(rows, weights, config, seed)
    if codes and (not fault or config.guard_rails != "block"):
        return codes
    let_pass = ', or sids.guard_rails = "warn" to publish it all the same' if codes else ""
    raise ContractError(f"codebook: {fault}; {advice(config, len(rows), passes)}{let_pass}")


def _learn_levels(residual: Matrix, weights: Weights, config: SidsConfig, seed: int) -> tuple[tuple[Matrix, ...], str]:
    """The codes of every level, learned on what the levels before it left of ``residual`` (n, d), then together; and their fault.

    There are no codes where a level has fewer distinct vectors than codes: a code that no item takes would mean nothing.
    """
    rows, levels = residual, list[Matrix]()
    for level, codes in enumerate(config.vocabulary_per_level, start=1):
        if (n_distinct := len(distinct_rows(residual)[0])) < codes:
            what = "vectors with signal" if level == 1 else "residuals"
            return (), f"level {level} has {n_distinct} distinct {what} for {codes} codes"
        levels.append(_learn_level(residual, weights, codes, config, seed + level))
        residual = residual - levels[-1][nearest_codes(residual, levels[-1])]
    fitted = refine_jointly(rows, weights, tuple(levels), config.joint_rounds, config.balance)
    faults = (
        fault_of(level, np.bincount(nearest, minlength=len(centroids)))
        for level, (centroids, nearest) in enumerate(zip(fitted.codes, fitted.tokens, strict=True), start=1)
    )
    return fitted.codes, next(filter(None, faults), "")


def _learn_level(residual: Matrix, weights: Weights, codes: int, config: SidsConfig, seed: int) -> Matrix:
    """The (V, d) codes of one level; faiss itself splits large codes where others ran empty."""
    n_sample = max(config.sample_rows, codes)
    start = kmeans_plus_plus(residual[:n_sample], None if weights is None else weights[:n_sample], codes, seed)
    return _kmeans(residual, weights, start, config.iterations, seed)


def _kmeans(residual: Matrix, weights: Weights, start: Matrix, iterations: int, seed: int) -> Matrix:
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
    kmeans.train(residual, weights=weights, init_centroids=start)
    return np.array(kmeans.centroids, dtype=np.float32).reshape(codes, width)
