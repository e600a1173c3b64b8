"""Options: where they begin and end, what is remembered of them, and plans whose values are worked by hand."""

import pytest
import torch

from hsrl_train.learner.abstraction import Tree
from hsrl_train.learner.options import Library, OptionModel

CPU = torch.device("cpu")


def halves() -> tuple[Tree, Library, OptionModel]:
    """Two leaves, 1 and 2; options: 0 harvests everywhere, 1 stays in 1, 2 stays in 2, 3 leads from 1 to 2."""
    tree, library = Tree(4, n_variables=1), Library(8)
    tree.split(0, 0)
    for origin, goal in ((1, 1), (2, 2), (1, 2)):
        assert library.add(origin, goal)
    return tree, library, OptionModel(len(tree.variable), 8, CPU)


def test_options_begin_in_their_box_and_not_where_they_lead() -> None:
    tree, library, _ = halves()
    found = library.available(tree.below(), tree.leaves)
    assert found[:, :4].tolist() == [[True, True, False, True], [True, False, True, False]]
    assert not found[:, 4:].any()


def test_an_option_outlives_the_splitting_of_its_box() -> None:
    tree, library, _ = halves()
    tree.split(2, 0)  # into 3 and 4
    below = tree.below()
    assert library.reached(torch.tensor([3, 3, 2]), torch.tensor([4, 1, 4]), below).tolist() == [True, False, False]
    assert library.left(torch.tensor([2, 2, 3]), torch.tensor([4, 1, 1]), below).tolist() == [False, True, False]


def test_an_option_is_kept_once_and_a_full_library_takes_no_more() -> None:
    library = Library(2)
    assert library.add(1, 2)
    assert not library.add(1, 2)
    assert not library.add(2, 1)


def test_a_plan_goes_where_more_is_to_be_had() -> None:
    """Staying in 1 pays 1 and ends the session, staying in 2 pays 4 and ends it; the way from 1 to 2 pays −1 over two slates, γ = .5.

    So V(2) = 4 and V(1) = max(1, −1 + .25 · 4) = 1: it stays. With γ = .9 the way is worth −1 + .81 · 4 = 2.24.
    """
    for gamma, way, choice in ((0.5, 0.0, 1), (0.9, 2.24, 3)):
        tree, library, model = halves()
        model.ended(1, 1, 1.0, 1, None, gamma)
        model.ended(2, 2, 4.0, 1, None, gamma)
        model.ended(1, 3, -1.0, 2, 2, gamma)
        plan = model.plan(tree, library, "reward")
        assert float(plan.of_option[0, 3]) == pytest.approx(way, abs=1e-5)
        assert plan.value[1:3].tolist() == pytest.approx([max(1.0, way), 4.0])
        assert plan.greedy().tolist() == [choice, 2]
        assert plan.hopeful().tolist() == [0, 0]  # harvesting everywhere was never tried


def test_what_was_staying_for_ever_is_a_geometric_sum() -> None:
    """Two slates of 1 and .9, again and again: V = 1.9 / (1 − .81) = 10, of which the sweeps have all but a thousandth."""
    tree, library, model = halves()
    model.ended(2, 2, 1.9, 2, 2, 0.9)
    assert float(model.plan(tree, library, "reward").value[2]) == pytest.approx(10.0, rel=1e-3)


def test_means_are_of_what_was_seen() -> None:
    """Rewards 1 and 3; once it arrived in 2 after one slate, once the session was over."""
    _, _, model = halves()
    model.ended(1, 3, 1.0, 1, 2, 0.9)
    model.ended(1, 3, 3.0, 3, None, 0.9)
    assert float(model.reward[1, 3]) == 2.0 and float(model.length[1, 3]) == 2.0
    assert float(model.arrival[1, 3, 2]) == pytest.approx(0.45)


def test_halves_inherit_what_is_known_of_their_leaf() -> None:
    tree, library, model = halves()
    model.ended(2, 2, 4.0, 1, None, 0.9)
    tree.split(2, 0)
    model.inherit(tree, 2)
    assert model.reward[3:5, 2].tolist() == [4.0, 4.0]
    assert model.plan(tree, library, "reward").value[2:5].tolist() == pytest.approx([4.0, 4.0, 4.0])


def test_as_published_a_plan_takes_the_shortest_way_to_the_leaf_of_highest_reward_whatever_it_costs() -> None:
    """The way of −100 is taken, since slates in leaf 2 pay more; there it stays."""
    tree, library, model = halves()
    model.shown(torch.tensor([1, 2, 2]), torch.tensor([0.5, 0.9, 0.7]))
    model.ended(1, 1, 1.0, 5, 1, 0.9)
    model.ended(1, 3, -100.0, 1, 2, 0.9)
    plan = model.plan(tree, library, "distance")
    assert plan.greedy().tolist() == [3, 2]
    assert model.leaf_reward[1:3].tolist() == pytest.approx([0.5, 0.8])
