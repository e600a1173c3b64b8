"""Positive answers in training records: counted by item, and as a matrix of users and items."""

from collections.abc import Iterable

import numpy as np
import polars as pl
from scipy import sparse

from pipeline.embeddings.vectors import Ids
from pipeline.errors import ContractError


def summed_answers(frames: Iterable[pl.DataFrame]) -> pl.DataFrame:
    """How often each item was shown and liked, over all buckets.

    Args:
        frames: item_id, n_shown and n_positives of each bucket.

    Returns:
        item_id, n_shown, n_positives (i64), by item_id; items that were never shown have no row.
    """
    empty = pl.DataFrame(schema={"item_id": pl.Int64, "n_shown": pl.Int64, "n_positives": pl.Int64})
    return pl.concat([empty, *frames]).group_by("item_id").agg(pl.col("n_shown", "n_positives").sum()).sort("item_id")


def likes_of(positives: pl.DataFrame, item_ids: Ids) -> sparse.csr_matrix:
    """(users, n) ones from pairs of user_id and item_id; a pair that comes twice counts once.

    Raises:
        ContractError: a pair names an item that is not in ``item_ids``.
    """
    pairs = positives.select("user_id", "item_id").unique()
    liked = pairs["item_id"].to_numpy()
    if n_unknown := int((~np.isin(liked, item_ids)).sum()):
        raise ContractError(
            f"embeddings: {n_unknown} of {pairs.height} positives are of items that the table items does not hold; "
            "rebuild both with: hsrl refresh --rebuild"
        )
    users, rows = np.unique(pairs["user_id"].to_numpy(), return_inverse=True)
    return sparse.csr_matrix((np.ones(pairs.height), (rows, np.searchsorted(item_ids, liked))), shape=(len(users), len(item_ids)))
