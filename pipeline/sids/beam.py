"""The nearest Semantic IDs of a vector, not only the one that greedy matching finds."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from threadpoolctl import threadpool_limits

from pipeline.sids.codebook import Codebook

CELLS = 2**18  # scores held at once, 2 MB, which stay in the cache; sixteen times as many took half as long again


class Nearest(NamedTuple):
    """B Semantic IDs for each of n vectors, nearest first.

    Attributes:
        tokens: (n, B, L) uint16.
        errors: (n, B) float64, ‖x − dec(tokens)‖² up to single-precision rounding; equal ones are in the order of the codes.
    """

    tokens: npt.NDArray[np.uint16]
    errors: npt.NDArray[np.float64]


def nearest_sids(vectors: npt.NDArray[np.float32], prefixes: npt.NDArray[np.uint16], codebook: Codebook, width: int) -> Nearest:
    """Beam search over the levels: the ``width`` best prefixes of each level are carried on.

    Args:
        vectors: (n, d), finite.
        prefixes: (n, p) codes of the first p levels, which stay; p may be 0.
        codebook: the frozen codes.
        width: B; fewer are found where fewer exist below the prefix.
    """
    n_locked = prefixes.shape[1]
    widths, found = [], 1
    for codes in codebook.vocabulary[n_locked:]:
        found = min(width, found * codes)
        widths.append(found)
    rows = max(1, CELLS // (width * max(codebook.vocabulary)))
    parts = []
    with threadpool_limits(limits=1):
        for start in range(0, len(vectors), rows):
            chunk = slice(start, start + rows)
            parts.append(_search(np.asarray(vectors[chunk], dtype=np.float32), prefixes[chunk], codebook, widths))
    if not parts:
        shape = (0, found)
        return Nearest(np.zeros((*shape, codebook.n_levels), dtype=np.uint16), np.zeros(shape))
    tokens, errors = zip(*parts, strict=True)
    return Nearest(np.concatenate(tokens), np.concatenate(errors))


def _search(
    vectors: npt.NDArray[np.float32], prefixes: npt.NDArray[np.uint16], codebook: Codebook, widths: list[int]
) -> tuple[npt.NDArray[np.uint16], npt.NDArray[np.float64]]:
    n, n_locked = prefixes.shape
    residual = vectors.copy()
    for level in range(n_locked):
        residual -= codebook.centroids[level][prefixes[:, level]]
    residual = residual[:, None, :]
    tokens = prefixes[:, None, :]
    errors = np.einsum("nbd,nbd->nb", residual, residual).astype(np.float64)
    rows = np.arange(n)[:, None]
    for level, width in enumerate(widths, start=n_locked):
        codes = codebook.centroids[level]
        added = residual @ codes.T
        added *= -2.0  # a power of two: nothing is rounded
        added += np.einsum("vd,vd->v", codes, codes)
        scores = (errors[:, :, None] + added).reshape(n, -1)
        best = _smallest(scores, width)
        beam, code = np.divmod(best, len(codes))
        errors = scores[rows, best]
        residual = residual[rows, beam] - codes[code]
        tokens = np.concatenate([tokens[rows, beam], code[:, :, None].astype(np.uint16)], axis=2)
    return tokens, errors


def _smallest(scores: npt.NDArray[np.float64], width: int) -> npt.NDArray[np.int64]:
    """(n, width) columns of the smallest scores, smallest first; of equal ones the first columns."""
    # a step far below single precision keeps equal scores in order, which a partition alone would not
    largest = max(1e-30, float(scores.max(initial=0)), -float(scores.min(initial=0)))
    scores = scores + np.arange(scores.shape[1]) * (1e-12 * largest / scores.shape[1])
    columns = np.argpartition(scores, width - 1, axis=1)[:, :width] if width < scores.shape[1] else None
    if columns is None:
        return np.argsort(scores, axis=1, kind="stable")
    order = np.argsort(np.take_along_axis(scores, columns, axis=1), axis=1, kind="stable")
    return np.take_along_axis(columns, order, axis=1)
