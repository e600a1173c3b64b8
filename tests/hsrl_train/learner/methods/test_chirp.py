"""Our adaptation of CHIRP: it plans over what it saw options bring, and takes tree and library along to the next task."""

from collections.abc import Mapping
from typing import Any

import pytest
import torch
from torch import Tensor

from hsrl_train.data.world import Catalogue, Records, State
from hsrl_train.evaluation.rollouts import SharedStarts, evaluate, summarise
from hsrl_train.learner.checkpoint import part
from hsrl_train.learner.loop import Hooks, StoredPolicy, train
from hsrl_train.learner.methods.chirp import METHOD, Chirp, ChirpNetwork
from hsrl_train.learner.replay import Batch, Transitions
from hsrl_train.learner.supervision import Supervision
from tests.support.known_worlds import SMALL
from tests.support.learner import learner_config

H = 20
# Two tasks: the same shelves, users of another attribute, which the network of the first has never seen on.
PROFILES = torch.eye(2)
PLANNING: dict[str, Any] = {
    "epsilon_steps": 9000,
    "refine_after": 1000,
    "refine_every": 500,
    "min_changes": 30,
    "target_bonus": 1.0,
}


@pytest.fixture
def sees_likes_of_b(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the tree's variables only the number of likes of shelf B, of ten, is not 0."""
    whole = ChirpNetwork.variables

    def only_b(network: ChirpNetwork, state: State, catalogue: Catalogue) -> Tensor:
        found = whole(network, state, catalogue)
        return found * (torch.arange(found.shape[1]) == 2)

    monkeypatch.setattr(ChirpNetwork, "variables", only_b)


class Task:
    """Sessions of users with an attribute, in a world."""

    def __init__(self, world: Any, attribute: int) -> None:
        self.world, self.profile = world, PROFILES[attribute]
        self.user = torch.tensor([attribute])

    def learned(
        self, n_iterations: int, start: Mapping[str, Tensor] | None = None, save_every: int = 1000, seed: int = 0, **own: Any
    ) -> tuple[StoredPolicy, list[StoredPolicy]]:
        """The policy, and those of every ``save_every`` iterations on the way."""
        config = learner_config(
            method="chirp", **SMALL, n_iterations=n_iterations, critic_lr=5e-3, polyak=0.03, chirp={**PLANNING, **own}
        )
        records = Records.of(
            user=self.user,
            exposed=torch.ones(1, 2, dtype=torch.int64),
            feedback=torch.zeros(1, 2),
            history=torch.zeros(1, H, dtype=torch.int64),
            is_train=torch.ones(1, dtype=torch.bool),
            profiles=PROFILES,
        )
        learner = METHOD.fresh(self.world.catalogue, 2, H, config, seed)
        if start is not None:
            learner.start_from(start)
        kept: list[StoredPolicy] = []

        def keep(checkpoint: dict[str, Tensor]) -> None:
            kept.append(Chirp.read(part("network", part("method", checkpoint)), config, self.world.catalogue))

        policy = train(
            learner, self.world.environment, records, METHOD.configured(config), seed, Hooks(save=keep, save_every=save_every)
        )
        return policy.policy, kept

    def reward(self, policy: StoredPolicy) -> float:
        """Of 2,000 sessions."""
        shared: SharedStarts = self.world.shared(2000)
        starts = SharedStarts(shared.states._replace(profile=self.profile.expand(2000, -1)), 2, shared.catalogue, shared.seed)
        return summarise(evaluate("chirp", [policy], [self.world.environment], starts)).total_reward


@pytest.mark.slow
@pytest.mark.usefixtures("sees_likes_of_b")
def test_it_teaches_users_to_like_shelf_b_and_the_next_users_in_half_the_steps(two_shelves: Any) -> None:
    """At least 95 % of 10.731, with a tree that parts at two likes of B; of 200 iterations that was not yet so. The second task begins
    with network, tree and library of the first, and is there after 100 (of the first it took 300)."""
    first, second = Task(two_shelves, 0), Task(two_shelves, 1)
    policy, (half, _) = first.learned(400, save_every=200)
    assert first.reward(policy) >= 0.95 * 10.731 > first.reward(half)
    assert isinstance(policy.network, ChirpNetwork)  # type: ignore[attr-defined]
    tree = policy.network.tree  # type: ignore[attr-defined]
    assert 0.125 in tree.low[tree.leaves, 2].tolist()  # one like of ten is .1, two are .2
    # After 100 of 200 iterations; at the end it was at 9.5 again: what is learned there is unsteady.
    again = second.learned(200, start=policy.to_tensors(), save_every=100, seed=1, epsilon_steps=2000)[1][0]
    assert second.reward(again) >= 0.95 * 10.731


def test_options_are_held_until_they_end(two_shelves: Any) -> None:
    """Each option is noted with its slates so far; it ends after three, or with the session, and what it earned is kept discounted."""
    config = learner_config(method="chirp", **SMALL, n_sessions=2, chirp={"max_slates": 3})
    learner = METHOD.fresh(two_shelves.catalogue, 0, H, config, 0)
    assert isinstance(learner, Chirp)
    state = two_shelves.starts(2)
    ages = []
    for step in range(4):
        choice = learner.act(state, 2, torch.Generator().manual_seed(step))
        assert choice.note is not None
        ages.append(choice.note[:, 1].tolist())
        learner.watch(steps_of(state, choice.slate, reward=1.0, is_done=[False, step == 1]))
    assert ages == [[0, 0], [1, 1], [2, 0], [0, 1]]
    assert float(learner.model.ends[0, 0]) == 2
    assert float(learner.model.reward[0, 0]) == pytest.approx(((1 + 0.9 + 0.81) + (1 + 0.9)) / 2)
    assert float(learner.model.arrival[0, 0, 0]) == pytest.approx(0.729 / 2)  # the second ended with its session


def steps_of(state: State, slate: Tensor, reward: float, is_done: list[bool]) -> Transitions:
    b = len(slate)
    return Transitions(
        torch.zeros(b, dtype=torch.int64),
        state.history,
        slate,
        torch.zeros(b, 2),
        torch.full((b,), reward),
        torch.tensor(is_done),
        torch.zeros(b, 0, dtype=torch.int64),
        torch.zeros(b, 2),
        torch.zeros(b, 2),
    )


def test_an_option_is_paid_for_its_goal_and_then_worth_what_follows(two_shelves: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """ρ + γ V(b') + κ where the goal was entered, ρ + γ V(b') where five slates are over, ρ at the end of a session."""
    learner = METHOD.fresh(two_shelves.catalogue, 0, H, learner_config(method="chirp", **SMALL, chirp={"max_slates": 5}), 0)
    assert isinstance(learner, Chirp)
    learner.network.tree.split(0, 2)
    learner.network.library.add(1, 2)
    learner.network.node_value[2] = 3.0
    monkeypatch.setattr(learner.network, "leaf", lambda state, catalogue: torch.full((len(state.history),), 2))
    state = two_shelves.starts(3)
    batch = batch_of(state, done=[False, False, True])
    found = learner._target(batch, torch.tensor([1, 0, 0]), torch.tensor([0, 4, 4]))
    assert found[:, 0].tolist() == pytest.approx([0.5 + 0.9 * 3 + 0.5, 0.5 + 0.9 * 3, 0.5])


def batch_of(state: State, done: list[bool]) -> Batch:
    slate, paid = torch.tensor([[1, 2]] * len(done)), torch.full((len(done), 2), 0.5)
    none = torch.zeros(len(done), 2)
    return Batch(
        state_t=state,
        slate=slate,
        feedback_t=paid,
        item_reward_t=paid,
        reward_t=paid.mean(dim=1),
        done_t=torch.tensor(done),
        state_tp1=state,
        log_prob=none,
        supervision=Supervision(slate, paid),
        note=none,
    )
