"""HSRL in the loop, on a world whose best slates are known.

Two Tastes: items 1–4 have token 0 at level 1 and items 5–8 token 1. Users of profile (1, 0) like the first half with chance 0.9
and the second with 0.1; users of profile (0, 1) the other way round. K = 2, so the best slate holds two items of the user's half.
"""

from dataclasses import replace

import numpy as np
import pytest
import torch
from jaxtyping import Float, Int
from torch import Tensor

from hsrl_train.data.world import Catalogue, Records, State
from hsrl_train.learner.config import LearnerConfig
from hsrl_train.learner.loop import Hooks, rate_at, train
from hsrl_train.learner.methods.hsrl import Hsrl
from hsrl_train.learner.replay import Batch
from hsrl_train.learner.supervision import Supervision
from hsrl_train.simulator.config import EnvironmentConfig
from hsrl_train.simulator.environment import Environment
from pipeline.errors import TrainingError
from tests.support.learner import learner_config, with_settings
from tests.support.users import OpenUsers

N_ITEMS, K, H = 8, 2, 6
CATALOGUE = Catalogue(
    item_ids=np.arange(1, N_ITEMS + 1),
    vectors=torch.eye(N_ITEMS + 1)[:, 1:],
    tokens=torch.tensor([[-1, -1]] + [[half, pair] for half in (0, 1) for pair in (0, 0, 1, 1)]),
    vocabulary=(2, 2),
    is_active=torch.tensor([False] + [True] * N_ITEMS),
    popularity=torch.zeros(N_ITEMS + 1),
)
RECORDS = Records.of(
    user=torch.tensor([0, 1]),
    exposed=torch.ones(2, K, dtype=torch.int64),
    feedback=torch.zeros(2, K),
    history=torch.zeros(2, H, dtype=torch.int64),
    is_train=torch.ones(2, dtype=torch.bool),
    profiles=torch.eye(2),
)
SETTINGS = {
    "n_iterations": 60,
    "n_sessions": 8,
    "batch_size": 16,
    "learn_after": 64,
    "width": 8,
    "n_heads": 2,
    "critic_hidden": (16,),
    "curve_every": 20,
    "search": {"n_rounds": 1, "n_candidates": 5, "n_sessions": 4},
}
SMALL = learner_config(**SETTINGS)


