"""Where the item that came next stands among all items: a beam over the trie, Semantic IDs opened in their order."""

from dataclasses import dataclass

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
        item: (users,) place among all items that the user did not have.
        sid: (users,) place of the item's Semantic ID among Semantic IDs: what ``item`` would be at best if none were shared.
    """

    item: Ints
    sid: Ints

    def recall(self, k: int) -> npt.NDArray[np.float64]:
        """(users,) 1 where the item is among the first k."""
        return hits(self.item, k)

    def ndcg(self, k: int) -> npt.NDArray[np.float64]:
        """(users,) 1 / log₂(1 + place) where the item is among the first k: NDCG with a single right answer."""
        return hits(self.item, k) / np.log2(1.0 + np.maximum(self.item, 1))


def hits(places: Ints, k: int) -> npt.NDArray[np.float64]:
    """1 where a place is among the first k."""
    return ((places != NOT_FOUND) & (places <= k)).astype(np.float64)


@torch.no_grad()
def next_item_ranks(decoder: Decoder, sequences: Sequences, left_out: int, users: Ints, beam: int = BEAM) -> Ranks:
    """Place of the item that follows, for some users.

    Items of a Semantic ID take their turn by popularity, as in the product's decoding, before the next Semantic ID is opened. What the
    user had is left out. Whatever ties with the target, a Semantic ID by its score or an item by its popularity, stands before it.

    Args:
        decoder: in evaluation mode.
        sequences: the log.
        left_out: 2: the items that validate; 1: those that test.
        users: whom to rank for.
        beam: prefixes that are kept at each level.
    """
    codes, turn = decoder.codes, turns(decoder.codes)
    found = [
        _ranks(decoder, codes, turn, [sequences.of(user, left_out) for user in chunk], sequences.targets(left_out)[chunk], beam)
        for chunk in np.split(users, range(_CHUNK_USERS, len(users), _CHUNK_USERS))
    ]
    return Ranks(np.concatenate([each.item for each in found]), np.concatenate([each.sid for each in found]))


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


def _ranks(decoder: Decoder, codes: Codes, turn: Ints, had: list[Ints], wanted: Ints, beam: int) -> Ranks:
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
    own_score = np.where(is_target, scores, -np.inf).max(axis=1)
    is_before = (scores >= own_score[:, None]) & ~is_target
    popular = codes.popularity[had_items - 1] >= codes.popularity[wanted - 1][:, None]
    had_before = ((had_leaves == target_leaf[:, None]) & popular).sum(axis=1)
    item = 1 + (n_left * is_before).sum(axis=1) + turn[wanted - 1] - had_before
    sid = 1 + ((n_left > 0) & is_before).sum(axis=1)
    return Ranks(np.where(is_found, item, NOT_FOUND), np.where(is_found, sid, NOT_FOUND))


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
