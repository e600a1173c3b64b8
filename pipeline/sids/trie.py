"""The prefix tree of Semantic IDs in a few arrays: which tokens may follow, which items lie behind, the best leaves of a policy."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from pipeline.errors import ContractError
from pipeline.sids.mapping import offsets

Ints = npt.NDArray[np.int64]
_GONE = -1  # a prefix that no item has


class Leaves(NamedTuple):
    """Complete Semantic IDs of one user, best first.

    Attributes:
        leaves: (n,) numbers in [0, n_leaves), in the order of the Semantic IDs.
        scores: (n,) float32, Σ_l of the tokens' scores.
    """

    leaves: Ints
    scores: npt.NDArray[np.float32]


@dataclass(frozen=True)
class Trie:
    """Nodes are numbered level by level and within a level in the order of their prefixes; 0 is the root.

    Attributes:
        vocabulary: V_l of the L levels.
        token: (nodes,) uint16, the last token of each node's prefix; 0 for the root.
        first_child: (nodes + 1,) int64: the children of node i are first_child[i] … first_child[i + 1] − 1, by token.
        level_start: (L + 2,) int64: the nodes of depth l are level_start[l] … level_start[l + 1] − 1.
        item_start: (leaves + 1,) int64: the rows behind leaf j are item_rows[item_start[j] : item_start[j + 1]].
        item_rows: (n,) int64, rows of the table that the tree was built of, in slot order behind each leaf.
    """

    vocabulary: tuple[int, ...]
    token: npt.NDArray[np.uint16]
    first_child: Ints
    level_start: Ints
    item_start: Ints
    item_rows: Ints

    @classmethod
    def of(cls, tokens: npt.NDArray[np.uint16], slots: npt.NDArray[np.uint32], vocabulary: tuple[int, ...]) -> "Trie":
        """Build the tree of n items.

        Args:
            tokens: (n, L), tokens[:, l] in [0, V_l).
            slots: (n,) rank of each item inside its Semantic ID.
            vocabulary: V_l.
        """
        order = np.lexsort((slots, *tokens.T[::-1])).astype(np.int64)
        ordered, n = tokens[order], len(tokens)
        node = np.zeros(n, dtype=np.int64)  # number of each row's prefix within its level
        token, sizes, children = [np.zeros(1, np.uint16)], [1], []
        for level in range(len(vocabulary)):
            is_first = np.ones(n, dtype=bool)
            is_first[1:] = (node[1:] != node[:-1]) | (ordered[1:, level] != ordered[:-1, level])
            children.append(np.bincount(node[is_first], minlength=sizes[-1]))
            token.append(ordered[is_first, level])
            node = np.cumsum(is_first) - 1
            sizes.append(int(is_first.sum()))
        children.append(np.zeros(sizes[-1], dtype=np.int64))
        first_child = np.concatenate([[1], 1 + np.cumsum(np.concatenate(children))]).astype(np.int64)
        behind = np.bincount(node, minlength=sizes[-1]) if n else np.zeros(0, dtype=np.int64)
        return cls(
            vocabulary,
            np.concatenate(token).astype(np.uint16),
            first_child,
            np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64),
            np.concatenate([[0], np.cumsum(behind)]).astype(np.int64),
            order,
        )

    @property
    def n_leaves(self) -> int:
        """How many different Semantic IDs there are."""
        return len(self.item_start) - 1

    def nodes(self, prefixes: npt.NDArray[np.integer]) -> Ints:
        """The node of each prefix; −1 where no item has it.

        Args:
            prefixes: (b, p) tokens, p in [0, L].

        Raises:
            ContractError: longer than a Semantic ID, or no table of whole numbers.
        """
        if prefixes.ndim != 2 or prefixes.shape[1] > len(self.vocabulary) or (prefixes.size and prefixes.dtype.kind not in "iu"):
            raise ContractError(
                f"trie: prefixes of shape {prefixes.shape} and {prefixes.dtype}, expected whole numbers (b, p) with p ≤ {len(self.vocabulary)}"
            )
        found = np.zeros(len(prefixes), dtype=np.int64)
        for level in range(prefixes.shape[1]):
            codes, wanted = self.vocabulary[level], prefixes[:, level]
            is_code = (wanted >= 0) & (wanted < codes)
            start, end = self.level_start[level + 1 : level + 3]
            parents = np.repeat(
                np.arange(self.level_start[level], start), np.diff(self.first_child[self.level_start[level] : start + 1])
            )
            keys = parents * codes + self.token[start:end]
            wanted_keys = found * codes + np.where(is_code, wanted, 0).astype(np.int64)
            at = np.searchsorted(keys, wanted_keys)
            hit = (found != _GONE) & is_code
            if len(keys):
                hit &= keys[np.minimum(at, len(keys) - 1)] == wanted_keys
            else:
                hit[:] = False
            found = np.where(hit, start + at, _GONE)
        return found

    def mask(self, prefixes: npt.NDArray[np.integer]) -> npt.NDArray[np.bool_]:
        """Which tokens of the next level lead on to an item: what a decoder may emit.

        Args:
            prefixes: (b, p) tokens, p in [0, L).

        Returns:
            (b, V_(p+1)); nothing is allowed after a prefix that no item has.

        Raises:
            ContractError: nothing can follow prefixes of this length.
        """
        if prefixes.ndim != 2 or prefixes.shape[1] >= len(self.vocabulary):
            raise ContractError(f"trie: prefixes of shape {prefixes.shape}, expected (b, p) with p < {len(self.vocabulary)}")
        nodes = self.nodes(prefixes)
        allowed = np.zeros((len(nodes), self.vocabulary[prefixes.shape[1]]), dtype=bool)
        rows, children = self._children(np.maximum(nodes, 0), nodes != _GONE)
        allowed[rows, self.token[children]] = True
        return allowed

    def items(self, leaf: int) -> Ints:
        """Rows of the table behind a leaf, in slot order."""
        return self.item_rows[self.item_start[leaf] : self.item_start[leaf + 1]]

    def best(self, scores: npt.NDArray[np.float32], n: int) -> Leaves:
        """The n leaves whose tokens have the highest sum of scores, found by a beam over the levels.

        The beam holds n prefixes; where a prefix that it left out could still lead to a better leaf it is widened and the search
        begins again, so that the answer is that of looking at every leaf.

        Args:
            scores: (Σ V_l,) of one user, the levels side by side, such as the log-probabilities of HSRL eq. 11.
            n: fewer come where there are fewer.
        """
        starts, n = offsets(self.vocabulary), min(n, self.n_leaves)
        levels = [scores[start : start + codes] for start, codes in zip(starts, self.vocabulary, strict=True)]
        most = np.array([level.max() for level in levels], dtype=np.float32)
        width = max(n, 1)
        while True:
            found, left_out = self._beam(levels, most, width)
            best = np.argsort(-found.scores, kind="stable")[:n]
            answer = Leaves(found.leaves[best], found.scores[best])
            if len(best) == n and (not n or left_out < answer.scores[-1]):
                return answer
            if width >= self.n_leaves:
                return answer
            width *= 4

    def _beam(self, levels: Sequence[npt.NDArray[np.float32]], most: npt.NDArray[np.float32], width: int) -> tuple[Leaves, float]:
        """The leaves below the best ``width`` prefixes of each level, and what a leaf below any other could reach at most."""
        nodes, total = np.zeros(1, dtype=np.int64), np.zeros(1, dtype=np.float32)
        left_out = -np.inf
        for level, of_token in enumerate(levels):
            rows, children = self._children(nodes, np.ones(len(nodes), dtype=bool))
            total = total[rows] + of_token[self.token[children]]
            nodes = children
            if len(nodes) > width:
                kept = np.argpartition(-total, width - 1)
                # rounding of the sums below the bound must not hide a leaf
                left_out = max(left_out, float(total[kept[width:]].max() + most[level + 1 :].sum()) + 1e-4)
                kept = np.sort(kept[:width])
                nodes, total = nodes[kept], total[kept]
        return Leaves(nodes - self.level_start[-2], total), left_out

    def _children(self, nodes: Ints, is_asked: npt.NDArray[np.bool_]) -> tuple[Ints, Ints]:
        """The children of some nodes one after another, and which of the nodes each belongs to."""
        counts = np.where(is_asked, self.first_child[nodes + 1] - self.first_child[nodes], 0)
        rows = np.repeat(np.arange(len(nodes)), counts)
        within = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
        return rows, self.first_child[nodes][rows] + within
