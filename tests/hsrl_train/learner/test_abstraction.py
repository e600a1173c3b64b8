"""The abstraction tree: what it sees, where it splits, how far its leaves are apart."""

import pytest
import torch

from hsrl_train.data.world import State
from hsrl_train.learner.abstraction import (
    Errors,
    Tree,
    dispersion,
    explaining,
    groups_of_codes,
    refine,
    top_cluster,
    variables_of,
)


def errors_of(x: torch.Tensor, error: torch.Tensor) -> Errors:
    return Errors(x, torch.zeros(len(x), dtype=torch.int64), error)


def test_a_value_that_jumps_is_split_where_it_jumps() -> None:
    """Of three variables the value depends on the second alone: 0 below ½, 1 above. The first split is of that, at ½, and is enough."""
    x = torch.rand(600, 3, generator=torch.Generator().manual_seed(0))
    jump = (x[:, 1] > 0.5).float()
    tree = Tree(8, n_variables=3)
    assert refine(tree, errors_of(x, jump - 0.5), splits_at_once=5, min_visits=200) == [0]
    assert int(tree.variable[0]) == 1
    assert tree.high[1].tolist() == [1.0, 0.5, 1.0] and tree.low[2].tolist() == [0.0, 0.5, 0.0]
    noise = 0.1 * torch.randn(600, generator=torch.Generator().manual_seed(1))
    assert refine(tree, errors_of(x, noise), splits_at_once=5, min_visits=200) == []


def test_a_leaf_that_was_hardly_visited_stays_whole() -> None:
    x = torch.rand(199, 1, generator=torch.Generator().manual_seed(0))
    assert refine(Tree(8, n_variables=1), errors_of(x, (x[:, 0] > 0.5).float()), splits_at_once=5, min_visits=200) == []


def test_no_more_leaves_than_allowed() -> None:
    x = torch.rand(800, 1, generator=torch.Generator().manual_seed(0))
    tree = Tree(2, n_variables=1)
    for _ in range(3):
        refine(tree, errors_of(x, x[:, 0]), splits_at_once=5, min_visits=100)
    assert tree.leaves.tolist() == [1, 2]


def test_states_fall_into_the_leaf_whose_box_holds_them() -> None:
    """Split at ½, then the upper half at ¾; the middle belongs to the lower half."""
    tree = Tree(4, n_variables=1)
    tree.split(0, 0)
    tree.split(2, 0)
    assert tree.leaf_of(torch.tensor([[0.0], [0.5], [0.6], [0.75], [0.8]])).tolist() == [1, 1, 3, 3, 4]
    assert tree.below()[2].nonzero()[:, 0].tolist() == [2, 3, 4]


def test_leaves_are_farther_apart_the_higher_they_part() -> None:
    """Leaves 1 | 3, 4 of depth 1 | 2, 2. From 3 to 4: 0.9 (2 − 1 + 1) + 0.1 · 1; from 1 to 3: 0.9 (2 − 0 + 1) + 0.1 · 1.5."""
    tree = Tree(4, n_variables=1)
    tree.split(0, 0)
    tree.split(2, 0)
    assert tree.distance(3, 4) == pytest.approx(1.9)
    assert tree.distance(1, 3) == pytest.approx(2.85) == pytest.approx(tree.distance(3, 1))


def test_dispersion_is_that_of_the_option_that_knows_least() -> None:
    """Scaled to [0, 1], option 0 has errors 0 and 1, so var / mean ½; option 1 has ½ twice, so 0."""
    found = dispersion(torch.tensor([-1.0, 1.0, 0.0, 0.0]), torch.tensor([0, 0, 1, 1]))
    assert found == pytest.approx(-1.0)
    assert dispersion(torch.ones(3), torch.zeros(3, dtype=torch.int64)) == -torch.inf


def test_the_top_cluster_is_cut_off_where_values_jump() -> None:
    assert sorted(top_cluster({1: -9.0, 2: -1.0, 3: -5.0, 4: -1.2, 5: -8.8})) == [2, 4]
    assert sorted(top_cluster({1: -9.0, 2: -torch.inf})) == [1]


def test_a_variable_that_never_moves_explains_nothing() -> None:
    x = torch.full((50, 1), 0.3)
    assert explaining(Tree(2, n_variables=1), 0, x, torch.randn(50, generator=torch.Generator().manual_seed(0))) is None


def test_what_the_tree_sees_of_a_state() -> None:
    """Twelve likes of H = 20, of which the newest ten are eight of group 0 and two of group 1; the entropy of (.8, .2) over log 8."""
    group = torch.tensor([-1, 0, 1])
    history = torch.tensor([[2, 2, *[1] * 8, 2, 2, *[0] * 8], [0] * 20])
    found = variables_of(State(torch.zeros(2, 0), history), group, 20)
    assert found[0, :3].tolist() == pytest.approx([0.6, 0.8, 0.2])
    assert float(found[0, 9]) == pytest.approx(0.5004 / 2.0794, abs=1e-3)
    assert found[1].tolist() == [0.0] * 10


def test_codes_are_grouped_by_their_vectors(catalogue_of: object) -> None:
    """Sixteen codes in eight pairs of neighbours on a line."""
    catalogue = catalogue_of([[code, 0] for code in range(16)])  # type: ignore[operator]
    places = torch.tensor([100.0 * (code // 2) + code % 2 for code in range(16)])
    catalogue.vectors[1:] = 0
    catalogue.vectors[1:, 0] = places
    found = groups_of_codes(catalogue)
    assert found[16] == -1
    assert (found[0:16:2] == found[1:16:2]).all() and len(found[:16].unique()) == 8
