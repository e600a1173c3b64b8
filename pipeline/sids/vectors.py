"""Vectors as the tokenizer takes them: one model, one width, finite."""

from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from pipeline.contracts import EMBEDDINGS, check
from pipeline.errors import ContractError

_CHUNK_ROWS = 16_384  # 4 MB of 64 numbers in single precision


def sorted_embeddings(embeddings: pl.DataFrame, where: str) -> pl.DataFrame:
    """EMBEDDINGS of one model, sorted by item_id, so that the order of rows decides nothing.

    Raises:
        ContractError: the contract is broken, or the rows come from several models.
    """
    rows = check(embeddings, EMBEDDINGS, where)
    if (n_models := rows["embedding_id"].n_unique()) > 1:
        raise ContractError(f"{where}: embeddings of {n_models} models, expected one; give those of one embedding_id")
    return rows if rows["item_id"].is_sorted() else rows.sort("item_id")


def rows_kept(frame: pl.DataFrame, keep: pl.Series) -> pl.DataFrame:
    """The rows for which ``keep`` is true; ``frame`` itself where it is for all, as a million vectors are a copy of 256 MB."""
    return frame if keep.all() else frame.filter(keep)


def matrix(embeddings: pl.DataFrame, where: str) -> npt.NDArray[np.float32]:
    """The column ``vector`` as an (n, d) float32 matrix in the order of the rows; (0, 0) without rows.

    Raises:
        ContractError: the vectors have several widths, or coordinates that are missing, NaN or infinite.
    """
    vectors = embeddings["vector"]
    if vectors.is_empty():
        return np.zeros((0, 0), dtype=np.float32)
    widths = vectors.list.len().value_counts(sort=True)
    width = widths["vector"][0]
    if widths.height > 1 or width == 0:
        n_odd = vectors.len() - widths["count"][0]
        raise ContractError(f"{where}: {n_odd} of {vectors.len()} vectors are not {width} long like the rest; embed them anew")
    values = vectors.explode().to_numpy().reshape(-1, width)
    finite = np.isfinite(values).all(axis=1)
    if not finite.all():
        example = embeddings["item_id"][int(finite.argmin())]
        raise ContractError(
            f"{where}: {(~finite).sum()} of {len(values)} vectors hold NaN, infinite or missing values, for example that of item "
            f"{example}; mend the embeddings"
        )
    return values


def squared_norms(rows: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """‖r‖² of each row of (n, d)."""
    return np.asarray(np.einsum("nd,nd->n", rows, rows))


def mean_square_from_centre(rows: npt.NDArray[np.float32]) -> float:
    """Mean ‖r − r̄‖² of (n, d), n ≥ 1: the variance that Semantic IDs explain a part of."""
    centre, squares = rows.mean(axis=0), np.empty(len(rows), dtype=np.float32)
    for start in range(0, len(rows), _CHUNK_ROWS):
        squares[start : start + _CHUNK_ROWS] = squared_norms(rows[start : start + _CHUNK_ROWS] - centre)
    return float(squares.mean(dtype=np.float64))


def distinct_rows(rows: npt.NDArray[np.float32]) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """The first row of each distinct vector of (n, d), rising, and for each row which of them it equals (exact twins)."""
    if not rows.size:
        return np.zeros(0, dtype=np.int64), np.zeros(len(rows), dtype=np.int64)
    whole = np.ascontiguousarray(rows + np.float32(0))  # −0.0 becomes 0.0: equal numbers, equal bytes
    words = whole.view(np.uint32)
    first, group = _first_of_equal(_row_hashes(words))
    if not np.array_equal(words[first[group]], words):  # two vectors with one hash: sort the bytes themselves
        as_bytes = whole.view(np.dtype((np.void, whole.shape[1] * whole.itemsize)))[:, 0]
        first, group = _first_of_equal(as_bytes)
    order = np.argsort(first)
    rank = np.empty_like(order)
    rank[order] = np.arange(len(order))
    return first[order], rank[group]


def _first_of_equal(keys: npt.NDArray[Any]) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """The first row of each distinct key, and for each row which of them it equals."""
    _, first, group = np.unique(keys, return_index=True, return_inverse=True)
    return first, group


def _row_hashes(words: npt.NDArray[np.uint32]) -> npt.NDArray[np.uint64]:
    """(n,) of (n, w): to sort a million rows by it takes a tenth of the time that sorting the rows takes."""
    odd = np.random.default_rng(0).integers(0, 2**63, words.shape[1], dtype=np.uint64) * np.uint64(2) + np.uint64(1)
    hashes = np.empty(len(words), dtype=np.uint64)
    for start in range(0, len(words), _CHUNK_ROWS):
        products = words[start : start + _CHUNK_ROWS].astype(np.uint64) * odd
        products ^= products >> np.uint64(32)  # round numbers end in zeros, which a product keeps
        hashes[start : start + _CHUNK_ROWS] = products.sum(axis=1, dtype=np.uint64)
    return hashes
