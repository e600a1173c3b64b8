"""Where the item that came next stands among all items: a beam over the trie, Semantic IDs opened in their order."""

from dataclasses import dataclass, fields

import numpy as np
import numpy.typing as npt
import torch
from jaxtyping import Float
from torch import Tensor

from benchmarks.retrieval.log import Sequences
from benchmarks.retrieval.network import Codes, Decoder

BEAM = 20
_CHUNK_USERS = 256
NOT_FOUND = 0
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Ranks:
    """Of each user's next item; 1 is the first place, 0 says that the beam did not reach it.

    Attributes:
        whole: (users,) place among all items that the user did not have, every item of a Semantic ID with its whole probability.
        popularity: (users,) the same place where a Semantic ID's probability is shared among its items by popularity.
        equal: (users,) the same place where it is shared equally.
        sid: (users,) place of the item's Semantic ID among Semantic IDs: what ``whole`` would be at best if none were shared.
    """

    whole: Ints
    popularity: Ints
    equal: Ints
    sid: Ints


def recall(places: Ints, k: int) -> npt.NDArray[np.float64]:
    """(users,) 1 where the item is among the first k."""
    return ((places != NOT_FOUND) & (places <= k)).astype(np.float64)


def ndcg(places: Ints, k: int) -> npt.NDArray[np.float64]:
    """(users,) 1 / log₂(1 + place) where the item is among the first k: NDCG with a single right answer."""
    return recall(places, k) / np.log2(1.0 + np.maximum(places, 1))


@torch.no_grad()
def next_item_ranks(decoder: Decoder, sequences: Sequences, left_out: int, users: Ints, beam: int = BEAM) -> Ranks:
    """Place of the item that follows, for some users.

    The three ways of ``[learner.decoding] sid_share``. Whole: all items of a Semantic ID, the popular first, come before those of the
    next. Popularity: item i of Semantic ID z has p(z) · (1 + n_i) / Σ_{j in z} (1 + n_j), n being popularity. Equal: p(z) divided by
    the number of its items, which come one after another, the popular first. What the user had is left out. Whatever else ties with the
    target stands before it.

    Args:
        decoder: in evaluation mode.
        sequences: the log.
        left_out: 2: the items that validate; 1: those that test.
        users: whom to rank for.
        beam: prefixes that are kept at each level.
    """
    codes, inside = decoder.codes, Inside(decoder.codes)
    found = [
        _ranks(decoder, codes, inside, [sequences.of(user, left_out) for user in chunk], sequences.targets(left_out)[chunk], beam)
        for chunk in np.split(users, range(_CHUNK_USERS, len(users), _CHUNK_USERS))
    ]
    names = [field.name for field in fields(Ranks)]
    return Ranks(*(np.concatenate([getattr(each, name) for each in found]) for name in names))


class Inside:
    """What is known of the items inside their Semantic IDs.

    Attributes:
        turn: (n,) see ``turns``.
        log_share: (n + 1,) log of an item's part of its Semantic ID's probability; −∞ for number n, which is no item.
        of_leaf: (leaves, largest) the items of each Semantic ID, filled up with n.
    """

    def __init__(self, codes: Codes) -> None:
        n, sizes = len(codes.leaf), np.diff(codes.trie.item_start)
        self.turn = turns(codes)
        weight = 1.0 + codes.popularity
        self.log_share = np.append(np.log(weight / np.bincount(codes.leaf, weight)[codes.leaf]), -np.inf)
        self.of_leaf = np.full((len(sizes), sizes.max()), n)
        rank = np.arange(n) - np.repeat(codes.trie.item_start[:-1], sizes)
        self.of_leaf[np.repeat(np.arange(len(sizes)), sizes), rank] = codes.trie.item_rows


def turns(codes: Codes) -> Ints:
    """(n,) how many items of the same Semantic ID are not less popular: what stands before an item inside it."""
    order = np.lexsort((-codes.popularity, codes.leaf))
    leaf, popularity = codes.leaf[order], codes.popularity[order]
    first = np.searchsorted(leaf, leaf)
    is_last_of_ties = np.ones(len(order), dtype=bool)
    is_last_of_ties[:-1] = (leaf[1:] != leaf[:-1]) | (popularity[1:] != popularity[:-1])
    ends = np.flatnonzero(is_last_of_ties)
    before = np.empty(len(order), dtype=np.int64)
    before[order] = ends[np.searchsorted(ends, np.arange(len(order)))] - first
    return before


