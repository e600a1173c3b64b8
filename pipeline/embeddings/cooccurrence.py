"""Vectors from who liked what: truncated SVD of the train positives, learned once; later evidence is folded into its basis.

    X̃ = X D^(−p),   X̃ ≈ U S Vᵀ,   vector of an item: its row of V S                                   (learned once)
    û_u = Σ_j x̃_uj B_j  over the items of the basis,  B = V S⁻¹;   v_i = Σ_u x̃_ui û_u                (every night)

X is one where a user liked an item, D counts the likes of an item, p is the popularity power. With unchanged likes folding gives
back the SVD, X̃ᵀ X̃ V S⁻¹ = V S. An item that came later gets its vector through users who also like items of the basis. Users
are not scaled by their number of likes: on ML-1M that costs a simulator .007 AUC (.742 instead of .749).
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import sparse

from pipeline.embeddings.like_sums import LikeSums, in_quanta, quantum_of
from pipeline.embeddings.vectors import Directions, Ids, Matrix, directions
from pipeline.errors import ContractError

# Singular values below this share of the largest are rounding; dividing by them would be noise.
_SMALLEST_SHARE = 1e-6


@dataclass(frozen=True)
class Cooccurrence:
    """A frozen basis.

    Attributes:
        item_ids: (b,) rising, the items that had likes when it was learned.
        weights: (b,) D^(−p) as it was then.
        basis: (b, w) B = V S⁻¹.
    """

    item_ids: Ids
    weights: npt.NDArray[np.float64]
    basis: Matrix

    @classmethod
    def learn(cls, item_ids: Ids, likes: sparse.csr_matrix, width: int, popularity_power: float, seed: int) -> "Cooccurrence":
        """Truncated SVD of (users, n) likes.

        Args:
            item_ids: (n,) rising; the columns of ``likes``.
            likes: ones where a user liked an item.
            width: w, singular vectors kept, the largest first.
            popularity_power: p in [0, 1].
            seed: of the start vector of the Lanczos iteration; on one machine the same seed gives the same bytes.

        Raises:
            ContractError: the likes do not span w dimensions.
        """
        popularity = np.asarray(likes.sum(axis=0)).ravel()
        in_basis = np.flatnonzero(popularity)
        weights = popularity[in_basis] ** -popularity_power
        weighted = likes[:, in_basis]
        weighted.data *= weights[weighted.indices]  # in place: a product with a diagonal would be another copy of all likes
        n_users = int((np.diff(likes.indptr) > 0).sum())
        if width >= (smaller := min(n_users, len(in_basis))):
            mend = (
                f"set embeddings.width below {smaller}"
                if smaller > 1
                else 'check what counts as positive, or set embeddings.parts = ["content"]'
            )
            raise ContractError(
                f"embeddings: {n_users} users like {len(in_basis)} items in training, expected more than {width} of both; {mend}"
            )
        from scipy.sparse.linalg import svds  # whoever only applies a model need not wait for it

        start = np.random.default_rng(seed).uniform(size=min(weighted.shape))
        _, values, right = svds(weighted, k=width, v0=start, return_singular_vectors="vh")
        order = np.argsort(-values)
        values, vectors = values[order], right[order].T
        if (rank := int((values > _SMALLEST_SHARE * values[0]).sum())) < width:
            raise ContractError(f"embeddings: the likes span {rank} dimensions, expected {width}; set embeddings.width to {rank}")
        # A singular vector's sign is free; fixed here, so that it does not hang on the library.
        signs = np.sign(vectors[np.abs(vectors).argmax(axis=0), np.arange(width)])
        return cls(item_ids[in_basis], weights, vectors * signs / values)

    def fold(self, item_ids: Ids, likes: Iterable[sparse.csr_matrix]) -> Directions:
        """The direction of every item in the frozen basis, from the likes as they are now.

        Args:
            item_ids: (n,) rising; the columns of ``likes``.
            likes: (users, n) ones, block by block, all likes of a user in one block.
        """
        return self.directions_of(self.sums(item_ids, likes))

    def sums(self, item_ids: Ids, likes: Iterable[sparse.csr_matrix]) -> LikeSums:
        """What ``fold`` sums over users: of each item Σ_u û_u over those who like it.

        Args:
            item_ids: (n,) rising; the columns of ``likes``.
            likes: as for ``fold``.
        """
        loadings = in_quanta(self._loadings)
        kept, rows, _ = np.intersect1d(self.item_ids, item_ids, assume_unique=True, return_indices=True)
        in_catalogue = np.zeros((len(item_ids), loadings.shape[1]), dtype=np.int64)
        in_catalogue[np.searchsorted(item_ids, kept)] = loadings[rows]
        return LikeSums.of_users(item_ids, in_catalogue, likes)

    def directions_of(self, sums: LikeSums) -> Directions:
        """The direction of every item, from its sums.

        The factor D^(−p) of v_i is left out: it changes the length, never the direction.
        """
        return directions(sums.totals(quantum_of(self._loadings)), sums.popularity.astype(np.float64))

    @property
    def _loadings(self) -> Matrix:
        """(b, w) D^(−p) B: what a like of an item of the basis adds to the taste of its user."""
        return self.weights[:, None] * self.basis
