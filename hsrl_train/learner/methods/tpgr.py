"""TPGR on the tree of Semantic IDs: a policy at every inner node, A2C along the path (AAAI 2019, arXiv 1811.05869).

    π(i | s) = Π_l π_{node_l}(z_l | s) · 1 / (items at the leaf),   π_node(· | s) = softmax(W_node c(0) + b_node)

It is HSRL without expected contexts, level values and supervision, and each inner node has weights of its own: what is learned of a token
after one prefix says nothing of the same token after another. So it tells what tokens are worth that all branches share. As published:
a policy a node, K paths without replacement. [A] The tree is that of the Semantic IDs in place of a balanced one by clustering; nodes are
linear over the shared encoder in place of networks of their own; A2C with V(c(0)) in place of REINFORCE. An edge that was not there when
it learned has logit 0, as has any untrained one: a new item at a known leaf is known, one on a new branch is not.
"""

from collections.abc import Mapping
from typing import Self

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from hsrl_train.data.weights import load_module
from hsrl_train.data.world import Catalogue, State
from hsrl_train.learner.config import LearnerConfig
from hsrl_train.learner.decoding import FAR_BELOW
from hsrl_train.learner.encoder import StateEncoder, sizes_in
from hsrl_train.learner.methods.a2c import A2c, ValuedItems
from hsrl_train.learner.methods.method import Method
from hsrl_train.learner.methods.networked import NetworkPolicy, showable
from hsrl_train.learner.sections import DecodingConfig
from hsrl_train.learner.sid_trie import SidTrie, with_sids
from pipeline.errors import TrainingError

# Far below the difference of any two probabilities that matter; decides whose turn it is at a leaf.
TURN = 1e-9


class LastTree:
    """The tree of the last catalogue that was asked for; a copy begins with none."""

    def __init__(self) -> None:
        self._catalogue: Catalogue | None = None
        self._trie: SidTrie | None = None

    def of(self, catalogue: Catalogue) -> SidTrie:
        """The tree, grown anew where the catalogue is another."""
        if self._trie is None or self._catalogue is not catalogue:
            self._catalogue, self._trie = catalogue, SidTrie.of(catalogue)
        return self._trie

    def __deepcopy__(self, memo: object) -> Self:
        return type(self)()

    def __reduce__(self) -> tuple[type, tuple[()]]:
        return type(self), ()


class TreeNetwork(ValuedItems):
    """Encoder, critic, and weights for each edge of the tree that it learned on.

    Args:
        encoder: of states.
        config: of the learner.
        edges: keys of that tree.
    """

    def __init__(self, encoder: StateEncoder, config: LearnerConfig, edges: Int[Tensor, " e"]) -> None:
        super().__init__(encoder, config)
        self.edge_weight = nn.Parameter(torch.randn(len(edges), config.network.width) * 0.02)
        self.edge_bias = nn.Parameter(torch.zeros(len(edges)))
        self.edges: Int[Tensor, " e"]
        self.register_buffer("edges", edges)
        self.trees = LastTree()

    def edge_logits(self, c0: Float[Tensor, "b d"], trie: SidTrie) -> Float[Tensor, "e b"]:
        """Logits of the edges of a tree."""
        row, is_known = found_in(self.edges, trie.keys)
        logits = self.edge_weight[row] @ c0.T + self.edge_bias[row, None]
        return logits * is_known[:, None]

    def scores_in(self, c0: Float[Tensor, "b d"], catalogue: Catalogue) -> Float[Tensor, "b n_plus_1"]:
        """log π(i | s)."""
        trie = self.trees.of(catalogue)
        log_probs = trie.summed(trie.log_softmax(self.edge_logits(c0, trie))) + trie.log_share
        return log_probs.masked_fill(~catalogue.is_active, FAR_BELOW)

    def logits_in(self, c0: Float[Tensor, "b d"], catalogue: Catalogue) -> Float[Tensor, "b n_plus_1"]:
        """Σ_l of the logits of an item's edges, as HSRL's two-sided likelihood has them."""
        trie = self.trees.of(catalogue)
        return trie.summed(self.edge_logits(c0, trie))

    def slates(
        self, state: State, catalogue: Catalogue, decoding: DecodingConfig, k: int, generator: torch.Generator
    ) -> Int[Tensor, "b k"]:
        """The k most probable items; at one leaf those whose turn comes first."""
        scores = self.scores(state, catalogue).double() + TURN * _turn(catalogue, decoding, generator)
        return showable(scores, state, catalogue, decoding, k)


