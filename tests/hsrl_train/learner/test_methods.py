"""Every method by its name, in the same loop, on two users of opposite tastes (see test_learning.py for the world's origin)."""

from dataclasses import replace

import pytest
import torch
from jaxtyping import Float, Int
from torch import Tensor

from hsrl_train.data.world import Records, State
from hsrl_train.learner.config import LearnerConfig
from hsrl_train.learner.loop import Hooks, Learner, train
from hsrl_train.learner.methods import METHODS, method_named
from hsrl_train.learner.methods.hsrl import Hsrl
from hsrl_train.simulator.config import EnvironmentConfig
from hsrl_train.simulator.environment import Environment
from pipeline.errors import TrainingError
from tests.support.learner import learner_config, with_settings
from tests.support.updates import CATALOGUE, N_ITEMS
from tests.support.users import OpenUsers

K, H = 2, 6
RECORDS = Records.of(
    user=torch.tensor([0, 1]),
    exposed=torch.ones(2, K, dtype=torch.int64),
    feedback=torch.zeros(2, K),
    history=torch.zeros(2, H, dtype=torch.int64),
    is_train=torch.ones(2, dtype=torch.bool),
    profiles=torch.eye(2),
)
BOTH = State(torch.eye(2), torch.zeros(2, H, dtype=torch.int64))


class TwoTastes(OpenUsers):
    """User (1, 0) likes items 1–4 with chance .9 and the others with .1; user (0, 1) the other way round."""

    def logits(self, state: State, slate: Int[Tensor, "b k"], tastes: Tensor | None = None) -> Float[Tensor, "b k"]:
        return torch.where((slate > N_ITEMS // 2) == (state.profile[:, 1:] > 0.5), 2.2, -2.2)


def config(method: str, n_iterations: int = 150) -> LearnerConfig:
    return learner_config(
        method=method,
        n_iterations=n_iterations,
        n_sessions=8,
        batch_size=16,
        learn_after=64,
        width=8,
        n_heads=2,
        critic_hidden=(16,),
        actor_lr=3e-3,
        curve_every=20,
    )


def fresh(given: LearnerConfig, seed: int = 0) -> Learner:
    return method_named(given.method).fresh(CATALOGUE, 2, H, given, seed)


@pytest.mark.parametrize("method", ["item_sasrec", "token_sasrec"])
def test_supervised_methods_learn_each_users_half_and_are_read_back(method: str) -> None:
    given = with_settings(config(method, 400), actor_lr=1e-2)
    learner = fresh(given)
    policy = train(learner, Environment([TwoTastes()], EnvironmentConfig(repeats="allowed")), RECORDS, given, seed=0).policy
    slates = policy.slates(BOTH, K, torch.Generator())
    assert ((slates > N_ITEMS // 2) == torch.tensor([[False], [True]])).all()
    assert torch.equal(
        method_named(method).read(policy.to_tensors(), given, CATALOGUE).slates(BOTH, K, torch.Generator()), slates
    )


@pytest.mark.parametrize("method", METHODS)
def test_a_policy_is_read_back_as_it_was_and_shows_different_active_items(method: str) -> None:
    """Half of the batch are logged slates, of which no method noted anything."""
    given = with_settings(config(method, 24), log_share=0.5)
    catalogue = replace(CATALOGUE, is_active=CATALOGUE.is_active & (torch.arange(N_ITEMS + 1) != 3))
    learner = method_named(method).fresh(catalogue, 2, H, given, 0)
    assert all(hasattr(learner.network, name) for name in getattr(learner, "critic_parts", ()))  # type: ignore[attr-defined]
    environment = Environment([TwoTastes()], EnvironmentConfig(repeats="allowed", memory=4))
    policy = train(learner, environment, RECORDS, given, seed=0).policy
    states = State(torch.eye(2), torch.tensor([[1, 5, 0, 0, 0, 0], [0] * 6]), torch.tensor([[1, -2, 5, 0], [0] * 4]))
    slates = policy.slates(states, K, torch.Generator().manual_seed(1))
    assert all(len({*slate} - {0, 3}) == K for slate in slates.tolist())
    read = method_named(method).read(policy.to_tensors(), given, catalogue)
    assert torch.equal(read.slates(states, K, torch.Generator().manual_seed(1)), slates)
    items = torch.tensor([[1, 2, 4], [5, 6, 7]])
    assert torch.equal(read.scores(states, items), policy.scores(states, items))
    assert policy.scores(states, items).isfinite().all()


@pytest.mark.parametrize("method", METHODS)
def test_a_resumed_training_equals_the_unbroken_one(method: str) -> None:
    given, environment = config(method, 30), Environment([TwoTastes()], EnvironmentConfig(repeats="allowed"))
    saved: list[dict[str, Tensor]] = []
    train(fresh(given), environment, RECORDS, given, 3, Hooks(save=saved.append, save_every=15))
    again: list[dict[str, Tensor]] = []
    train(fresh(given, seed=9), environment, RECORDS, given, 3, Hooks(save=again.append, save_every=15, resume=saved[0]))
    assert all(torch.equal(tensor, again[-1][name]) for name, tensor in saved[-1].items())


def test_token_level_supervision_is_hsrls_network_without_reward_or_entropy() -> None:
    """Rewards of any size leave its weights as they are."""
    learner = fresh(config("token_sasrec"))
    assert isinstance(learner, Hsrl)
    losses = learner.config.losses
    assert (losses.pg_weight, losses.entropy_weight, learner.config.network.critic_trains_encoder) == (0, 0, False)


def test_items_that_should_not_be_shown_again_come_last() -> None:
    policy = fresh(with_settings(config("item_sasrec"), leaves_out_seen=True)).policy()
    liked = State(torch.eye(2), torch.tensor([[1, 2, 3, 4, 5, 6]] * 2))
    assert [set(slate) for slate in policy.slates(liked, 2, torch.Generator()).tolist()] == [{7, 8}] * 2


@pytest.mark.parametrize("method", METHODS)
def test_scores_of_any_size_show_nothing_again_that_should_come_last(method: str) -> None:
    """Long trainings let scores grow without bound; whatever was taken off for having been shown, scores once passed it."""
    policy = fresh(with_settings(config(method), leaves_out_seen=True)).policy()
    with torch.no_grad():
        for weight in policy.network.parameters():  # type: ignore[attr-defined]
            weight.mul_(1e3)
    liked = State(torch.eye(2), torch.tensor([[1, 2, 3, 4, 5, 6]] * 2))
    assert [set(slate) for slate in policy.slates(liked, 2, torch.Generator()).tolist()] == [{7, 8}] * 2
    assert all(len({*slate}) == 3 and {7, 8} < {*slate} for slate in policy.slates(liked, 3, torch.Generator()).tolist())


def test_a_slate_longer_than_the_catalogue_is_refused() -> None:
    policy = fresh(config("item_sasrec")).policy()
    with pytest.raises(TrainingError, match="8 items are active, expected the slate's 9"):
        policy.slates(BOTH, 9, torch.Generator())
