"""Semantic IDs with a capacity: items beyond it take the best free one (DESIGN §6, collisions)."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pipeline.errors import ContractError
from pipeline.sids.beam import nearest_sids
from pipeline.sids.codebook import Codebook
from pipeline.sids.encode import encode
from pipeline.sids.names import sid_keys
from pipeline.sids.vectors import distinct_rows

FULL, TOO_FAR = "no free Semantic ID", "no free Semantic ID within sids.max_error_ratio"
_WIDER = 4
Keys = npt.NDArray[np.uint64]


@dataclass(frozen=True)
class CapacityRules:
    """The rules of a mode in which a Semantic ID holds only so many items.

    Attributes:
        capacity: items that may share a Semantic ID; 1 makes them unique.
        n_locked: leading levels that keep their nearest code, whatever the crowd.
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
class Placement:
    """Where n items went.

    Attributes:
        tokens: (n, L); the nearest ones where nothing was found.
        is_placed: (n,).
        reasons: (n,) FULL or TOO_FAR where not placed, else empty.
    """

    tokens: npt.NDArray[np.uint16]
    is_placed: npt.NDArray[np.bool_]
    reasons: npt.NDArray[np.str_]


class FreeSlots:
    """How many items a Semantic ID may still take."""

    def __init__(self, taken: Keys, capacity: int) -> None:
        """``taken``: the key of every item that has its Semantic ID already."""
        self.capacity = capacity
        self.keys, self.counts = np.unique(taken, return_counts=True)
        self.given: dict[int, int] = {}

    def free(self, keys: Keys) -> npt.NDArray[np.int64]:
        """Free places of each key, without those given since the room was made."""
        counts = np.zeros(keys.shape, dtype=np.int64)
        if len(self.keys):
            places = np.minimum(np.searchsorted(self.keys, keys), len(self.keys) - 1)
            counts = np.where(self.keys[places] == keys, self.counts[places], 0)
        return np.maximum(self.capacity - counts, 0)

    def take(self, key: int, free: int, wanted: int) -> int:
        """Give up to ``wanted`` of the ``free`` places of a key; how many were given."""
        given = self.given.get(key, 0)
        granted = min(free - given, wanted)
        if granted > 0:
            self.given[key] = given + granted
        return max(granted, 0)


def place(
    vectors: npt.NDArray[np.float32],
    hashes: npt.NDArray[np.uint64],
    codebook: Codebook,
    taken: Keys,
    rules: CapacityRules,
    needs: npt.NDArray[np.bool_] | None = None,
) -> Placement:
    """Give each item the best Semantic ID that is free.

    First each nearest Semantic ID takes in who is nearest to it, then by a fixed hash. Those left over compete for the free ones
    that a beam search over all unlocked levels finds, the cheapest pair of item and Semantic ID first, exact twins as one group;
    who finds none searches wider, until the whole space was seen.

    Args:
        vectors: (n, d) of the items to place.
        hashes: (n,) decides between equals.
        codebook: the frozen codes.
        taken: the key of every other item's Semantic ID, once an item.
        rules: capacity, locked levels, limits.
        needs: (n,) who has no place yet; None: all. The others only look for a better one, and their own is in ``taken``: where places
            are too few for all, those who need one go first.

    Raises:
        ContractError: more items than places, in all or below a locked prefix.
    """
    greedy, errors = encode(vectors, codebook)
    needy = np.ones(len(vectors), dtype=bool) if needs is None else needs
    require_room(greedy[needy], taken, codebook, rules)
    found = _place_all(vectors, hashes, greedy, errors, codebook, taken, rules)
    if needy.all() or found.is_placed[needy].all():
        return found
    for rows in (needy, ~needy):
        own = _place_all(vectors[rows], hashes[rows], greedy[rows], errors[rows], codebook, taken, rules)
        found.tokens[rows], found.is_placed[rows] = own.tokens, own.is_placed
        found.reasons[rows] = own.reasons
        taken = np.concatenate([taken, sid_keys(own.tokens[own.is_placed], codebook.vocabulary)])
    return found


