"""Other ways to tokenize a second night, to compare with."""

from dataclasses import dataclass, replace

import faiss
import numpy as np
import numpy.typing as npt
from scipy.optimize import linear_sum_assignment

from benchmarks.tokenizer.worlds import Matrix, frame_of
from pipeline.sids.align import renumbered
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


def by_common_items(book: Codebook, vectors: Matrix, before: Tokens) -> Codebook:
    """The codes of ``book`` under the numbers that most items had at that level (Baikalov et al., arXiv 2604.13273, Hungarian method).

    From its abstract and a public summary of its method: per level a bijection of new tokens to old ones, by the number of items that
    have both; levels do not know one another. ``vectors`` and ``before`` are of the items in both nights.
    """
    after = plain(vectors, book).tokens
    numbers = []
    for level, codes in enumerate(book.vocabulary):
        cells = np.bincount(after[:, level].astype(np.int64) * codes + before[:, level], minlength=codes * codes)
        numbers.append(linear_sum_assignment(cells.reshape(codes, codes), maximize=True)[1])
    return renumbered(book, numbers)


@dataclass
class Dact:
    """Drift-aware continual tokenization (DACT; Feng et al., arXiv 2603.29705, and its public code), on residual k-means.

    Every night the tokenizer is fine-tuned from last night's: the items that drifted most (0.3 of them, its default) are learned from as
    they are now, the others as they were. An item whose first token is the same then keeps all its tokens, else it takes the new ones.
    Assumed here: k-means in place of the RQ-VAE and its losses, and how far a vector moved in place of the learned drift score.
    """

    book: Codebook
    ids: npt.NDArray[np.int64]
    vectors: Matrix
    tokens: Tokens

    def night(self, ids: npt.NDArray[np.int64], vectors: Matrix, drifting: float = 0.3) -> None:
        """Fine-tune on a night's items, by rising id, and decide their tokens."""
        _, now, then = np.intersect1d(ids, self.ids, assume_unique=True, return_indices=True)
        moved = ((vectors[now] - self.vectors[then]) ** 2).sum(axis=1)
        still = moved < np.quantile(moved, 1 - drifting)
        learned_from = vectors.copy()
        learned_from[now[still]] = self.vectors[then[still]]
        self.book = warm(learned_from, self.book)
        tokens = plain(vectors, self.book).tokens
        same_first = tokens[now, 0] == self.tokens[then, 0]
        tokens[now[same_first]] = self.tokens[then[same_first]]
        self.ids, self.vectors, self.tokens = ids, vectors, tokens

    def of(self, ids: npt.NDArray[np.int64]) -> Tokens:
        """The tokens of ``ids``, all of which were there on the last night."""
        return self.tokens[np.searchsorted(self.ids, ids)]


def kept(before: Tokens, after: Tokens) -> list[float]:
    """Share of the rows whose first 1, 2, … codes are the same."""
    same = np.cumprod(before == after, axis=1)
    return [float(share) for share in same.mean(axis=0)]
