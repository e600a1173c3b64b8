"""A rebuild's codes take old numbers, so that what was learned under the old numbers is a start under the new ones."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import polars as pl

from pipeline.contracts import open_rows
from pipeline.sids.codebook import Codebook
from pipeline.sids.encode import encode
from pipeline.sids.vectors import matrix, sorted_embeddings

Ints = npt.NDArray[np.int64]
# An item whose prefix kept its numbers counts this much more at the next level: only it can keep its whole Semantic ID.
WHOLE_PREFIX = 100.0


def old_numbers(old: npt.NDArray[np.uint16], new: npt.NDArray[np.uint16], vocabulary: Sequence[int]) -> tuple[Ints, ...]:
    """The number that each new code takes: at every level the assignment that most items agree with (Hungarian method).

        φ_l = argmax over permutations of Σ_i w_il [φ_l(new_il) = old_il],   w_il = 100 if the numbers of i above l were kept, else 1

    With all weights 1 it is the alignment of Baikalov et al. (arXiv 2604.13273), which knows no prefixes. Codes that share no item
    with an old one keep their number where it is free.

    Args:
        old: (n, L) tokens of the same items before; a number outside the vocabulary stands for no code.
        new: (n, L) tokens[:, l] in [0, V_l).
        vocabulary: V_l.

    Returns:
        Per level (V_l,), a permutation: the new number of each code.
    """
    from scipy.optimize import linear_sum_assignment  # it takes long to import, and few nights align

    numbers, whole = [], np.ones(len(new), dtype=bool)
    for level, codes in enumerate(vocabulary):
        before, after = old[:, level].astype(np.int64), new[:, level].astype(np.int64)
        known = before < codes
        weights = np.where(whole, WHOLE_PREFIX if level else 1.0, 1.0)[known]
        cells = np.bincount(after[known] * codes + before[known], weights, codes * codes).reshape(codes, codes)
        # Where items do not mind, a code stays where it is: the same codes again are renumbered nowhere.
        own = np.eye(codes) * (0.5 / codes)
        numbers.append(linear_sum_assignment(cells + own, maximize=True)[1].astype(np.int64))
        whole &= numbers[-1][after] == before
    return tuple(numbers)


def renumbered(codebook: Codebook, numbers: Sequence[Ints]) -> Codebook:
    """The same codes under other numbers; ``numbers``: per level (V_l,), a permutation."""
    order = [np.argsort(level) for level in numbers]
    return replace(
        codebook,
        centroids=tuple(codes[places] for codes, places in zip(codebook.centroids, order, strict=True)),
        n_items=tuple(counts[places] for counts, places in zip(codebook.n_items, order, strict=True)),
    )


def aligned_with_history(
    codebook: Codebook, embeddings: pl.DataFrame, history: pl.DataFrame
) -> tuple[Codebook, dict[str, float]]:
    """Number a codebook that was just learned like the Semantic IDs that it replaces, as far as items agree.

    Args:
        codebook: as it was learned.
        embeddings: EMBEDDINGS of its model, tonight's.
        history: SID_HISTORY until now.

    Returns:
        The codebook under its new numbers, and ``kept_numbers_unaligned_share``: the share of the items with an old Semantic ID that
        the numbers as learned would have left with all their tokens. As it was, with no figure, where no open Semantic ID has as many
        levels.
    """
    before = open_rows(history).filter(pl.col("tokens").list.len() == codebook.n_levels).unique("item_id", keep="none")
    rows = sorted_embeddings(embeddings, "alignment").join(
        before.select("item_id", "tokens"), on="item_id", maintain_order="left"
    )
    if rows.is_empty():
        return codebook, {}
    new = encode(matrix(rows, "alignment"), codebook).tokens
    old = rows["tokens"].explode().to_numpy().reshape(new.shape)
    numbers = [
        # a level of zeros tells nothing: its numbers are places
        permutation if codes.any() else np.arange(len(codes))
        for permutation, codes in zip(old_numbers(old, new, codebook.vocabulary), codebook.centroids, strict=True)
    ]
    return renumbered(codebook, numbers), {"kept_numbers_unaligned_share": float((old == new).all(axis=1).mean())}
