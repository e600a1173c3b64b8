"""How well Semantic IDs say what belongs together, before anything is trained on them: pairs that share a prefix, against chance.

The figures of a release (``figures``) and of any tool's mapping (``audit``) are these.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl
from threadpoolctl import threadpool_limits

from pipeline.sids.names import fixed_hash
from pipeline.sids.vectors import squared_norms

SAMPLE_ROWS, QUERIES, NEIGHBOURS = 20_000, 1_000, 10
SAMPLE_USERS = 5_000
_QUERIES_AT_ONCE = 50  # 8 MB of distances to the sample
Ints = npt.NDArray[np.int64]
Matrix = npt.NDArray[np.float32]
Pairs = tuple[Ints, Ints]


@dataclass(frozen=True)
class Share:
    """How often pairs share a prefix, and how often any two items would.

    Attributes:
        found: share of the pairs, in [0, 1].
        by_chance: the same for pairs whose ends are drawn apart, each as often as it is an end, and are different items.
    """

    found: float
    by_chance: float

    def plain(self) -> dict[str, float | None]:
        """The shares and their quotient; None where chance would never do it."""
        return {
            "found": round(self.found, 6),
            "by_chance": round(self.by_chance, 6),
            "times_chance": round(self.found / self.by_chance, 3) if self.by_chance > 0 else None,
        }


def shares_of_pairs(prefixes: Ints, pairs: Pairs) -> list[Share]:
    """By level, how often the two ends of a pair share their prefix, against chance.

        by chance = (Σ_prefix p(prefix) q(prefix) − Σ_item p(item) q(item)) / (1 − Σ_item p(item) q(item))

    with p and q the shares of the left and the right ends: what pairs of shuffled items come to in the mean.

    Args:
        prefixes: (L, n), a number from 0 for each item's prefix of each length.
        pairs: left and right rows of the items, (m,) each, nowhere the same row.
    """
    left, right = pairs
    n, m = prefixes.shape[1], max(len(left), 1)
    of_left, of_right = np.bincount(left, minlength=n) / m, np.bincount(right, minlength=n) / m
    same_item = float(of_left @ of_right)
    shares = []
    for prefix in prefixes:
        at_left, at_right = np.bincount(prefix, of_left), np.bincount(prefix, of_right)
        chance = (float(at_left @ at_right) - same_item) / (1 - same_item) if same_item < 1 else 0.0
        shares.append(Share(float((prefix[left] == prefix[right]).mean()) if len(left) else 0.0, max(chance, 0.0)))
    return shares


def nearest_others(space: Matrix, queries: Ints) -> Ints:
    """The ten nearest other rows of each query by squared distance, in no order; equals go to the lowest row.

    Args:
        space: (n, d), finite, n above ten.
        queries: (q,) rows of it.

    Returns:
        (q, 10) rows.
    """
    norms, ties = squared_norms(space), np.arange(len(space)) * 1e-9
    nearest = np.empty((len(queries), NEIGHBOURS), dtype=np.int64)
    with threadpool_limits(limits=1):
        for start in range(0, len(queries), _QUERIES_AT_ONCE):
            asked = queries[start : start + _QUERIES_AT_ONCE]
            distances = (norms - 2 * (space[asked] @ space.T)).astype(np.float64)
            distances[np.arange(len(asked)), asked] = np.inf
            distances += ties
            nearest[start : start + len(asked)] = np.argpartition(distances, NEIGHBOURS, axis=1)[:, :NEIGHBOURS]
    return nearest


def neighbour_pairs(vectors: Matrix) -> Pairs:
    """Each of up to a thousand items with its ten nearest others by cosine, among twenty thousand at most.

    Args:
        vectors: (n, d), finite; the first rows are looked at.

    Returns:
        Rows of the items and of their neighbours, (m,) each; none below eleven items.
    """
    sample = vectors[:SAMPLE_ROWS].astype(np.float32)
    if len(sample) <= NEIGHBOURS:
        return np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64)
    unit = sample / np.maximum(np.linalg.norm(sample, axis=1, keepdims=True), 1e-30)
    queries = np.arange(min(QUERIES, len(sample)))
    return np.repeat(queries, NEIGHBOURS), nearest_others(unit, queries).ravel()


def likes_that_follow(likes: pl.DataFrame, n_users: int) -> pl.DataFrame:
    """Pairs of different items that a user liked one after the other, of about 5,000 users drawn by a fixed hash.

    Args:
        likes: user_id, record_index and item_id of positives, whole users; within a record in the order shown.
        n_users: of the whole log, not only of ``likes``.

    Returns:
        left and right item_id (i64), a row a pair.
    """
    drawn = likes.filter(is_drawn(likes["user_id"], n_users))
    ordered = drawn.sort("user_id", "record_index", maintain_order=True)
    following = ordered.select(left="item_id", right=pl.col("item_id").shift(-1).over("user_id")).drop_nulls()
    return following.filter(pl.col("left") != pl.col("right"))


def is_drawn(user_ids: pl.Series, n_users: int) -> pl.Series:
    """Whether each user is of the about 5,000 that ``likes_that_follow`` looks at, of ``n_users`` in the whole log."""
    every = np.uint64(max(1, n_users // SAMPLE_USERS))
    return pl.Series(fixed_hash(user_ids.to_numpy()) % every == 0)
