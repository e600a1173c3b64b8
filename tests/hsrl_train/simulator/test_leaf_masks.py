"""Sums of trees by masks: against scikit-learn's own walk, and one tree by hand."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from sklearn.ensemble import HistGradientBoostingClassifier

from hsrl_train.simulator.leaf_masks import TreeSum, nodes_of


def test_sums_are_those_of_scikit_learn() -> None:
    """2,000 rows of four features with ties, half of them fitted on; every answer is that of scikit-learn's own walk."""
    random = np.random.default_rng(0)
    x = np.concatenate([random.normal(size=(2_000, 3)), random.integers(0, 3, (2_000, 1))], axis=1).astype(np.float32)
    y = random.random(2_000) < 1 / (1 + np.exp(-x[:, 0] * x[:, 1] - x[:, 3]))
    fitted = HistGradientBoostingClassifier(max_iter=15, max_leaf_nodes=31, early_stopping=False).fit(x[:1_000], y[:1_000])
    trees = TreeSum(nodes_of(fitted), 4)
    rows = torch.from_numpy(x)
    apart = trees.allowed(rows[:, :3], 0) & trees.allowed(rows[:, 3:], 3)
    assert torch.equal(apart, trees.allowed(rows, 0))
    assert trees.total(apart).numpy() == pytest.approx(fitted.decision_function(x), abs=1e-5)


def test_a_value_on_a_threshold_goes_left() -> None:
    """10 plus a tree of two leaves, −1 up to 1.5 + 2⁻³⁰ and 4 above. No float32 is that: 1.5 lies left of it, the next one right."""
    names = ["value", "feature_idx", "num_threshold", "left", "right", "is_leaf"]
    tree = np.rec.fromrecords([(0, 0, 1.5 + 2**-30, 1, 2, False), (-1, 0, 0, 0, 0, True), (4, 0, 0, 0, 0, True)], names=names)
    fitted = SimpleNamespace(_predictors=[[SimpleNamespace(nodes=tree)]], _baseline_prediction=np.array([[10.0]]))
    trees = TreeSum(nodes_of(fitted), 1)
    after = float(np.nextafter(np.float32(1.5), np.float32(2)))
    rows = torch.tensor([[1.0], [1.5], [after], [2.0]])
    assert trees.total(trees.allowed(rows, 0)).tolist() == [9.0, 9.0, 14.0, 14.0]


def test_more_than_31_leaves_are_refused() -> None:
    """A row of 31 splits has 32 leaves."""
    n = 63
    left, right = torch.arange(n) * 2 + 1, torch.arange(n) * 2 + 2
    is_leaf = torch.arange(n) >= 31
    nodes = {
        "feature": torch.where(is_leaf, -1, 0)[None],
        "threshold": torch.zeros(1, n),
        "left": torch.where(is_leaf, 0, left)[None],
        "right": torch.where(is_leaf, 0, right)[None],
        "value": torch.zeros(1, n),
        "baseline": torch.tensor(0.0),
    }
    with pytest.raises(ValueError, match="tree 0 has 32 leaves, expected at most 31"):
        TreeSum(nodes, 1)
