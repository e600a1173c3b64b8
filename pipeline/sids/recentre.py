"""The mode ``refresh``: codes follow the items that hold them, so that Semantic IDs describe well again without moving (docs/tokenizer.md)."""

from dataclasses import replace

import numpy as np
import numpy.typing as npt
import polars as pl
from scipy import sparse

from pipeline.contracts import SID_HISTORY, check
from pipeline.errors import ContractError
from pipeline.sids.codebook import Codebook
from pipeline.sids.encode import encode
from pipeline.sids.learn import OOD_QUANTILE
from pipeline.sids.vectors import matrix, sorted_embeddings

# Number of items that a code's old centre counts for: rare codes stay nearly where they were.
PRIOR_ITEMS = 2.0


def recentre(codebook: Codebook, embeddings: pl.DataFrame, open_rows: pl.DataFrame) -> Codebook:
    """Centre every code anew on the items whose Semantic ID holds it, one level after another, the other levels held.

        C_l[v] ← C_l[v] + Σ_{i : z_il = v} (x_i − dec(z_i)) / (n_v + m)

    The assignments are kept: no item moves by it, code numbers keep their meaning, and a code without items stays where it was.
    Which Semantic IDs are no longer near enough is for ``assign`` to say.

    Args:
        codebook: the codes until now.
        embeddings: EMBEDDINGS as they are tonight, of any model of the same width and meaning; items without signal are left out.
        open_rows: SID_HISTORY, the open rows under this numbering.

    Returns:
        A codebook of the same numbering, for the model of ``embeddings``.

    Raises:
        ContractError: a broken contract, vectors of another width, or no item with a Semantic ID and a vector.
    """
    held = check(open_rows, SID_HISTORY, "refresh").select("item_id", "tokens")
    rows = sorted_embeddings(embeddings, "refresh").filter("has_signal").join(held, on="item_id", maintain_order="left")
    vectors = matrix(rows, "refresh")
    if rows.is_empty() or vectors.shape[1] != codebook.width:
        raise ContractError(
            f"refresh: {rows.height} items with a Semantic ID have vectors {vectors.shape[1]} long, expected some of {codebook.width}; "
            "learn anew with: hsrl refresh --rebuild"
        )
    tokens = rows["tokens"].explode().to_numpy().reshape(rows.height, codebook.n_levels)
    left, levels = vectors.astype(np.float64) - codebook.decode(tokens), list[npt.NDArray[np.float32]]()
    for level, codes in enumerate(codebook.centroids):
        # a level of zeros is the suffix that only tells items apart
        step = _step(left, tokens[:, level], len(codes)) if codes.any() else np.zeros(codes.shape)
        levels.append((codes + step).astype(np.float32))
        left -= step[tokens[:, level]]
    counts = tuple(np.bincount(tokens[:, level], minlength=codes) for level, codes in enumerate(codebook.vocabulary))
    moved = replace(
        codebook,
        centroids=tuple(levels),
        n_items=counts,
        embedding_id=rows["embedding_id"][0],
        continues=codebook.numbering_id,
    )
    # of the nearest codes, as at learning: held ones that no longer fit would raise the threshold above themselves
    return replace(moved, ood_error=float(np.quantile(encode(vectors, moved).recon_error, OOD_QUANTILE)))


def _step(left: npt.NDArray[np.float64], tokens: npt.NDArray[np.uint16], n_codes: int) -> npt.NDArray[np.float64]:
    """(V, d): how far each code has to go."""
    holds = sparse.csr_matrix((np.ones(len(tokens)), (tokens, np.arange(len(tokens)))), shape=(n_codes, len(tokens)))
    return np.asarray((holds @ left) / (np.bincount(tokens, minlength=n_codes)[:, None] + PRIOR_ITEMS))
