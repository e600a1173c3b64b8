"""The trained policy: what it shows, and what it refuses to be loaded from."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from hsrl_train.data.world import Catalogue, State
from hsrl_train.learner.config import LearnerConfig
from hsrl_train.learner.decoding import SidIndex
from hsrl_train.learner.policy import HsrlNetwork, HsrlPolicy
from pipeline.errors import TrainingError
from tests.support.learner import learner_config, with_settings

CONFIG = learner_config(width=4, n_heads=2, critic_hidden=(8,))
STATE = State(torch.tensor([[1.0], [0.0]]), torch.tensor([[1, 2, 0], [0, 0, 0]]))


def catalogue(vocabulary: tuple[int, ...] = (2, 2)) -> Catalogue:
    """Four items, one behind each pair of tokens."""
    return Catalogue(
        item_ids=np.arange(1, 5),
        vectors=torch.arange(10.0).view(5, 2) / 10,
        tokens=torch.tensor([[-1, -1], [0, 0], [0, 1], [1, 0], [1, 1]])[:, : len(vocabulary)],
        vocabulary=vocabulary,
        is_active=torch.tensor([False, True, True, True, True]),
        popularity=torch.zeros(5),
    )


def policy(config: LearnerConfig = CONFIG) -> HsrlPolicy:
    shown = catalogue()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = HsrlNetwork(config.network, item_width=2, profile_width=1, max_history=3, vocabulary=shown.vocabulary)
    return HsrlPolicy(network, shown.vectors, SidIndex.of(shown), shown.tokens, config)


def slates(of: HsrlPolicy, k: int = 2) -> list[list[int]]:
    return of.slates(STATE, k, torch.Generator()).tolist()


def test_it_shows_the_most_probable_items() -> None:
    """The first shown item has the largest product of token probabilities (14), looked up by hand."""
    trained = policy()
    probabilities = trained.network.tokens(STATE, trained.vectors).log_probs.exp()
    by_hand = torch.stack([probabilities[:, z1] * probabilities[:, 2 + z2] for z1, z2 in ((0, 0), (0, 1), (1, 0), (1, 1))], dim=1)
    assert [slate[0] for slate in slates(trained)] == (by_hand.argmax(dim=1) + 1).tolist()


@pytest.mark.parametrize("uses_profile", [True, False])
def test_it_comes_back_from_its_tensors(uses_profile: bool) -> None:
    config = with_settings(CONFIG, uses_profile=uses_profile)
    trained = policy(config)
    assert slates(HsrlPolicy.from_tensors(trained.to_tensors(), config, catalogue()), 4) == slates(trained, 4)


def test_an_item_that_came_tonight_can_be_shown_tonight() -> None:
    """Item 5 takes the tokens of the item shown first, and is more popular: it stands first."""
    trained, old = policy(), catalogue()
    best = slates(trained, 1)[0][0]
    tonight = replace(
        old,
        item_ids=np.arange(1, 6),
        vectors=torch.cat([old.vectors, torch.ones(1, 2)]),
        tokens=torch.cat([old.tokens, old.tokens[best : best + 1]]),
        is_active=torch.cat([old.is_active, torch.tensor([True])]),
        popularity=torch.tensor([0.0, 0, 0, 0, 0, 1]),
    )
    assert slates(HsrlPolicy.from_tensors(trained.to_tensors(), CONFIG, tonight))[0] == [5, best]


@pytest.mark.parametrize(
    ("vocabulary", "message"), [((3, 2), r"hpn.heads.0.weight is \(2, 4\), not \(3, 4\)"), ((2,), "unexpected .*hpn.codes.1")]
)
def test_a_codebook_of_other_v_or_l_is_refused(vocabulary: tuple[int, ...], message: str) -> None:
    with pytest.raises(TrainingError, match=message):
        HsrlPolicy.from_tensors(policy().to_tensors(), CONFIG, catalogue(vocabulary))


def test_weights_of_something_else_are_refused() -> None:
    with pytest.raises(TrainingError, match="2 of 2 tensors that tell its sizes are missing"):
        HsrlPolicy.from_tensors({"weight": torch.zeros(1)}, CONFIG, catalogue())


def test_a_policy_of_before_foresight_is_read_as_having_none() -> None:
    trained = policy()
    old = {name: tensor for name, tensor in trained.to_tensors().items() if name != "foresight"}
    read = HsrlPolicy.from_tensors(old, CONFIG, catalogue())
    assert not read.network.foresight.any() and slates(read, 4) == slates(trained, 4)
