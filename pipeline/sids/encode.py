"""Vectors to Semantic IDs: the nearest code at every level."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from threadpoolctl import threadpool_limits

from pipeline.errors import ContractError
from pipeline.sids.codebook import Codebook
from pipeline.sids.nearest import nearest_codes
from pipeline.sids.vectors import squared_norms

CHUNK_ROWS = 16_384  # 4 MB of 64-d residuals


class Encoded(NamedTuple):
    """Semantic IDs of n vectors.

    Attributes:
        tokens: (n, L) uint16, tokens[:, l] in [0, V_l).
        recon_error: (n,) float32, ‖x − dec(tokens)‖² in squared units of the vectors.
    """

    tokens: npt.NDArray[np.uint16]
    recon_error: npt.NDArray[np.float32]


def encode(vectors: npt.NDArray[np.float32], codebook: Codebook) -> Encoded:
    """Give each vector the token of its nearest code at every level.

    Level l matches the residual and hands the rest down, never normalised (HSRL App. C, (29)–(30)):

        z_l = argmin_v ‖r_l − C_l[v]‖²,    r_{l+1} = r_l − C_l[z_l],    r_1 = x

    Ties go to the lowest code; neighbours in the batch and threads decide nothing (see ``nearest_codes``). ``vectors`` may be
    a memory map; only a chunk of it is held in memory.

    Args:
        vectors: (n, d), finite, unitless; d is the codebook's.
        codebook: the frozen codes.

    Returns:
        Tokens and errors in the order of ``vectors``.

    Raises:
        ContractError: d is not the codebook's.
    """
    _check_width(vectors, codebook)
    tokens = np.empty((len(vectors), codebook.n_levels), dtype=np.uint16)
    errors = np.empty(len(vectors), dtype=np.float32)
    # products this small keep threads waiting for one another: two took four times the CPU seconds on a busy machine
    with threadpool_limits(limits=1):
        for start in range(0, len(vectors), CHUNK_ROWS):
            chunk = slice(start, start + CHUNK_ROWS)
            residual = np.array(vectors[chunk], dtype=np.float32, order="C")
            for level, centroids in enumerate(codebook.centroids):
                nearest = nearest_codes(residual, centroids)
                tokens[chunk, level] = nearest
                residual -= centroids.take(nearest, axis=0)  # a third of the time of centroids[nearest]
            errors[chunk] = squared_norms(residual)
    return Encoded(tokens, errors)


def reconstruction_errors(
    vectors: npt.NDArray[np.float32], tokens: npt.NDArray[np.uint16], codebook: Codebook
) -> npt.NDArray[np.float32]:
    """‖x − dec(tokens)‖² for given tokens: for the greedy ones bit for bit the errors that ``encode`` returns.

    Args:
        vectors: (n, d), finite.
        tokens: (n, L), tokens[:, l] in [0, V_l).
        codebook: the frozen codes.

    Returns:
        (n,) float32.

    Raises:
        ContractError: d is not the codebook's.
    """
    _check_width(vectors, codebook)
    errors = np.empty(len(vectors), dtype=np.float32)
    for start in range(0, len(vectors), CHUNK_ROWS):
        chunk = slice(start, start + CHUNK_ROWS)
        residual = np.array(vectors[chunk], dtype=np.float32, order="C")
        for level, centroids in enumerate(codebook.centroids):
            residual -= centroids[tokens[chunk, level]]
        errors[chunk] = squared_norms(residual)
    return errors


def _check_width(vectors: npt.NDArray[np.float32], codebook: Codebook) -> None:
    if len(vectors) and vectors.shape[1] != codebook.width:
        raise ContractError(
            f"encode: {len(vectors)} vectors are {vectors.shape[1]} long, not {codebook.width}, the codebook's d; rebuild with: "
            "hsrl refresh --rebuild"
        )
