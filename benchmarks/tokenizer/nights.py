"""Other ways to tokenize a second night, to compare with."""

from dataclasses import dataclass, replace

import faiss
import numpy as np
import numpy.typing as npt
from scipy.optimize import linear_sum_assignment

from benchmarks.tokenizer.worlds import Matrix, frame_of
from pipeline.sids.codebook import Codebook
from pipeline.sids.config import SidsConfig
from pipeline.sids.encode import encode
from pipeline.sids.learn import learn_codebook

Tokens = npt.NDArray[np.uint16]


@dataclass(frozen=True)
class Tokenized:
    """Semantic IDs and how well they describe."""

    tokens: Tokens
    mse: float


def plain(vectors: Matrix, book: Codebook) -> Tokenized:
    """The nearest codes of frozen codebooks."""
    tokens, errors = encode(vectors, book)
    return Tokenized(tokens, float(errors.mean(dtype=np.float64)))


def cold(ids: npt.NDArray[np.int64], vectors: Matrix, config: SidsConfig, seed: int) -> Codebook:
    """A codebook learned anew, as most tools do every night."""
    return learn_codebook(frame_of(ids, vectors), config, seed)


def aligned(book: Codebook, old: Codebook) -> Codebook:
    """The codes of ``book`` numbered like the nearest ones of ``old``, level by level (Hungarian)."""
    levels = []
    for new, before in zip(book.centroids, old.centroids, strict=True):
        cost = ((before[:, None, :] - new[None]) ** 2).sum(axis=2)
        levels.append(new[linear_sum_assignment(cost)[1]])
    return replace(book, centroids=tuple(levels))


def warm(vectors: Matrix, old: Codebook, iterations: int = 10) -> Codebook:
    """Ordinary k-means at every level that starts from last night's codes."""
    residual, levels = vectors.copy(), []
    for codes in old.centroids:
        kmeans = faiss.Kmeans(
            codes.shape[1],
            len(codes),
            niter=iterations,
            seed=0,
            min_points_per_centroid=1,
            max_points_per_centroid=-(-len(residual) // len(codes)),
        )
        kmeans.train(residual, init_centroids=codes)
        centroids = np.array(kmeans.centroids, dtype=np.float32).reshape(codes.shape)
        levels.append(centroids)
        residual -= centroids[faiss.knn(residual, centroids, 1)[1][:, 0]]
    return replace(old, centroids=tuple(levels))


def kept(before: Tokens, after: Tokens) -> list[float]:
    """Share of the rows whose first 1, 2, … codes are the same."""
    same = np.cumprod(before == after, axis=1)
    return [float(share) for share in same.mean(axis=0)]