def found_in(edges: Int[Tensor, " known"], keys: Int[Tensor, " e"]) -> tuple[Int[Tensor, " e"], Bool[Tensor, " e"]]:
    """The row of each key among rising edges, and whether it is there; where it is not, the row means nothing."""
    row = torch.searchsorted(edges, keys).clamp_max(len(edges) - 1)
    return row, edges[row] == keys


def _turn(catalogue: Catalogue, decoding: DecodingConfig, generator: torch.Generator) -> Float[Tensor, " n_plus_1"]:
    """Ranks in [0, 1) by ``decoding.within_sid``; the higher comes first."""
    n = len(catalogue.is_active)
    if decoding.within_sid == "uniform":
        return torch.rand(n, generator=generator, dtype=torch.float64).to(catalogue.device)
    turn = catalogue.first_seen if decoding.within_sid == "recency" else catalogue.popularity
    if turn is None:
        raise TrainingError(
            "decoding: items have no first_seen, expected times for within_sid = recency; choose popularity or uniform in [learner.decoding]"
        )
    return turn.argsort(stable=True).argsort().double() / n


class Tpgr(A2c):
    """The learner: A2C over the paths of the tree; items without a SID are not shown.

    Raises:
        TrainingError: no active item has a SID, or its batches would hold logged slates alone.
    """

    network: TreeNetwork
    target: TreeNetwork

    def __init__(self, catalogue: Catalogue, profile_width: int, max_history: int, config: LearnerConfig, seed: int) -> None:
        super().__init__(with_sids(catalogue), profile_width, max_history, config, seed)

    @classmethod
    def fresh_network(cls, catalogue: Catalogue, profile_width: int, max_history: int, config: LearnerConfig) -> TreeNetwork:
        """With weights for the edges of the catalogue's tree."""
        encoder = StateEncoder(catalogue.vectors.shape[1], profile_width, max_history, config.network)
        return TreeNetwork(encoder, config, SidTrie.of(catalogue).keys)

    def start_from(self, tensors: Mapping[str, Tensor]) -> None:
        """Take over a policy's weights: known edges of this catalogue's tree by their keys, others begin at logit 0.

        Raises:
            TrainingError: the policy is of another method, width or set of switches.
        """
        if {"edges", "edge_weight", "edge_bias"} <= set(tensors):
            keys = self.network.edges.to(tensors["edges"].device)
            row, is_known = found_in(tensors["edges"], keys)
            weight, bias = tensors["edge_weight"][row] * is_known[:, None], tensors["edge_bias"][row] * is_known
            tensors = {**tensors, "edges": keys, "edge_weight": weight, "edge_bias": bias}
        super().start_from(tensors)

    @classmethod
    def read(cls, tensors: Mapping[str, Tensor], config: LearnerConfig, catalogue: Catalogue) -> NetworkPolicy:
        """The policy over this catalogue, whose tree may be another than the one it learned on.

        Raises:
            TrainingError: the tensors are not those of this configuration, or no active item has a SID.
        """
        if "edges" not in tensors:
            raise TrainingError("policy: 1 of its tensors is missing (edges); train anew with: hsrl retrain")
        encoder = StateEncoder(catalogue.vectors.shape[1], *sizes_in(tensors, config.network.width), config.network)
        network = TreeNetwork(encoder, config, tensors["edges"])
        load_module(network, tensors, "policy")
        return NetworkPolicy(network.requires_grad_(False), with_sids(catalogue), config.decoding)


METHOD = Method("tpgr", Tpgr, Tpgr.read, fixed={"search": {"n_rounds": 0}})
