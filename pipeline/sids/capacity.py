"""Semantic IDs with a capacity: items beyond it take the best free one (docs/tokenizer.md, collisions)."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, fields

import numpy as np
import numpy.typing as npt

from pipeline.errors import ContractError
from pipeline.sids.beam import nearest_sids
from pipeline.sids.codebook import Codebook
from pipeline.sids.encode import encode
from pipeline.sids.names import sid_keys
from pipeline.sids.vectors import distinct_rows

FULL, TOO_FAR = "no free Semantic ID", "no free Semantic ID within sids.max_error_ratio"
_WIDER = 4  # times the width of the search before, where that found nothing free
Keys = npt.NDArray[np.uint64]
Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class CapacityRules:
    """The rules of a mode in which a Semantic ID holds only so many items.

    Attributes:
        capacity: items that may share a Semantic ID; 1 makes them unique.
        n_locked: leading levels that keep their nearest code, however many items it has.
        max_error_ratio: an item gets no Semantic ID whose error is more than this many times that of its nearest; None: any.
        beam_width: prefixes carried on by the search for free ones; widened until a free one is found.
        name: what ``assigned_by`` says of an item that is not at its nearest.
    """

    capacity: int = 1
    n_locked: int = 0
    max_error_ratio: float | None = None
    beam_width: int = 16
    name: str = "beam"


@dataclass(frozen=True)
class Seekers:
    """n items that look for a Semantic ID.

    Attributes:
        vectors: (n, d) float32.
        hashes: (n,) uint64, decides between equals.
        greedy: (n, L) uint16, the nearest code of every level.
        errors: (n,) float32, ‖x − dec(greedy)‖².
        needs: (n,) whether the item has no Semantic ID yet. The others only look for a better one, and their own counts as taken:
            where free Semantic IDs are too few for all, the items that need one go first.
    """

    vectors: npt.NDArray[np.float32]
    hashes: npt.NDArray[np.uint64]
    greedy: npt.NDArray[np.uint16]
    errors: npt.NDArray[np.float32]
    needs: Flags

    @classmethod
    def all_new(cls, vectors: npt.NDArray[np.float32], hashes: npt.NDArray[np.uint64], codebook: Codebook) -> "Seekers":
        """Items none of which has a Semantic ID yet."""
        return cls(vectors, hashes, *encode(vectors, codebook), np.ones(len(vectors), dtype=bool))

    def select(self, rows: Flags) -> "Seekers":
        """Some of them, in their order."""
        return Seekers(*(getattr(self, field.name)[rows] for field in fields(self)))


@dataclass(frozen=True)
class Assignment:
    """The Semantic IDs that n items found.

    Attributes:
        tokens: (n, L); the nearest ones where nothing was free.
        is_assigned: (n,).
        reasons: (n,) FULL or TOO_FAR where nothing was free, else empty.
    """

    tokens: npt.NDArray[np.uint16]
    is_assigned: Flags
    reasons: npt.NDArray[np.str_]


class FreeSlots:
    """How many items a Semantic ID may still take."""

    def __init__(self, taken: Keys, capacity: int) -> None:
        """Count the items of every Semantic ID; ``taken`` holds the key of every item that has its Semantic ID already."""
        self.capacity = capacity
        self.keys, self.counts = np.unique(taken, return_counts=True)
        self.given: dict[int, int] = {}

    def free(self, keys: Keys) -> npt.NDArray[np.int64]:
        """Free slots of each key, those of ``given`` not taken off."""
        counts = np.zeros(keys.shape, dtype=np.int64)
        if len(self.keys):
            at = np.minimum(np.searchsorted(self.keys, keys), len(self.keys) - 1)
            counts = np.where(self.keys[at] == keys, self.counts[at], 0)
        return np.maximum(self.capacity - counts, 0)

    def take(self, key: int, free: int, wanted: int) -> int:
        """Give up to ``wanted`` of the ``free`` slots of a key; how many were given."""
        given = self.given.get(key, 0)
        granted = min(free - given, wanted)
        if granted > 0:
            self.given[key] = given + granted
        return max(granted, 0)


def assign_free_sids(seekers: Seekers, codebook: Codebook, taken: Keys, rules: CapacityRules) -> Assignment:
    """Give each item the best Semantic ID that is free.

    First each nearest Semantic ID takes in the items that are nearest to it, then by a fixed hash. Those left over compete for the
    free ones that a beam search over all unlocked levels finds, the cheapest pair of item and Semantic ID first, exact twins as one
    group; an item that finds none searches wider, until the whole space was seen.

    Args:
        seekers: the items.
        codebook: the frozen codes.
        taken: the key of every other item's Semantic ID, and of those that ``seekers`` hold; one entry for each item.
        rules: capacity, locked levels, limits.

    Raises:
        ContractError: more items than Semantic IDs can hold, in all or below a locked prefix.
    """
    needs = seekers.needs
    require_capacity(seekers.greedy[needs], taken, codebook, rules)
    found = _assign_all(seekers, codebook, taken, rules)
    if needs.all() or found.is_assigned[needs].all():
        return found
    for rows in (needs, ~needs):
        own = _assign_all(seekers.select(rows), codebook, taken, rules)
        found.tokens[rows], found.is_assigned[rows] = own.tokens, own.is_assigned
        found.reasons[rows] = own.reasons
        taken = np.concatenate([taken, sid_keys(own.tokens[own.is_assigned], codebook.vocabulary)])
    return found


def _assign_all(seekers: Seekers, codebook: Codebook, taken: Keys, rules: CapacityRules) -> Assignment:
    slots = FreeSlots(taken, rules.capacity)
    tokens, is_assigned = seekers.greedy.copy(), _at_nearest(seekers, codebook, slots)
    reasons = np.full(len(tokens), "", dtype=object)
    for row, found, reason in _compete(seekers, ~is_assigned, codebook, slots, rules):
        is_assigned[row] = found is not None
        reasons[row] = reason
        if found is not None:
            tokens[row] = found
    return Assignment(tokens, is_assigned, reasons.astype(f"U{max(len(FULL), len(TOO_FAR))}"))


def require_capacity(greedy: npt.NDArray[np.uint16], taken: Keys, codebook: Codebook, rules: CapacityRules) -> None:
    """Refuse by pigeonhole what cannot be assigned.

    Raises:
        ContractError: how many items, how many fit, and below which prefixes.
    """
    below = math.prod(codebook.vocabulary[rules.n_locked :])
    prefixes = np.concatenate([sid_keys(greedy, codebook.vocabulary), taken]) // np.uint64(below)
    counts = np.unique(prefixes, return_counts=True)[1]
    n_slots = below * rules.capacity
    if n_over := int((counts > n_slots).sum()):
        where = (
            f"{n_over} of {len(counts)} prefixes of {rules.n_locked} locked levels hold"
            if rules.n_locked
            else "the catalogue has"
        )
        raise ContractError(
            f"SIDs: {where} more items ({counts.max()}) than the {n_slots} places below; raise sids.capacity, sids.suffix_codes or "
            "sids.vocabulary, or lower sids.locked_levels or, as removed items keep their places, sids.tombstone_nights, then: "
            "hsrl refresh --rebuild"
        )


def _at_nearest(seekers: Seekers, codebook: Codebook, slots: FreeSlots) -> Flags:
    """Which items find a free slot in their nearest Semantic ID."""
    keys = sid_keys(seekers.greedy, codebook.vocabulary)
    order = np.lexsort((seekers.hashes, seekers.errors, keys))
    distinct, first, counts = np.unique(keys[order], return_index=True, return_counts=True)
    rank = np.arange(len(keys)) - np.repeat(first, counts)
    free = slots.free(distinct)
    stays = np.empty(len(keys), dtype=bool)
    stays[order] = rank < np.repeat(free, counts)
    granted = np.minimum(free, counts)
    slots.given.update(zip(distinct.tolist(), granted.tolist(), strict=True))
    return stays


def _compete(
    seekers: Seekers, is_left: Flags, codebook: Codebook, slots: FreeSlots, rules: CapacityRules
) -> Iterator[tuple[int, npt.NDArray[np.uint16] | None, str]]:
    """Yield (row, tokens or None, reason) for every row that ``is_left``."""
    vectors, hashes, errors = seekers.vectors, seekers.hashes, seekers.errors
    left = np.flatnonzero(is_left)
    left = left[np.argsort(hashes[left], kind="stable")]
    first, group = distinct_rows(vectors[left])
    queues = _grouped(left, group)
    heads = left[first]
    limits = (
        np.full(len(heads), np.inf) if rules.max_error_ratio is None else rules.max_error_ratio * errors[heads].astype(np.float64)
    )
    space = math.prod(codebook.vocabulary[rules.n_locked :])
    width, searching = min(rules.beam_width, space), np.arange(len(heads))
    while len(searching):
        rows = heads[searching]
        found = nearest_sids(vectors[rows], seekers.greedy[rows, : rules.n_locked], codebook, width)
        n, n_found = found.errors.shape
        keys = sid_keys(found.tokens.reshape(n * n_found, -1), codebook.vocabulary)
        free, costs = slots.free(keys), found.errors.ravel()
        near = (costs <= np.repeat(limits[searching], n_found)) & (free > 0)
        order = np.flatnonzero(near)
        order = order[np.lexsort((keys[order], hashes[np.repeat(rows, n_found)[order]], costs[order]))]
        for pair in order.tolist():
            queue = queues[searching[pair // n_found]]
            if queue:
                for _ in range(slots.take(int(keys[pair]), int(free[pair]), len(queue))):
                    yield queue.pop(0), found.tokens[pair // n_found, pair % n_found], ""
        is_far = found.errors[:, -1] > limits[searching]
        for number, far in zip(searching.tolist(), is_far.tolist(), strict=True):
            if far or n_found >= space:
                for row in queues[number]:
                    yield row, None, TOO_FAR if far else FULL
                queues[number] = []
        searching = np.array([number for number in searching.tolist() if queues[number]], dtype=np.int64)
        width = min(width * _WIDER, space)


def _grouped(rows: npt.NDArray[np.int64], group: npt.NDArray[np.int64]) -> list[list[int]]:
    """The rows of each group, in their order."""
    order = np.argsort(group, kind="stable")
    cuts = np.flatnonzero(np.diff(group[order])) + 1
    return [part.tolist() for part in np.split(rows[order], cuts)]