def _ranks(decoder: Decoder, codes: Codes, inside: Inside, had: list[Ints], wanted: Ints, beam: int) -> Ranks:
    histories = [each[-decoder.config.max_history :] for each in had]
    states = decoder.states(padded(histories))[torch.arange(len(had)), torch.tensor([len(each) - 1 for each in histories])]
    leaves, scores = best_leaves(decoder, states, beam)
    sizes = np.diff(codes.trie.item_start)
    had_items = padded(had).numpy()
    had_leaves = np.where(had_items > 0, codes.leaf[had_items - 1], -1)
    n_had = (leaves[:, :, None] == had_leaves[:, None]).sum(axis=2)
    n_left = np.where(np.isfinite(scores), sizes[leaves] - n_had, 0)
    target_leaf = codes.leaf[wanted - 1]
    is_target = (leaves == target_leaf[:, None]) & np.isfinite(scores)
    is_found = is_target.any(axis=1)
    popular = codes.popularity[had_items - 1] >= codes.popularity[wanted - 1][:, None]
    had_before = ((had_leaves == target_leaf[:, None]) & popular).sum(axis=1)
    is_before = _before(scores, is_target)
    whole = 1 + (n_left * is_before).sum(axis=1) + inside.turn[wanted - 1] - had_before
    is_before_equal = _before(scores - np.log(sizes[leaves]), is_target)
    equal = 1 + (n_left * is_before_equal).sum(axis=1) + inside.turn[wanted - 1] - had_before
    sid = 1 + ((n_left > 0) & is_before).sum(axis=1)
    own_score = np.where(is_target, scores, -np.inf).max(axis=1)
    least = (own_score + inside.log_share[wanted - 1])[:, None]
    popularity = (scores[..., None] + inside.log_share[inside.of_leaf[leaves]] >= least[..., None]).sum(axis=(1, 2))
    had_scores = np.where(leaves[:, :, None] == had_leaves[:, None], scores[..., None], -np.inf).max(axis=1)
    popularity -= ((had_scores + inside.log_share[had_items - 1] >= least) & (had_items > 0)).sum(axis=1)
    return Ranks(*(np.where(is_found, places, NOT_FOUND) for places in (whole, popularity, equal, sid)))


def _before(scores: npt.NDArray[np.floating], is_target: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """(b, w) Semantic IDs that stand before the target's, those that tie with it too."""
    own = np.where(is_target, scores, -np.inf).max(axis=1, keepdims=True)
    return (scores >= own) & ~is_target


def best_leaves(decoder: Decoder, states: Float[Tensor, "b d"], beam: int) -> tuple[Ints, npt.NDArray[np.float32]]:
    """Complete Semantic IDs by a beam: (b, w) numbers of leaves and their log-probabilities, −∞ where there were fewer; best first."""
    b, n_levels = len(states), decoder.codes.n_levels
    prefixes = torch.zeros(b, 1, 0, dtype=torch.long)
    totals = torch.zeros(b, 1)
    for level in range(n_levels):
        w = prefixes.shape[1]
        own = decoder.log_probs(states.repeat_interleave(w, dim=0), prefixes.flatten(0, 1))
        n_codes = own.shape[1]
        reached = (totals[..., None] + own.view(b, w, n_codes)).flatten(1)
        best = reached.topk(min(beam, reached.shape[1]), dim=1)
        parents = best.indices // n_codes
        kept = prefixes.gather(1, parents[..., None].expand(-1, -1, level))
        prefixes, totals = torch.cat([kept, (best.indices % n_codes)[..., None]], dim=2), best.values
    nodes = decoder.codes.trie.nodes(prefixes.flatten(0, 1).numpy()).reshape(b, -1)
    scores = totals.numpy()
    # what is not reachable has no node; its score says so already
    return np.where(np.isfinite(scores), nodes - decoder.codes.trie.level_start[-2], 0), scores


def padded(rows: list[Ints]) -> Tensor:
    """(b, h) with zeros on the right."""
    out = np.zeros((len(rows), max(map(len, rows))), dtype=np.int64)
    for row, values in zip(out, rows, strict=True):
        row[: len(values)] = values
    return torch.from_numpy(out)
