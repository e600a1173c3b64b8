"""The nearest code of a vector: an answer that depends on the vector and the codes alone."""

import numpy as np
import numpy.typing as npt

CHUNK_ROWS = 2_048  # with 256 codes the scores of a chunk are 2 MB, which stay in the cache
FLOAT32_ROUNDING = 2.0**-24
TIE = 1e-12  # relative to the size of the scores, in double precision


def nearest_codes(vectors: npt.NDArray[np.float32], codes: npt.NDArray[np.float32]) -> npt.NDArray[np.int64]:
    """argmin_v ‖x − c_v‖² for each x, ties to the lowest code.

    The nearest code has the highest score x·c − ½‖c‖². A matrix product in single precision, here as in faiss, rounds a row
    differently by its place in the batch and by the number of threads: with multi-hot content vectors, twins would come apart
    (measured: 1–3 % of them). So rows whose two best scores lie within the bound of that rounding are decided again in double
    precision, where the lowest of the codes that are equal up to 1e-12 wins.

    Args:
        vectors: (n, d), finite.
        codes: (V, d), finite.

    Returns:
        (n,) in [0, V).
    """
    if not codes.any():
        return np.zeros(len(vectors), dtype=np.int64)  # a suffix level tells nothing: every code is as near
    nearest = np.empty(len(vectors), dtype=np.int64)
    exact = codes.astype(np.float64)
    half_norms = 0.5 * np.einsum("vd,vd->v", exact, exact)
    longest = float(np.sqrt(2.0 * half_norms.max()))
    # twice the bound of a dot product of d + 1 terms (Higham, Accuracy and Stability, §3.1): either score may be off by it
    rounding = 2.0 * (codes.shape[1] + 5) * FLOAT32_ROUNDING
    # a coordinate of ones puts −½‖c‖² into the product; a buffer used again costs no fresh pages
    lengthened_codes = np.concatenate([codes, -half_norms[:, None].astype(np.float32)], axis=1).T
    lengthened_rows = np.ones((min(CHUNK_ROWS, len(vectors)), codes.shape[1] + 1), dtype=np.float32)
    buffer = np.empty((len(lengthened_rows), len(codes)), dtype=np.float32)
    for start in range(0, len(vectors), CHUNK_ROWS):
        rows = vectors[start : start + CHUNK_ROWS]
        all_rows = np.arange(len(rows))
        lengthened_rows[: len(rows), :-1] = rows
        scores = np.matmul(lengthened_rows[: len(rows)], lengthened_codes, out=buffer[: len(rows)])
        best = scores.argmax(axis=1)
        best_scores = scores[all_rows, best]
        scores[all_rows, best] = -np.inf
        second_scores = scores[all_rows, scores.argmax(axis=1)]  # numpy's max is slower than its argmax
        sizes = longest * (np.sqrt(np.einsum("nd,nd->n", rows, rows)) + longest)
        unsure = np.flatnonzero(second_scores >= best_scores - rounding * sizes)
        if len(unsure):
            best[unsure] = _decide_exactly(rows[unsure].astype(np.float64), exact, half_norms, TIE * sizes[unsure])
        nearest[start : start + CHUNK_ROWS] = best
    return nearest


def _decide_exactly(
    vectors: npt.NDArray[np.float64],
    codes: npt.NDArray[np.float64],
    half_norms: npt.NDArray[np.float64],
    tolerance: npt.NDArray[np.float64],
) -> npt.NDArray[np.int64]:
    """The lowest code whose score is within ``tolerance`` (n,) of the best."""
    scores = vectors @ codes.T - half_norms
    return np.asarray((scores >= (scores.max(axis=1) - tolerance)[:, None]).argmax(axis=1))