def _place_all(
    vectors: npt.NDArray[np.float32],
    hashes: npt.NDArray[np.uint64],
    greedy: npt.NDArray[np.uint16],
    errors: npt.NDArray[np.float32],
    codebook: Codebook,
    taken: Keys,
    rules: CapacityRules,
) -> Placement:
    room = FreeSlots(taken, rules.capacity)
    tokens, is_placed = greedy.copy(), _at_nearest(sid_keys(greedy, codebook.vocabulary), errors, hashes, room)
    reasons = np.full(len(vectors), "", dtype=object)
    for member, found, reason in _compete(vectors, hashes, greedy, errors, ~is_placed, codebook, room, rules):
        is_placed[member] = found is not None
        reasons[member] = reason
        if found is not None:
            tokens[member] = found
    return Placement(tokens, is_placed, reasons.astype(f"U{max(len(FULL), len(TOO_FAR))}"))


def require_room(greedy: npt.NDArray[np.uint16], taken: Keys, codebook: Codebook, rules: CapacityRules) -> None:
    """Refuse by pigeonhole what cannot be placed.

    Raises:
        ContractError: how many items, how many places, and where.
    """
    below = math.prod(codebook.vocabulary[rules.n_locked :])
    prefixes = np.concatenate([sid_keys(greedy, codebook.vocabulary), taken]) // np.uint64(below)
    counts = np.unique(prefixes, return_counts=True)[1]
    places = below * rules.capacity
    if n_over := int((counts > places).sum()):
        where = (
            f"{n_over} of {len(counts)} prefixes of {rules.n_locked} locked levels hold"
            if rules.n_locked
            else "the catalogue has"
        )
        raise ContractError(
            f"SIDs: {where} more items ({counts.max()}) than the {places} places below; raise sids.capacity, sids.suffix_codes or "
            "sids.vocabulary, or lower sids.locked_levels or, as removed items keep their places, sids.tombstone_nights, then: "
            "hsrl refresh --rebuild"
        )


def _at_nearest(
    keys: Keys, errors: npt.NDArray[np.float32], hashes: npt.NDArray[np.uint64], room: FreeSlots
) -> npt.NDArray[np.bool_]:
    """Who finds a place in its nearest Semantic ID."""
    order = np.lexsort((hashes, errors, keys))
    distinct, first, counts = np.unique(keys[order], return_index=True, return_counts=True)
    rank = np.arange(len(keys)) - np.repeat(first, counts)
    free = room.free(distinct)
    stays = np.empty(len(keys), dtype=bool)
    stays[order] = rank < np.repeat(free, counts)
    granted = np.minimum(free, counts)
    room.given.update(zip(distinct.tolist(), granted.tolist(), strict=True))
    return stays


def _compete(
    vectors: npt.NDArray[np.float32],
    hashes: npt.NDArray[np.uint64],
    greedy: npt.NDArray[np.uint16],
    errors: npt.NDArray[np.float32],
    is_left: npt.NDArray[np.bool_],
    codebook: Codebook,
    room: FreeSlots,
    rules: CapacityRules,
) -> Iterator[tuple[int, npt.NDArray[np.uint16] | None, str]]:
    """Yield (row, tokens or None, reason) for every row that ``is_left``."""
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
        found = nearest_sids(vectors[rows], greedy[rows, : rules.n_locked], codebook, width)
        n, n_found = found.errors.shape
        keys = sid_keys(found.tokens.reshape(n * n_found, -1), codebook.vocabulary)
        free, costs = room.free(keys), found.errors.ravel()
        near = (costs <= np.repeat(limits[searching], n_found)) & (free > 0)
        order = np.flatnonzero(near)
        order = order[np.lexsort((keys[order], hashes[np.repeat(rows, n_found)[order]], costs[order]))]
        for pair in order.tolist():
            queue = queues[searching[pair // n_found]]
            if queue:
                for _ in range(room.take(int(keys[pair]), int(free[pair]), len(queue))):
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
