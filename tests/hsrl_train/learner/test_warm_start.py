"""A training that begins at a policy: exactly its weights, or a refusal."""

import pytest
import torch

from hsrl_train.learner.config import LearnerConfig
from hsrl_train.learner.hsrl import Hsrl
from hsrl_train.learner.item_sasrec import ItemSasrec
from hsrl_train.learner.warm_start import start_from
from pipeline.errors import TrainingError

SMALL = LearnerConfig(width=8, n_heads=2, n_blocks=1, critic_hidden=(8,))


@pytest.mark.parametrize("kind", [Hsrl, ItemSasrec])
def test_it_begins_with_the_weights_of_the_policy(catalogue_of, kind: type) -> None:
    catalogue = catalogue_of([[0, 0], [0, 1], [1, 0], [1, 1]])
    before, method = kind(catalogue, 2, 6, SMALL, seed=1).policy(), kind(catalogue, 2, 6, SMALL, seed=2)
    start_from(method, before.to_tensors())
    nets = [method.network, method.target] if kind is Hsrl else [method.network]
    for net in nets:
        assert all(torch.equal(tensor, before.to_tensors()[name]) for name, tensor in net.state_dict().items())


def test_a_policy_of_before_foresight_gives_its_weights_and_no_constants(catalogue_of) -> None:
    catalogue = catalogue_of([[0, 0], [0, 1], [1, 0], [1, 1]])
    old, method = Hsrl(catalogue, 2, 6, SMALL, seed=1).policy().to_tensors(), Hsrl(catalogue, 2, 6, SMALL, seed=2)
    del old["foresight"]
    start_from(method, old)
    assert torch.equal(method.network.bias, old["bias"]) and not method.target.foresight.any()


@pytest.mark.parametrize(
    ("changes", "told"),
    [({"width": 16}, "another shape"), ({"values": "first_level"}, "another shape"), ({"n_blocks": 2}, "are missing")],
)
def test_a_policy_of_another_network_is_refused(catalogue_of, changes: dict, told: str) -> None:
    catalogue = catalogue_of([[0, 0], [0, 1], [1, 0], [1, 1]])
    policy = Hsrl(catalogue, 2, 6, SMALL, seed=1).policy()
    method = Hsrl(catalogue, 2, 6, SMALL.model_copy(update=changes), seed=2)
    weights = {name: tensor.clone() for name, tensor in method.network.state_dict().items()}
    with pytest.raises(TrainingError, match=f"^warm start, published policy: .*{told}"):
        start_from(method, policy.to_tensors())
    assert all(torch.equal(tensor, weights[name]) for name, tensor in method.network.state_dict().items())


def test_a_policy_of_another_vocabulary_is_refused(catalogue_of) -> None:
    policy = Hsrl(catalogue_of([[0, 0], [0, 1], [1, 0], [1, 1]]), 2, 6, SMALL, seed=1).policy()
    method = Hsrl(catalogue_of([[0, 0], [0, 1], [1, 0], [2, 1]]), 2, 6, SMALL, seed=2)
    with pytest.raises(TrainingError, match=r"tensors have another shape .* train anew with: hsrl retrain"):
        start_from(method, policy.to_tensors())
