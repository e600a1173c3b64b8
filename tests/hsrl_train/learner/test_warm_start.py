"""A training that begins at a policy: exactly its weights, or a refusal."""

import pytest
import torch

from hsrl_train.learner.methods.hsrl import Hsrl
from hsrl_train.learner.methods.item_sasrec import ItemSasrec
from pipeline.errors import TrainingError
from tests.support.learner import learner_config, with_settings

SMALL = learner_config(width=8, n_heads=2, n_blocks=1, critic_hidden=(8,))


@pytest.mark.parametrize("kind", [Hsrl, ItemSasrec])
def test_it_begins_with_the_weights_of_the_policy(catalogue_of, kind: type) -> None:
    catalogue = catalogue_of([[0, 0], [0, 1], [1, 0], [1, 1]])
    before, learner = kind(catalogue, 2, 6, SMALL, seed=1).policy(), kind(catalogue, 2, 6, SMALL, seed=2)
    learner.start_from(before.to_tensors())
    nets = [learner.network, learner.target] if kind is Hsrl else [learner.network]
    for net in nets:
        assert all(torch.equal(tensor, before.to_tensors()[name]) for name, tensor in net.state_dict().items())


def test_a_policy_of_before_foresight_gives_its_weights_and_no_constants(catalogue_of) -> None:
    catalogue = catalogue_of([[0, 0], [0, 1], [1, 0], [1, 1]])
    old, learner = Hsrl(catalogue, 2, 6, SMALL, seed=1).policy().to_tensors(), Hsrl(catalogue, 2, 6, SMALL, seed=2)
    del old["foresight"]
    learner.start_from(old)
    assert torch.equal(learner.network.bias, old["bias"]) and not learner.target.foresight.any()


@pytest.mark.parametrize(
    ("changes", "told"),
    [({"width": 16}, "another shape"), ({"values": "first_level"}, "another shape"), ({"n_blocks": 2}, "are missing")],
)
def test_a_policy_of_another_network_is_refused(catalogue_of, changes: dict, told: str) -> None:
    catalogue = catalogue_of([[0, 0], [0, 1], [1, 0], [1, 1]])
    policy = Hsrl(catalogue, 2, 6, SMALL, seed=1).policy()
    learner = Hsrl(catalogue, 2, 6, with_settings(SMALL, **changes), seed=2)
    weights = {name: tensor.clone() for name, tensor in learner.network.state_dict().items()}
    with pytest.raises(TrainingError, match=f"^warm start, published policy: .*{told}"):
        learner.start_from(policy.to_tensors())
    assert all(torch.equal(tensor, weights[name]) for name, tensor in learner.network.state_dict().items())


def test_a_policy_of_another_vocabulary_is_refused(catalogue_of) -> None:
    policy = Hsrl(catalogue_of([[0, 0], [0, 1], [1, 0], [1, 1]]), 2, 6, SMALL, seed=1).policy()
    learner = Hsrl(catalogue_of([[0, 0], [0, 1], [1, 0], [2, 1]]), 2, 6, SMALL, seed=2)
    with pytest.raises(TrainingError, match=r"tensors have another shape .* train anew with: hsrl retrain"):
        learner.start_from(policy.to_tensors())
