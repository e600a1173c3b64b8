"""Foresight: constants on the tokens, found by whole sessions; on worlds whose sessions are known."""

from dataclasses import replace
from typing import Any, cast

import pytest
import torch

from hsrl_train.data.world import Records
from hsrl_train.learner.foresight import returns, token_directions, with_foresight
from hsrl_train.learner.loop import Hooks, train
from hsrl_train.learner.methods.hsrl import Hsrl
from hsrl_train.learner.policy import HsrlPolicy
from hsrl_train.serving.ranker import Ranker, Request
from hsrl_train.simulator.config import EnvironmentConfig
from hsrl_train.simulator.environment import Environment
from tests.support.learner import learner_config, with_settings
from tests.support.users import OpenUsers

H = 20
CONFIG = learner_config(
    width=8,
    n_heads=2,
    n_blocks=1,
    critic_hidden=(8,),
    uses_refusals=False,
    n_iterations=10,
    n_sessions=4,
    learn_after=8,
    batch_size=8,
    search={"n_rounds": 6, "n_sessions": 40, "first_spread": 1.0},
)
LUCK = torch.Generator().manual_seed(0)
# Tokens of `two_shelves`: columns 0 and 1 are the shelves A and B, 2 and 3 the place on the shelf.
TO_B = torch.tensor([0.0, 50.0, 0.0, 0.0])


def records(k: int) -> Records:
    return Records.of(
        user=torch.zeros(1, dtype=torch.int64),
        exposed=torch.ones(1, k, dtype=torch.int64),
        feedback=torch.zeros(1, k),
        history=torch.zeros(1, H, dtype=torch.int64),
        is_train=torch.ones(1, dtype=torch.bool),
        profiles=torch.zeros(1, 0),
    )


@pytest.fixture
def policy(two_shelves: Any) -> HsrlPolicy:
    """Untrained, with logits that prefer shelf A."""
    method = Hsrl(two_shelves.catalogue, 0, H, CONFIG, seed=0)
    with torch.no_grad():
        cast(torch.nn.Linear, method.network.hpn.heads[0]).bias.copy_(torch.tensor([9.0, -9.0]))
    return method.policy()


def test_constants_move_what_is_chosen_and_ranked_but_not_the_contexts(two_shelves: Any, policy: HsrlPolicy) -> None:
    state = two_shelves.starts(3)
    foreseeing = replace(policy, network=policy.network.with_foresight(TO_B))
    assert set(policy.slates(state, 2, LUCK).flatten().tolist()) == {1, 2}
    assert set(foreseeing.slates(state, 2, LUCK).flatten().tolist()) == {3, 4}
    assert set(policy.slates(state, 2, LUCK, TO_B.expand(3, -1)).flatten().tolist()) == {3, 4}, "another's constants for one call"
    told, plain = (one.network.tokens(state, one.vectors) for one in (foreseeing, policy))
    assert torch.equal(told.contexts, plain.contexts) and torch.equal(told.logits, plain.logits)
    log_probs = foreseeing.log_probs(state)
    for level in log_probs.split(two_shelves.catalogue.vocabulary, dim=1):
        assert level.exp().sum(dim=1).tolist() == pytest.approx([1.0] * 3)
    request = Request(history=[], candidates=[1, 2, 3, 4])
    ranked = [Ranker(one, two_shelves.catalogue, 0).rank([request])[0].item_ids[:2].tolist() for one in (policy, foreseeing)]
    assert set(ranked[0]) == {1, 2} and set(ranked[1]) == {3, 4}
    assert (
        HsrlPolicy.from_tensors(foreseeing.to_tensors(), CONFIG, two_shelves.catalogue).network.foresight.tolist()
        == TO_B.tolist()
    )


def test_each_constant_is_judged_by_the_same_sessions(two_shelves: Any, policy: HsrlPolicy) -> None:
    """Always A earns 3.430 discounted by .9, always B 5.146; 5.363 and 10.731 in all (docs/baselines.md §4)."""
    luck = torch.rand(1000, 20, 2, generator=torch.Generator().manual_seed(1))
    constants = torch.stack([torch.zeros(4), TO_B, torch.zeros(4)])
    earned = returns(policy, constants, two_shelves.environment, two_shelves.starts(1000), luck, LUCK).mean(dim=1).tolist()
    assert earned[0] == earned[2] == pytest.approx(3.430, abs=0.15) and earned[1] == pytest.approx(5.146, abs=0.15)
    policy = replace(policy, config=with_settings(CONFIG, gamma=1.0))
    earned = returns(policy, constants, two_shelves.environment, two_shelves.starts(1000), luck, LUCK).mean(dim=1).tolist()
    assert earned[:2] == [pytest.approx(5.363, abs=0.3), pytest.approx(10.731, abs=0.3)]


