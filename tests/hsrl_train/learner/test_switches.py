"""Each switch of the learner does what its line in the configuration says, seen in the gradients of one update."""

import numpy as np
import pytest
import torch

from hsrl_train.data.world import Catalogue, State
from hsrl_train.learner.methods.hsrl import Hsrl
from hsrl_train.learner.replay import Batch
from hsrl_train.learner.sections import LossesConfig
from hsrl_train.learner.supervision import Supervision, likelihood_weight_at
from tests.support.learner import learner_config

K, H = 2, 3
NOTHING = {"pg_weight": 0.0, "entropy_weight": 0.0, "likelihood_weight": 0.0}
CATALOGUE = Catalogue(
    item_ids=np.arange(1, 5),
    vectors=torch.eye(5)[:, 1:],
    tokens=torch.tensor([[-1, -1], [0, 0], [0, 1], [1, 0], [1, 1]]),
    vocabulary=(2, 2),
    is_active=torch.tensor([False, True, True, True, True]),
    popularity=torch.zeros(5),
)


def learner(**switches: object) -> Hsrl:
    config = learner_config(width=8, n_heads=2, critic_hidden=(8,), **switches)
    return Hsrl(CATALOGUE, profile_width=1, max_history=H, config=config, seed=0)


def batch(refused: int = 0) -> Batch:
    """Four steps; all slates hold items 1 and 4, of which 1 was liked."""
    state = State(torch.ones(4, 1), torch.tensor([[1, 2, 0]] * 4), torch.tensor([[-refused]] * 4))
    feedback = torch.tensor([[1.0, 0.0]] * 4)
    item_reward = feedback - 0.1 * (1 - feedback)
    return Batch(
        state,
        torch.tensor([[1, 4]] * 4),
        item_reward,
        item_reward.mean(1),
        torch.zeros(4).bool(),
        state,
        torch.full((4, 2), -1.0),
        Supervision(torch.tensor([[1, 4]] * 4), feedback),
        torch.zeros(4, 0),
        feedback,
    )


def heads_move(**switches: object) -> bool:
    """Whether one update changes the policy heads, with every other term of the actor at weight 0."""
    one = learner(**{**NOTHING, "critic_trains_encoder": False, **switches})
    before = [head.weight.detach().clone() for head in one.network.hpn.heads]  # type: ignore[operator]
    one.learn(batch(), rate=1.0)
    return any(not torch.equal(old, head.weight) for old, head in zip(before, one.network.hpn.heads, strict=True))  # type: ignore[arg-type]


@pytest.mark.parametrize("term", NOTHING)
def test_a_term_of_weight_0_teaches_nothing_and_any_other_does(term: str) -> None:
    assert not heads_move()
    assert heads_move(**{term: 0.5})


def test_one_value_leaves_the_later_contexts_without_a_part_in_the_critic() -> None:
    """Codes and norms of the levels learn from the critic through c(1) and c(2) only."""
    moved = {}
    for values in ("all_levels", "first_level"):
        one = learner(**NOTHING, values=values, critic_trains_encoder=True)
        before = one.network.hpn.codes[0].detach().clone()
        one.learn(batch(), rate=1.0)
        moved[values] = not torch.equal(before, one.network.hpn.codes[0])
    assert moved == {"all_levels": True, "first_level": False}


def test_fixed_weights_stay_equal() -> None:
    one = learner(level_weights="fixed")
    figures = [one.learn(batch(), rate=1.0) for _ in range(3)][-1]
    assert [figures[f"level_weight_{level}"] for level in range(3)] == pytest.approx([1 / 3] * 3)


def test_the_target_is_weighed_by_the_targets_own_level_weights() -> None:
    """Moving the target's ω moves the target; moving the learner's does not."""
    one = learner()
    start = one._next_value(batch().state_tp1)
    with torch.no_grad():
        one.network.critic.omega[0] = 5.0
        assert torch.equal(one._next_value(batch().state_tp1), start)
        one.target.critic.omega[0] = 5.0
        assert not torch.equal(one._next_value(batch().state_tp1), start)


def test_sampled_tokens_come_from_the_learners_own_generator() -> None:
    """The same checkpoint draws the same tokens; the expected embedding draws none."""
    one, two = learner(token_embedding="sampled"), learner(token_embedding="sampled")
    two.load_tensors(one.to_tensors())
    assert one.learn(batch(), rate=1.0) == two.learn(batch(), rate=1.0)
    assert not torch.equal(one.generator.get_state(), learner().generator.get_state())


def test_refusals_change_the_state_only_where_they_are_used() -> None:
    for uses in (True, False):
        one = learner(uses_refusals=uses)
        contexts = [one.network.tokens(batch(refused).state_t, CATALOGUE.vectors).contexts for refused in (0, 3)]
        assert torch.equal(*contexts) is not uses


def test_the_supervision_gives_way_over_the_first_half() -> None:
    """From 1 to 0.2: 1 at the start, 0.6 at a quarter, 0.2 from the half on; without an end weight it stays 1."""
    falling = LossesConfig(likelihood_end_weight=0.2)
    assert [likelihood_weight_at(share, falling) for share in (0, 0.25, 0.5, 1)] == pytest.approx([1, 0.6, 0.2, 0.2])
    assert likelihood_weight_at(0.9, LossesConfig()) == 1.0


def test_a_decomposed_critic_gives_hsrl_a_value_of_slates_too() -> None:
    """Q is in the critic's group and moves; joint HSRL has none, so that policies of before are read as they were."""
    assert learner().network.action_critic is None
    decomposed = learner(critic="decomposed", **NOTHING)
    before = [weight.detach().clone() for weight in decomposed.network.critic_parameters()]
    decomposed.learn(batch(), rate=1.0)
    moved = [not torch.equal(old, new) for old, new in zip(before, decomposed.network.critic_parameters(), strict=True)]
    assert all(moved[1:])  # ω comes first, and equal values of all levels leave it
    assert len(moved) == len(learner().network.critic_parameters()) + len([*decomposed.network.action_critic.parameters()])
