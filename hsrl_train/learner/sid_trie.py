"""The Semantic IDs of a catalogue as a prefix tree: an edge for each token that follows a prefix, and the path to every item."""

from dataclasses import dataclass, replace

import torch
from jaxtyping import Float, Int
from torch import Tensor

from hsrl_train.data.world import Catalogue
from pipeline.errors import TrainingError


@dataclass(frozen=True)
class SidTrie:
    """Edges level by level, those of one inner node side by side.

    Attributes:
        keys: a number for each edge, rising, that is the same for the same prefix in any catalogue of one vocabulary.
        n_children: edges of each inner node, in the order of the edges.
        node: the inner node that each edge leaves.
        paths: edges to each item, first level first; 0 where ``is_leaf`` is false.
        log_share: −log of how many items lie at an item's leaf.
    """

    keys: Int[Tensor, " e"]
    n_children: Int[Tensor, " inner"]
    node: Int[Tensor, " e"]
    paths: Int[Tensor, "n_plus_1 l"]
    log_share: Float[Tensor, " n_plus_1"]

    @classmethod
    def of(cls, catalogue: Catalogue) -> "SidTrie":
        """The tree of the active items, all of which have a SID; see ``with_sids``."""
        active = catalogue.is_active.nonzero()[:, 0]
        tokens = catalogue.tokens[active].long()
        prefix, first_key, n_edges, n_inner = torch.zeros_like(active), 0, 0, 0
        keys, nodes, paths = [], [], []
        n_prefixes = 1
        for level, n_tokens in enumerate(catalogue.vocabulary):
            prefix = prefix * n_tokens + tokens[:, level]
            edges, edge = prefix.unique(return_inverse=True)
            inner, leaves = (edges // n_tokens).unique(return_inverse=True)
            keys.append(first_key + edges)
            nodes.append(n_inner + leaves)
            paths.append(n_edges + edge)
            n_prefixes *= n_tokens
            first_key, n_edges, n_inner = first_key + n_prefixes, n_edges + len(edges), n_inner + len(inner)
        path = torch.zeros(len(catalogue.is_active), len(paths), dtype=torch.int64, device=active.device)
        path[active] = torch.stack(paths, dim=1)
        at_leaf = torch.bincount(edge)[edge]
        log_share = torch.zeros(len(catalogue.is_active), device=active.device)
        log_share[active] = -at_leaf.log()
        node = torch.cat(nodes)
        return cls(torch.cat(keys), torch.bincount(node), node, path, log_share)

    def log_softmax(self, logits: Float[Tensor, "e b"]) -> Float[Tensor, "e b"]:
        """Log-probabilities of the edges of each inner node, which sum to 1 as probabilities."""
        highest = torch.segment_reduce(logits.detach(), "max", lengths=self.n_children, axis=0)[self.node]
        total = logits.new_zeros(len(self.n_children), logits.shape[1])
        total = total.index_add(0, self.node, (logits - highest).exp())
        return logits - highest - total.log()[self.node]

    def summed(self, edges: Float[Tensor, "e b"]) -> Float[Tensor, "b n_plus_1"]:
        """What the edges to each item have in sum; what items that are no leaves have means nothing."""
        total = edges[self.paths[:, 0]]
        for level in range(1, self.paths.shape[1]):
            total = total + edges[self.paths[:, level]]
        return total.T


def with_sids(catalogue: Catalogue) -> Catalogue:
    """The catalogue, only items with a SID active.

    Raises:
        TrainingError: no active item has one.
    """
    is_leaf = catalogue.is_active & (catalogue.tokens >= 0).all(dim=1)
    if not is_leaf.any():
        raise TrainingError(
            f"training: none of {int(catalogue.is_active.sum())} active items has a SID, expected one at least; run: hsrl refresh"
        )
    return replace(catalogue, is_active=is_leaf)
