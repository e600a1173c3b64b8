"""Sums of decision trees without walking them: the leaves a value still allows are bits of a number."""

from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

# Leaves are the bits of a positive int32.
MOST_LEAVES = 31
# Words of masks at hand at once: a chunk that stays in a processor's cache is answered several times sooner than all at once.
WORDS_AT_ONCE = 1 << 17
EXPONENT_OF_1 = 127
NODES = ("feature", "threshold", "left", "right", "value", "baseline")


class TreeSum:
    """The sum of t trees over f features, x_f ≤ threshold going left.

    A leaf is reached by exactly those rows whose every feature allows it. So for each feature and each interval between its
    thresholds the allowed leaves of all trees are held as bits; the leaf of a row is the bit left of the AND over features
    (after QuickScorer, Lucchese et al. 2015). Features may be given in groups: those of a user once, those of an item once.

    Args:
        nodes: ``feature`` (t, j) int64, −1 = leaf; ``threshold`` and ``value`` (t, j) float32; ``left`` and ``right`` (t, j) int64,
            greater than their parent's number; ``baseline`` () float32.
        n_features: f.

    Raises:
        ValueError: a tree has more than 31 leaves.
    """

    def __init__(self, nodes: dict[str, Tensor], n_features: int) -> None:
        feature, threshold = nodes["feature"].numpy(), nodes["threshold"].numpy()
        below, values = _leaves_below(nodes)
        self.baseline = float(nodes["baseline"])
        self.values: Float[Tensor, " t_times_32"] = torch.from_numpy(values).flatten()
        self.thresholds: list[Float[Tensor, " c"]] = []
        self.masks: list[Int[Tensor, "c_plus_1 t"]] = []
        for number in range(n_features):
            trees, places = (feature == number).nonzero()
            cuts = np.unique(threshold[trees, places])
            masks = np.repeat(below[None, :, 0], len(cuts) + 1, axis=0)
            for tree, place in zip(trees, places, strict=True):
                cut = np.searchsorted(cuts, threshold[tree, place]) + 1
                masks[:cut, tree] &= ~below[tree, nodes["right"][tree, place]]
                masks[cut:, tree] &= ~below[tree, nodes["left"][tree, place]]
            self.thresholds.append(torch.from_numpy(cuts))
            self.masks.append(torch.from_numpy(masks))
        self._starts = torch.arange(len(feature), dtype=torch.int32) * (MOST_LEAVES + 1) - EXPONENT_OF_1

    def to(self, device: str) -> "TreeSum":
        """Move all tensors there."""
        self.values, self._starts = self.values.to(device), self._starts.to(device)
        self.thresholds = [cuts.to(device) for cuts in self.thresholds]
        self.masks = [masks.to(device) for masks in self.masks]
        return self

    @property
    def n_trees(self) -> int:
        """How many trees are summed."""
        return len(self._starts)

    def allowed(self, values: Float[Tensor, "b f"], first: int) -> Int[Tensor, "b t"]:
        """The leaves that the features ``first``, ``first`` + 1, … allow, as bits."""
        masks = self._rows(values[:, 0], first)
        for column in range(1, values.shape[1]):
            masks &= self._rows(values[:, column], first + column)
        return masks

    def _rows(self, values: Float[Tensor, " b"], feature: int) -> Int[Tensor, "b t"]:
        return self.masks[feature][torch.searchsorted(self.thresholds[feature], values.contiguous())]

    def total(self, masks: Int[Tensor, "b t"]) -> Float[Tensor, " b"]:
        """The sum over trees where every feature has had its say, so that a row has one bit a tree."""
        # A power of two as float32 holds its exponent, the number of the leaf, in the bits from 23 on.
        leaves = (masks.to(torch.float32).view(torch.int32) >> 23) + self._starts
        return self.values.index_select(0, leaves.flatten()).view(masks.shape).sum(dim=1) + self.baseline


def _leaves_below(nodes: dict[str, Tensor]) -> tuple[np.ndarray, np.ndarray]:
    """Bits of the leaves below each node (t, j), and the value of each leaf (t, 32)."""
    feature, left, right = (nodes[name].numpy() for name in ("feature", "left", "right"))
    n_trees, n_nodes = feature.shape
    below = np.zeros((n_trees, n_nodes), np.int32)
    values = np.zeros((n_trees, MOST_LEAVES + 1), np.float32)
    for tree in range(n_trees):
        n_leaves = 0
        reachable = _reachable(feature[tree], left[tree], right[tree])
        if (feature[tree][reachable] < 0).sum() > MOST_LEAVES:
            raise ValueError(f"tree {tree} has {(feature[tree][reachable] < 0).sum()} leaves, expected at most {MOST_LEAVES}")
        for node in reachable[::-1]:
            if feature[tree, node] < 0:
                below[tree, node] = 1 << n_leaves
                values[tree, n_leaves] = nodes["value"][tree, node]
                n_leaves += 1
            else:
                below[tree, node] = below[tree, left[tree, node]] | below[tree, right[tree, node]]
    return below, values


def _reachable(feature: np.ndarray, left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """The nodes under the root, parents first; the rest are padding."""
    is_reached = np.zeros(len(feature), bool)
    is_reached[0] = True
    for node in range(len(feature)):
        if is_reached[node] and feature[node] >= 0:
            is_reached[[left[node], right[node]]] = True
    return is_reached.nonzero()[0]


def nodes_of(model: Any) -> dict[str, Tensor]:
    """The trees of a fitted HistGradientBoostingClassifier of two classes and no missing values, as :class:`TreeSum` reads them."""
    trees = [stage[0].nodes for stage in model._predictors]
    width = max(len(tree) for tree in trees)

    def padded(name: str, kind: type) -> np.ndarray:
        return np.stack([np.pad(tree[name].astype(kind), (0, width - len(tree))) for tree in trees])

    is_leaf = np.stack([np.pad(tree["is_leaf"].astype(bool), (0, width - len(tree)), constant_values=True) for tree in trees])
    threshold = np.where(is_leaf, 0, padded("num_threshold", np.float64))
    rounded = threshold.astype(np.float32)
    # Rounded down: for a float32 x, x ≤ threshold if and only if x ≤ the greatest float32 that is not above it.
    rounded = np.where(rounded > threshold, np.nextafter(rounded, np.float32(-np.inf)), rounded)
    arrays = {
        "feature": np.where(is_leaf, -1, padded("feature_idx", np.int64)),
        "threshold": rounded,
        "left": padded("left", np.int64),
        "right": padded("right", np.int64),
        "value": padded("value", np.float32),
        "baseline": np.asarray(np.ravel(model._baseline_prediction)[0], np.float32),
    }
    return {name: torch.from_numpy(array) for name, array in arrays.items()}