def test_it_is_found_from_what_sessions_earn(two_shelves: Any, policy: HsrlPolicy) -> None:
    """From the logits of a user who wants A; the search alone goes to B."""
    with torch.no_grad():
        cast(torch.nn.Linear, policy.network.hpn.heads[0]).bias.copy_(torch.tensor([0.5, -0.5]))
    told: list[tuple[int, float]] = []
    found = with_foresight(policy, two_shelves.environment, records(2), 0, lambda done, reward: told.append((done, reward)))
    assert set(found.slates(two_shelves.starts(1), 2, LUCK)[0].tolist()) == {3, 4}
    assert torch.equal(policy.network.foresight, torch.zeros(4)), "the given policy stays as it is"
    assert [done for done, _ in told] == list(range(1, 7)) and told[-1][1] > 4.5 > 4 > told[0][1]


def test_where_nothing_is_to_be_earned_the_policy_stays(two_shelves: Any, policy: HsrlPolicy, fixed_response: Any) -> None:
    """All items alike and no luck in it: a constant earns nothing, so none is added."""
    environment = Environment([fixed_response(1 - 1e-7, 1 - 1e-7, 1 - 1e-7, 1 - 1e-7)], EnvironmentConfig(repeats="allowed"))
    assert with_foresight(policy, environment, records(2), 0) is policy


@pytest.mark.parametrize("seed", [19, 25])  # in which luck favours what was found
def test_luck_is_no_gain(two_shelves: Any, policy: HsrlPolicy, fixed_response: Any, seed: int) -> None:
    """Half of the users want shelf A and half B, and nothing tells which: every constant earns the same but for luck."""
    with torch.no_grad():
        cast(torch.nn.Linear, policy.network.hpn.heads[0]).bias.copy_(torch.tensor([0.5, -0.5]))
    models = [fixed_response(0.8, 0.8, 0.2, 0.2), fixed_response(0.2, 0.2, 0.8, 0.8)]
    assert with_foresight(policy, Environment(models, EnvironmentConfig(repeats="allowed")), records(2), seed) is policy


def test_every_candidate_meets_every_simulator_alike(two_shelves: Any, policy: HsrlPolicy, fixed_response: Any) -> None:
    """Three simulators and 40 sessions: 42, or candidates would differ by whom they met."""
    asked = [0, 0, 0]

    class Counting(OpenUsers):
        def __init__(self, number: int) -> None:
            self.number, self.model = number, fixed_response(0.6, 0.6, 0.6, 0.6)

        def logits(self, state: Any, slate: Any, tastes: Any = None) -> Any:
            asked[self.number] += len(slate)
            return self.model.logits(state, slate)

    environment = Environment([Counting(0), Counting(1), Counting(2)], EnvironmentConfig(max_steps=1, repeats="allowed"))
    with_foresight(policy, environment, records(2), 0)
    assert asked == [asked[0]] * 3 and asked[0] == (6 * 32 + 2 * 4) * 14


@pytest.mark.parametrize("hierarchy", ["residual", "flat"])
def test_directions_are_of_one_size_and_made_of_what_the_heads_read(two_shelves: Any, hierarchy: str) -> None:
    """Adding a direction to what a head reads adds its tokens' constants to the logits: they are W_l times it."""
    config = with_settings(CONFIG, hierarchy=hierarchy)
    policy = Hsrl(two_shelves.catalogue, 0, H, config, seed=3).policy()
    states = two_shelves.starts(5)._replace(history=torch.arange(100).view(5, 20) % 5)
    directions = token_directions(policy, states)
    assert policy.index.scores(directions).std(dim=1, correction=0)[[0, -1]].tolist() == pytest.approx([1.0, 1.0])
    for level, (part, head) in enumerate(
        zip(directions.split(two_shelves.catalogue.vocabulary, dim=1), policy.network.hpn.heads, strict=True)
    ):
        read = torch.linalg.lstsq(head.weight, part.T).solution
        assert torch.allclose(head.weight @ read, part.T, atol=1e-4), level


def test_a_training_ends_with_it_and_a_fresh_run_finds_the_same(two_shelves: Any) -> None:
    def learned(**changes: object) -> HsrlPolicy:
        config = CONFIG.changed({"search": changes})
        told: list[int] = []
        training = train(
            Hsrl(two_shelves.catalogue, 0, H, config, 0),
            two_shelves.environment,
            records(2),
            config,
            0,
            Hooks(progress=lambda done, _: told.append(done)),
        )
        assert told[-1] == config.n_units == 10 + (6 * (32 * 40 // 20) if config.search.n_rounds else 0)
        metrics = [point.iteration for point in training.curves if point.metric == "foresight_reward"]
        assert metrics == [10 + 64 * done for done in range(1, config.search.n_rounds + 1)]
        return training.policy  # type: ignore[return-value]

    one, again, without = learned(), learned(), learned(n_rounds=0)
    assert torch.equal(one.network.foresight, again.network.foresight) and one.network.foresight.any()
    assert not without.network.foresight.any()
    state = two_shelves.starts(1)
    assert torch.equal(one.network.tokens(state, one.vectors).logits, without.network.tokens(state, without.vectors).logits)
