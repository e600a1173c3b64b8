"""Vectors to Semantic IDs: the nearest code at every level."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
from threadpoolctl import threadpool_limits

from pipeline.errors import ContractError
from pipeline.sids.codebook import Codebook
from pipeline.sids.nearest import nearest_codes
from pipeline.sids.vectors import matrix, squared_norms

CHUNK_ROWS = 16_384  # 4 MB of 64-d residuals
FILE_ROWS = 65_536  # 16 MB of 64-d vectors
Tick = Callable[[int, int], None]


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
    a memory map; what is held beside it is a chunk.

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


def encode_file(path: Path, width: int, codebook: Codebook, tick: Tick | None = None) -> Iterator[Encoded]:
    """Encode vectors that lie in a file, raw float32 or Parquet, chunk by chunk; what is held is a chunk.

    Args:
        path: raw little-endian float32, vector after vector; or, by its name, a Parquet file with the column ``vector``.
        width: d.
        codebook: the frozen codes.
        tick: told (done, total) vectors after each chunk; a progress bar.

    Yields:
        Encoded, in the order of the file.

    Raises:
        ContractError: d is not the codebook's, a vector is not finite or not d long, or the file does not end with a vector.
    """
    is_parquet = path.suffix == ".parquet"
    total = _parquet_rows(path) if is_parquet else path.stat().st_size // (4 * width)
    if not is_parquet and path.stat().st_size != 4 * width * total:
        raise ContractError(f"encode: {path} has {path.stat().st_size} bytes, expected a multiple of 4 × {width}; write it again")
    done = 0
    for vectors in _parquet_chunks(path) if is_parquet else _raw_chunks(path, width):
        if not np.isfinite(vectors).all():
            broken = int((~np.isfinite(vectors).all(axis=1)).sum())
            raise ContractError(
                f"encode: {broken} of vectors {done} … {done + len(vectors)} of {path} hold NaN or infinite values; mend them"
            )
        yield encode(vectors, codebook)
        done += len(vectors)
        if tick is not None:
            tick(done, total)


def _raw_chunks(path: Path, width: int) -> Iterator[npt.NDArray[np.float32]]:
    """Chunks that hold until the next one is asked for."""
    room = np.empty((FILE_ROWS, width), dtype="<f4")
    with path.open("rb") as file:
        while n_bytes := file.readinto(room.data.cast("B")):
            yield room[: n_bytes // (4 * width)]


def _parquet_rows(path: Path) -> int:
    try:
        with pq.ParquetFile(path) as file:
            names, n_rows = file.schema_arrow.names, file.metadata.num_rows
    except pa.ArrowInvalid:
        raise ContractError(f"encode: {path} is no Parquet file, or is cut off; write it again") from None
    if "vector" not in names:
        raise ContractError(f"encode: {path} has the columns {', '.join(names)}, expected one named vector; rename it")
    return int(n_rows)


def _parquet_chunks(path: Path) -> Iterator[npt.NDArray[np.float32]]:
    with pq.ParquetFile(path) as file:
        for batch in file.iter_batches(FILE_ROWS, columns=["vector"]):
            yield matrix(pl.DataFrame({"item_id": np.arange(batch.num_rows), "vector": pl.Series(batch.column(0))}), str(path))


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
