"""Figures of Semantic IDs of any origin, and how two mappings of the same items differ; docs/metrics.md has every formula."""

from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.optimize import linear_sum_assignment

from pipeline.errors import ContractError
from pipeline.sids.any_mapping import AnyMapping
from pipeline.sids.figures import entropy_bits

Ints = npt.NDArray[np.int64]
_MOST_CELLS = 25_000_000  # of a table of old codes by new ones, 200 MB


def collisions(mapping: AnyMapping) -> dict[str, Any]:
    """How many items share their Semantic ID, the largest bucket, and by level the codes in use, their entropy and the prefixes."""
    prefixes = mapping.prefixes()
    sizes = np.bincount(prefixes[-1])
    levels = []
    for number, (codes, prefix) in enumerate(zip(mapping.tokens.T, prefixes, strict=True), start=1):
        _, counts = np.unique(codes, return_counts=True)
        bits = entropy_bits(counts / counts.sum())
        levels.append(
            {
                "level": number,
                "codes_used": len(counts),
                "largest_token": int(codes.max()),
                "entropy_bits": round(bits, 4),
                "entropy_share": round(bits / np.log2(len(counts)), 4) if len(counts) > 1 else None,
                "prefixes": int(prefix.max()) + 1,
                "largest_prefix": int(np.bincount(prefix).max()),
            }
        )
    return {
        "items": len(mapping.items),
        "sids": len(sizes),
        "shared_items": int(sizes[sizes > 1].sum()),
        "shared_items_share": round(float(sizes[sizes > 1].sum()) / len(mapping.items), 6),
        "largest_bucket": int(sizes.max()),
        "levels": levels,
    }


def churn(before: AnyMapping, after: AnyMapping) -> dict[str, Any]:
    """What two mappings have in common: by level the share of items with the same prefix, as numbered and after new codes took old numbers.

    Aligned: at level 1 each new code takes the number of an old one so that as many items as possible keep theirs (Hungarian method);
    below, the same within each pair of prefixes that stand for one another.

    Raises:
        ContractError: no item is in both, another number of levels, or too many codes for the alignment.
    """
    row_of = {item: row for row, item in enumerate(after.items)}
    rows = [(row, row_of[item]) for row, item in enumerate(before.items) if item in row_of]
    if not rows:
        raise ContractError(
            f"audit: no item of {before.where} is in {after.where}, expected some; are the ids those of one catalogue?"
        )
    if before.tokens.shape[1] != after.tokens.shape[1]:
        raise ContractError(
            f"audit: {before.where} has {before.tokens.shape[1]} levels and {after.where} {after.tokens.shape[1]}, expected as many in both"
        )
    at = np.array(rows, dtype=np.int64)
    old, new = before.tokens[at[:, 0]], after.tokens[at[:, 1]]
    plain = np.logical_and.accumulate(old == new, axis=1).mean(axis=0)
    aligned = _aligned(old, new)
    return {
        "items_in_both": len(rows),
        "only_in_first": len(before.items) - len(rows),
        "only_in_second": len(after.items) - len(rows),
        "kept_by_level": [round(float(share), 6) for share in plain],
        "kept_aligned_by_level": [round(float(share), 6) for share in aligned.mean(axis=0)],
        "churn": round(1 - float(plain[-1]), 6),
        "churn_aligned": round(1 - float(aligned[:, -1].mean()), 6),
    }


def _aligned(old: Ints, new: Ints) -> npt.NDArray[np.bool_]:
    """(n, L): whether each item keeps its prefix when the new codes are numbered like the old ones."""
    n, n_levels = old.shape
    kept = np.zeros((n, n_levels), dtype=bool)
    group = np.zeros(n, dtype=np.int64)  # of the items whose prefix was kept so far: their prefix; −1 for the others
    for level in range(n_levels):
        inside = np.flatnonzero(group >= 0)
        inside = inside[np.argsort(group[inside], kind="stable")]
        starts = np.flatnonzero(np.diff(group[inside], prepend=-1))
        next_group = np.full(n, -1, dtype=np.int64)
        n_groups = 0
        for members in np.split(inside, starts[1:]) if len(inside) else ():
            matched, number = _matched(old[members, level], new[members, level])
            kept[members[matched], level] = True
            next_group[members[matched]] = n_groups + number[matched]
            n_groups += int(number.max(initial=-1)) + 1
        group = next_group
    return kept


def _matched(old: Ints, new: Ints) -> tuple[npt.NDArray[np.bool_], Ints]:
    """Which items lie in a matched pair of codes, and the number of their old code in [0, old codes)."""
    _, a = np.unique(old, return_inverse=True)
    _, b = np.unique(new, return_inverse=True)
    n_old, n_new = int(a.max()) + 1, int(b.max()) + 1
    if n_old * n_new > _MOST_CELLS:
        raise ContractError(
            f"audit: {n_old:,} codes by {n_new:,} in a level are too many to align, expected a product of {_MOST_CELLS:,} at most; "
            "compare mappings of fewer codes a level"
        )
    counts = np.bincount(a * n_new + b, minlength=n_old * n_new).reshape(n_old, n_new)
    partner = np.full(n_old, -1, dtype=np.int64)
    taken, given = linear_sum_assignment(counts, maximize=True)
    partner[taken] = given
    return partner[a] == b, a.astype(np.int64)