class TwoTastes(OpenUsers):
    """The response model of the world."""

    def logits(self, state: State, slate: Int[Tensor, "b k"], tastes: Tensor | None = None) -> Float[Tensor, "b k"]:
        likes_second = state.profile[:, 1:] > 0.5
        return torch.where((slate > N_ITEMS // 2) == likes_second, 2.2, -2.2)


ENVIRONMENT = Environment([TwoTastes()], EnvironmentConfig(repeats="allowed"))


def method(config: LearnerConfig = SMALL) -> Hsrl:
    return Hsrl(CATALOGUE, profile_width=2, max_history=H, config=config, seed=0)


def batch(n: int = 16) -> Batch:
    """Random transitions of both users."""
    generator = torch.Generator().manual_seed(0)
    user = torch.arange(n) % 2
    feedback = torch.randint(2, (n, K), generator=generator).float()
    item_reward = feedback - 0.1 * (1 - feedback)
    history = torch.randint(1, N_ITEMS + 1, (n, H), generator=generator)
    state = State(RECORDS.profiles[user], history)
    slate = torch.tensor([[1, 7]]).expand(n, K)
    then = torch.full((n, K), -1.0)
    return Batch(
        state,
        slate,
        item_reward,
        item_reward.mean(dim=1),
        user == 0,
        state,
        then,
        Supervision(slate, feedback),
        torch.zeros(n, 0),
        feedback,
    )


@pytest.mark.parametrize("preset", ["best", "paper"])
def test_both_presets_learn_each_users_half(preset: str) -> None:
    """At least 95 % of greedily shown items are of the user's half; a policy that cannot tell users apart gets 50 %."""
    overrides = {"n_iterations": 250, "actor_lr": 3e-3, "entropy_weight": 0.01}
    config = learner_config(**{**SETTINGS, "preset": preset, **overrides})
    policy = train(method(config), ENVIRONMENT, RECORDS, config, seed=0).policy
    slates = policy.slates(State(torch.eye(2), torch.zeros(2, H, dtype=torch.int64)), K, torch.Generator())
    assert ((slates > N_ITEMS // 2) == torch.tensor([[False], [True]])).float().mean() >= 0.95


def test_a_resumed_training_equals_the_unbroken_one() -> None:
    """60 iterations in one go, and 30 + 30 through a checkpoint cut in the middle of a curve's window."""
    saved: list[dict[str, Tensor]] = []
    whole = train(method(), ENVIRONMENT, RECORDS, SMALL, seed=3, hooks=Hooks(save=saved.append, save_every=30))
    resaved: list[dict[str, Tensor]] = []
    other_start = Hsrl(CATALOGUE, 2, H, SMALL, seed=99)
    resumed = train(
        other_start, ENVIRONMENT, RECORDS, SMALL, seed=3, hooks=Hooks(save=resaved.append, save_every=30, resume=saved[0])
    )
    assert len(saved) == 2 and len(resaved) == 1
    assert saved[1].keys() == resaved[0].keys()
    assert [name for name, tensor in saved[1].items() if not torch.equal(tensor, resaved[0][name])] == []
    assert whole.curves == resumed.curves


def test_a_checkpoint_taken_before_the_first_update_resumes_too() -> None:
    saved: list[dict[str, Tensor]] = []
    train(method(), ENVIRONMENT, RECORDS, SMALL, seed=3, hooks=Hooks(save=saved.append, save_every=5))
    resaved: list[dict[str, Tensor]] = []
    train(method(), ENVIRONMENT, RECORDS, SMALL, seed=3, hooks=Hooks(save=resaved.append, save_every=60, resume=saved[0]))
    assert all(torch.equal(tensor, resaved[-1][name]) for name, tensor in saved[-1].items())


def test_a_checkpoint_of_other_settings_or_missing_tensors_is_refused() -> None:
    saved: list[dict[str, Tensor]] = []
    train(method(), ENVIRONMENT, RECORDS, SMALL, seed=3, hooks=Hooks(save=saved.append, save_every=30))
    with pytest.raises(TrainingError, match=r"losses.gamma was 0.9, is 0.5"):
        changed = with_settings(SMALL, gamma=0.5)
        train(method(changed), ENVIRONMENT, RECORDS, changed, seed=3, hooks=Hooks(resume=saved[0]))
    with pytest.raises(TrainingError, match=r"missing \(generator\)"):
        train(
            method(),
            ENVIRONMENT,
            RECORDS,
            SMALL,
            seed=3,
            hooks=Hooks(resume={k: v for k, v in saved[0].items() if k != "generator"}),
        )
    with pytest.raises(TrainingError, match=r"checkpoint, network: .* missing \(bias\)"):
        train(
            method(),
            ENVIRONMENT,
            RECORDS,
            SMALL,
            seed=3,
            hooks=Hooks(resume={k: v for k, v in saved[0].items() if k != "method/network/bias"}),
        )


def test_curves_tell_rewards_diversity_entropies_and_level_weights() -> None:
    curves = train(method(), ENVIRONMENT, RECORDS, SMALL, seed=3).curves
    last = {point.metric: point.value for point in curves if point.iteration == 60}
    assert {"episode_reward", "critic_loss", "entropy_level_2", "distinct_items_shown"} <= last.keys()
    assert sum(last[f"level_weight_{level}"] for level in range(3)) == pytest.approx(1.0, abs=1e-5)


def test_the_level_weights_have_a_gradient_and_move() -> None:
    learner = method()
    learner.learn(batch(), rate=1.0)
    assert learner.network.critic.omega.grad is not None
    assert (learner.network.critic.omega.grad != 0).all()
    assert learner.network.critic.omega.detach().ne(0).all()
    assert learner.target.critic.omega.ne(0).all()


def test_only_values_of_a_detached_critic_learn_from_its_loss() -> None:
    """With every term of the actor at weight 0 the encoder moves if, and only if, the critic's gradient reaches it."""
    critic_only = {"pg_weight": 0.0, "entropy_weight": 0.0, "likelihood_weight": 0.0}
    moved = {}
    for reaches in (True, False):
        learner = method(with_settings(SMALL, **critic_only, critic_trains_encoder=reaches))
        before = learner.network.encoder.state.weight.detach().clone()
        learner.learn(batch(), rate=1.0)
        moved[reaches] = not torch.equal(before, learner.network.encoder.state.weight)
    assert moved == {True: True, False: False}


def test_targets_follow_by_their_share() -> None:
    """One update: target = start + 0.01 · (network − start)."""
    learner = method()
    start = learner.target.bias.clone()
    learner.learn(batch(), rate=1.0)
    assert learner.target.bias.item() == pytest.approx((start + 0.01 * (learner.network.bias.detach() - start)).item())
    assert learner.network.bias.item() != start.item()


@pytest.mark.parametrize("seed", [0, 1])
def test_the_same_seed_gives_the_same_weights(seed: int) -> None:
    first, second = (Hsrl(CATALOGUE, 2, H, SMALL, seed).to_tensors() for _ in range(2))
    assert all(torch.equal(tensor, second[name]) for name, tensor in first.items())


def test_rates_stay_then_fall_to_a_tenth() -> None:
    """Of 100 iterations the last 40 decay: 1 at 60, 1 − 0.9 · ½ = 0.55 at 80, 0.1 at 100."""
    assert [rate_at(i, 100, 0.4) for i in (1, 60, 80, 100)] == pytest.approx([1.0, 1.0, 0.55, 0.1])
    assert rate_at(100, 100, 0.0) == 1.0


def test_no_records_and_too_few_iterations_are_refused() -> None:
    with pytest.raises(TrainingError, match="0 train records"):
        train(method(), ENVIRONMENT, RECORDS.select(torch.tensor([], dtype=torch.int64)), SMALL, seed=0)
    short = with_settings(SMALL, n_iterations=7)
    with pytest.raises(TrainingError, match="56 transitions in all, fewer than the 64"):
        train(method(short), ENVIRONMENT, RECORDS, short, seed=0)


def test_a_loss_that_is_no_number_stops_the_training() -> None:
    broken = Records(replace(RECORDS.log, profiles=torch.full((2, 2), float("nan"))))
    with pytest.raises(TrainingError, match="the loss of iteration 8 of 60 is nan"):
        train(method(), ENVIRONMENT, broken, SMALL, seed=0)
