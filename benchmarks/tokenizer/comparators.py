"""Other ways to make tokens of vectors, all behind one call: RQ-VAE, FSQ, (O)PQ, and a chain of FAISS k-means.

    tokens = WAYS["rq-vae"](SPACE)(vectors, seed).encode(vectors)

A way is given the shape of the tokens, then vectors and a seed; it returns what encodes and decodes. All use one thread.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import faiss
import numpy as np
import numpy.typing as npt
from threadpoolctl import threadpool_limits

from benchmarks.tokenizer.autoencoders import fit_fsq, fit_rqvae
from benchmarks.tokenizer.worlds import Matrix, frame_of
from pipeline.sids.codebook import Codebook
from pipeline.sids.config import SidsConfig
from pipeline.sids.encode import encode
from pipeline.sids.learn import learn_codebook

Tokens = npt.NDArray[np.uint16]


class Tokenizer(Protocol):
    """What a way has learned."""

    def encode(self, vectors: Matrix) -> Tokens:
        """(n, d) vectors to (n, L) tokens, tokens[:, l] in [0, V)."""
        ...

    def decode(self, tokens: Tokens) -> Matrix:
        """(n, L) tokens to the (n, d) vectors that they stand for."""
        ...


@dataclass(frozen=True)
class TokenSpace:
    """The shape of the tokens: ``levels`` of ``codes`` each, the same for every way of a table."""

    levels: int = 3
    codes: int = 256


Fit = Callable[[Matrix, int], Tokenizer]


@dataclass(frozen=True)
class ByCodebook:
    """Greedy nearest codes, as hsrl encodes."""

    book: Codebook

    def encode(self, vectors: Matrix) -> Tokens:
        """The nearest code of every level."""
        return encode(vectors, self.book).tokens

    def decode(self, tokens: Tokens) -> Matrix:
        """The sum of the codes."""
        return self.book.decode(tokens)


@dataclass(frozen=True)
class ByProduct:
    """Product quantization: every token describes a part of the (rotated) coordinates; there is no coarse to fine."""

    rotation: faiss.LinearTransform | None
    quantizer: faiss.ProductQuantizer
    width: int

    def encode(self, vectors: Matrix) -> Tokens:
        """One code a part."""
        rows = _padded(vectors, self.quantizer.d)
        rows = rows if self.rotation is None else self.rotation.apply(rows)
        bits = int(self.quantizer.nbits)
        packed = self.quantizer.compute_codes(rows)
        reader = np.unpackbits(packed, axis=1, bitorder="little")[:, : bits * self.quantizer.M]
        return (reader.reshape(len(rows), -1, bits) @ (1 << np.arange(bits))).astype(np.uint16)

    def decode(self, tokens: Tokens) -> Matrix:
        """The codes of all parts side by side, rotated back."""
        centroids = faiss.vector_to_array(self.quantizer.centroids).reshape(self.quantizer.M, self.quantizer.ksub, -1)
        parts = np.concatenate([centroids[part][tokens[:, part]] for part in range(self.quantizer.M)], axis=1)
        rows = parts if self.rotation is None else self.rotation.reverse_transform(np.ascontiguousarray(parts))
        return np.asarray(rows[:, : self.width], dtype=np.float32)


def _padded(vectors: Matrix, width: int) -> Matrix:
    """(n, width): zeros behind, so that the coordinates divide by the number of parts."""
    return np.ascontiguousarray(np.pad(vectors, ((0, 0), (0, width - vectors.shape[1]))), dtype=np.float32)


def hsrl(space: TokenSpace, **changes: object) -> Fit:
    """RQ-k-means as ``hsrl refresh --rebuild`` learns it; ``changes`` are settings of ``[sids]``."""
    config = SidsConfig.model_validate({"levels": space.levels, "vocabulary": space.codes, **changes})

    def fit(vectors: Matrix, seed: int) -> Tokenizer:
        return ByCodebook(learn_codebook(frame_of(np.arange(len(vectors)), vectors), config, seed))

    return fit


def faiss_chain(space: TokenSpace, iterations: int = 25) -> Fit:
    """FAISS k-means of the residuals from random starts, level after level."""

    def fit(vectors: Matrix, seed: int) -> Tokenizer:
        residual, levels = vectors.copy(), []
        with threadpool_limits(limits=1):
            for _ in range(space.levels):
                kmeans = faiss.Kmeans(
                    vectors.shape[1],
                    space.codes,
                    niter=iterations,
                    seed=seed,
                    min_points_per_centroid=1,
                    max_points_per_centroid=-(-len(vectors) // space.codes),
                )
                kmeans.train(residual)
                levels.append(np.array(kmeans.centroids, dtype=np.float32).reshape(space.codes, -1))
                residual -= levels[-1][faiss.knn(residual, levels[-1], 1)[1][:, 0]]
        unused = tuple(np.zeros(len(level), dtype=np.int64) for level in levels)
        return ByCodebook(Codebook(tuple(levels), unused, float("inf"), "bench"))

    return fit


def product(space: TokenSpace, *, rotated: bool = True, rotations: int = 10) -> Fit:
    """(Optimized) product quantization (Jégou et al. 2011; Ge et al. 2013), as ActionPiece and VQ-Rec make item tokens."""

    def fit(vectors: Matrix, seed: int) -> Tokenizer:
        bits = int(np.log2(space.codes))
        if 2**bits != space.codes:
            raise ValueError(f"product quantization: {space.codes} codes, expected a power of two")
        width = -(-vectors.shape[1] // space.levels) * space.levels
        rows, rotation = _padded(vectors, width), None
        with threadpool_limits(limits=1):
            quantizer = faiss.ProductQuantizer(width, space.levels, bits)
            quantizer.cp.seed, quantizer.cp.min_points_per_centroid = seed, 1
            quantizer.cp.max_points_per_centroid = -(-len(rows) // space.codes)
            if rotated:
                rotation = faiss.OPQMatrix(width, space.levels)
                rotation.niter, rotation.pq, rotation.verbose = (
                    rotations,
                    faiss.ProductQuantizer(width, space.levels, bits),
                    False,
                )
                rotation.pq.cp.min_points_per_centroid = 1
                rotation.train(rows)
                rows = rotation.apply(rows)
            quantizer.train(rows)
        return ByProduct(rotation, quantizer, vectors.shape[1])

    return fit


def rq_vae(space: TokenSpace, effort: float = 1.0) -> Fit:
    """TIGER's tokenizer (Rajput et al. 2023); ``effort`` multiplies the steps, 1: about the CPU seconds of hsrl."""
    return lambda vectors, seed: fit_rqvae(vectors, space.levels, space.codes, seed, effort)


def fsq(space: TokenSpace, effort: float = 1.0) -> Fit:
    """Finite scalar quantization (Mentzer et al. 2024) in an autoencoder: a token is a cell of a few rounded coordinates."""
    return lambda vectors, seed: fit_fsq(vectors, space.levels, space.codes, seed, effort)


# name → what makes a fitter of the shape of the tokens
WAYS: dict[str, Callable[[TokenSpace], Fit]] = {
    "rq-kmeans": hsrl,
    "rq-kmeans, joint_rounds = 0": lambda space: hsrl(space, joint_rounds=0),
    "rq-kmeans, faiss chain": faiss_chain,
    "rq-vae": rq_vae,
    "rq-vae, 10 × the steps": lambda space: rq_vae(space, 10.0),
    "fsq": fsq,
    "fsq, 10 × the steps": lambda space: fsq(space, 10.0),
    "opq": product,
    "pq": lambda space: product(space, rotated=False),
}
