"""The SID table: which item has which tokens in one release; learning and serving know Semantic IDs only by it."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from pipeline.contracts import SID_HISTORY, check
from pipeline.errors import ContractError


@dataclass(frozen=True)
class SidTable:
    """Semantic IDs of n items, sorted by item id.

    Attributes:
        codebook_id: the frozen codebook the tokens are numbers of.
        vocabulary: V_l, the number of codes of each of the L levels.
        item_ids: (n,) int64, rising.
        tokens: (n, L) uint16, tokens[:, l] in [0, vocabulary[l]).
        slots: (n,) uint32, rank of the item inside a shared SID.
    """

    codebook_id: str
    vocabulary: tuple[int, ...]
    item_ids: npt.NDArray[np.int64]
    tokens: npt.NDArray[np.uint16]
    slots: npt.NDArray[np.uint32]

    @classmethod
    def from_frame(cls, open_rows: pl.DataFrame, vocabulary: tuple[int, ...]) -> "SidTable":
        """Read the open rows of sid_history (valid_to empty) of one codebook.

        Raises:
            ContractError: no rows, several codebooks, an item twice, or tokens outside the vocabulary.
        """
        rows = check(open_rows, SID_HISTORY, "SID table").sort("item_id")
        codebooks = rows["codebook_id"].unique().to_list()
        if len(codebooks) != 1:
            raise ContractError(f"SID table: rows of {len(codebooks)} codebooks, expected one; select those of one codebook_id")
        if n_repeats := rows.height - rows["item_id"].n_unique():
            raise ContractError(
                f"SID table: {n_repeats} of {rows.height} items have two open SIDs, expected one; give the open rows only"
            )
        tokens = np.array(rows["tokens"].to_list(), dtype=np.uint16)
        if tokens.ndim != 2 or tokens.shape[1] != len(vocabulary) or (tokens >= np.array(vocabulary)).any():
            raise ContractError(f"SID table: tokens do not fit the vocabulary {vocabulary}; they belong to another codebook")
        return cls(codebooks[0], vocabulary, rows["item_id"].to_numpy(), tokens, rows["slot"].to_numpy())
