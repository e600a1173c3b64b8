"""A training that begins at a policy: exactly its weights, or a refusal; on a catalogue whose items came and went."""

from dataclasses import replace
from typing import Any

import pytest
import torch

from hsrl_train.data.world import State
from hsrl_train.learner.methods import METHODS, method_named
from hsrl_train.learner.methods.hsrl import Hsrl
from hsrl_train.learner.methods.item_sasrec import ItemSasrec
from pipeline.errors import TrainingError
from tests.support.learner import learner_config, with_settings

SMALL = learner_config(width=8, n_heads=2, n_blocks=1, critic_hidden=(8,))


@pytest.mark.parametrize("kind", [Hsrl, ItemSasrec])
def test_it_begins_with_the_weights_of_the_policy(catalogue_of: Any, kind: type) -> None:
    catalogue = catalogue_of([[0, 0], [0, 1], [1, 0], [1, 1]])
    before, learner = kind(catalogue, 2, 6, SMALL, seed=1).policy(), kind(catalogue, 2, 6, SMALL, seed=2)
    learner.start_from(before.to_tensors())
    nets = [learner.network, learner.target] if kind is Hsrl else [learner.network]
    for net in nets:
        assert all(torch.equal(tensor, before.to_tensors()[name]) for name, tensor in net.state_dict().items())


def test_a_policy_of_before_foresight_gives_its_weights_and_no_constants(catalogue_of: Any) -> None:
    catalogue = catalogue_of([[0, 0], [0, 1], [1, 0], [1, 1]])
    old, learner = Hsrl(catalogue, 2, 6, SMALL, seed=1).policy().to_tensors(), Hsrl(catalogue, 2, 6, SMALL, seed=2)
    del old["foresight"]
    learner.start_from(old)
    assert torch.equal(learner.network.bias, old["bias"]) and not learner.target.foresight.any()


@pytest.mark.parametrize(
    ("changes", "told"),
    [({"width": 16}, "another shape"), ({"values": "first_level"}, "another shape"), ({"n_blocks": 2}, "are missing")],
)
def test_a_policy_of_another_network_is_refused(catalogue_of: Any, changes: dict, told: str) -> None:
    catalogue = catalogue_of([[0, 0], [0, 1], [1, 0], [1, 1]])
    policy = Hsrl(catalogue, 2, 6, SMALL, seed=1).policy()
    learner = Hsrl(catalogue, 2, 6, with_settings(SMALL, **changes), seed=2)
    weights = {name: tensor.clone() for name, tensor in learner.network.state_dict().items()}
    with pytest.raises(TrainingError, match=f"^warm start, published policy: .*{told}"):
        learner.start_from(policy.to_tensors())
    assert all(torch.equal(tensor, weights[name]) for name, tensor in learner.network.state_dict().items())


def test_a_policy_of_another_vocabulary_is_refused(catalogue_of: Any) -> None:
    policy = Hsrl(catalogue_of([[0, 0], [0, 1], [1, 0], [1, 1]]), 2, 6, SMALL, seed=1).policy()
    learner = Hsrl(catalogue_of([[0, 0], [0, 1], [1, 0], [2, 1]]), 2, 6, SMALL, seed=2)
    with pytest.raises(TrainingError, match=r"tensors have another shape .* train anew with: hsrl retrain"):
        learner.start_from(policy.to_tensors())


@pytest.mark.parametrize("method", METHODS)
def test_every_method_begins_on_a_catalogue_whose_items_came_and_went(catalogue_of: Any, method: str) -> None:
    """Item 6 opens branch 2, and branch 1 goes with items 3 and 4: a learner begins with what the policy is worth on tonight's items."""
    whole = replace(catalogue_of([[0, 0], [0, 1], [1, 0], [1, 1], [0, 2], [2, 0]]), vocabulary=(3, 3))
    first = replace(whole, is_active=torch.tensor([False, True, True, True, True, True, False]))
    tonight = replace(whole, is_active=torch.tensor([False, True, True, False, False, True, True]))
    given = SMALL.model_copy(update={"method": method})
    before = method_named(method).fresh(first, 2, 6, given, 1).policy().to_tensors()
    learner = method_named(method).fresh(tonight, 2, 6, given, 2)
    learner.start_from(before)
    state, items = State(torch.zeros(1, 2), torch.zeros(1, 6, dtype=torch.int64)), torch.tensor([[1, 2, 5, 6]])
    scores = learner.policy().scores(state, items)
    assert scores.isfinite().all()
    assert torch.equal(scores, method_named(method).read(before, given, tonight).scores(state, items))
    assert set(learner.policy().slates(state, 4, torch.Generator().manual_seed(0))[0].tolist()) == {1, 2, 5, 6}
