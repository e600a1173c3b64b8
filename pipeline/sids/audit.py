"""Figures of Semantic IDs of any origin, and how two mappings of the same items differ; docs/metrics.md has every formula."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.optimize import linear_sum_assignment
from threadpoolctl import threadpool_limits

from pipeline.errors import ContractError
from pipeline.sids.any_mapping import AnyMapping
from pipeline.sids.figures import NEIGHBOURS, QUERIES, SAMPLE_ROWS, entropy_bits

Ints = npt.NDArray[np.int64]
_MOST_CELLS = 25_000_000  # of a table of old codes by new ones, 200 MB


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


def shares_of_pairs(mapping: AnyMapping, left: Ints, right: Ints) -> list[Share]:
    """By level, how often the two ends of a pair share their prefix, against chance.

        by chance = (Σ_prefix p(prefix) q(prefix) − Σ_item p(item) q(item)) / (1 − Σ_item p(item) q(item))

    with p and q the shares of the left and the right ends.

    Args:
        mapping: n items.
        left: (m,) rows of ``mapping``.
        right: (m,) rows, nowhere that of ``left``.
    """
    n, m = len(mapping.items), max(len(left), 1)
    of_left, of_right = np.bincount(left, minlength=n) / m, np.bincount(right, minlength=n) / m
    same_item = float(of_left @ of_right)
    shares = []
    for prefix in mapping.prefixes():
        at_left, at_right = np.bincount(prefix, of_left), np.bincount(prefix, of_right)
        chance = (float(at_left @ at_right) - same_item) / (1 - same_item) if same_item < 1 else 0.0
        shares.append(Share(float((prefix[left] == prefix[right]).mean()) if len(left) else 0.0, max(chance, 0.0)))
    return shares


def neighbour_pairs(vectors: npt.NDArray[np.float32]) -> tuple[Ints, Ints]:
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
    with threadpool_limits(limits=1):
        likeness = unit[queries] @ unit.T
    likeness[queries, queries] = -np.inf
    nearest = np.argpartition(-likeness, NEIGHBOURS - 1, axis=1)[:, :NEIGHBOURS]
    return np.repeat(queries, NEIGHBOURS), nearest.ravel().astype(np.int64)


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
