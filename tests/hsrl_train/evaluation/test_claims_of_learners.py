"""The rule of claims on policies that were really learned: one that exploits its simulators, and one that is better.

Two kinds of users, two kinds of items. The first users like items of their kind at .9 and the others at .3, the second theirs at .6 and
the others at .4; nobody changes. Attention, which takes who likes what between users for what showing does to a user, believes that a
user of the second kind becomes one of the first once he has liked a few of their items, of which he then likes nine in ten. To make him
is what the search for foresight learns in it: in truth it shows him what he likes at .4.
"""

from dataclasses import dataclass

import numpy as np
import pytest
import torch

from hsrl_train.data.tensors import World, with_log
from hsrl_train.data.world import Catalogue, Records
from hsrl_train.evaluation.claims import Claim, Compared, claim
from hsrl_train.evaluation.config import EvaluationConfig
from hsrl_train.evaluation.judge import Judge, NamedPolicy, NamedSimulator, PolicyResult
from hsrl_train.evaluation.real_answers import AUC, NDCG, RealAnswers, judge_real_answers, paired
from hsrl_train.learner.loop import train
from hsrl_train.learner.methods import method_named
from hsrl_train.simulator.config import EnvironmentConfig, SimulatorConfig
from hsrl_train.simulator.environment import Environment
from hsrl_train.simulator.fit import FittedSimulator, fit_response_model
from tests.support.learner import learner_config

pytestmark = pytest.mark.slow

N_ITEMS, K, N_USERS, N_SLATES, HISTORY, MEMORY = 60, 5, 400, 8, 10, 40
LIKES = np.array([[0.9, 0.3], [0.4, 0.6]])  # by kind of user and of item
RULES = EnvironmentConfig(repeats="allowed", memory=MEMORY)
FITTED_AS = {"n_epochs": 12, "batch_size": 64, "learning_rate": 3e-3}


def world() -> World:
    """Everybody was shown 40 of the 60 items in slates of five, drawn at random; his last two slates are for the test."""
    random = np.random.default_rng(0)
    kind_of_user, kind_of_item = random.integers(0, 2, N_USERS), np.arange(N_ITEMS) // (N_ITEMS // 2)
    shown = np.stack([random.permutation(N_ITEMS)[: N_SLATES * K] + 1 for _ in range(N_USERS)])
    liked = random.random(shown.shape) < LIKES[kind_of_user[:, None], kind_of_item[shown - 1]]
    history = np.zeros((N_USERS, N_SLATES, HISTORY), np.int64)
    for user in range(N_USERS):
        for slate in range(N_SLATES):
            before = shown[user, : slate * K][liked[user, : slate * K]][-HISTORY:]
            history[user, slate, : len(before)] = before
    exposed, feedback = (torch.from_numpy(part.reshape(-1, K)) for part in (shown, liked))
    user = torch.arange(N_USERS).repeat_interleave(N_SLATES)
    is_train = torch.arange(len(user)) % N_SLATES < N_SLATES - 2
    likes = torch.from_numpy(history.reshape(-1, HISTORY))
    records = with_log(Records.of(user, exposed, feedback.float(), likes, is_train, torch.zeros(N_USERS, 0)))
    vectors = np.column_stack([1.0 - 2 * kind_of_item, 0.3 * random.standard_normal((N_ITEMS, 3))]).astype(np.float32)
    popularity = torch.zeros(N_ITEMS + 1).index_add_(0, exposed[is_train].flatten(), feedback[is_train].flatten().float())
    catalogue = Catalogue(
        np.arange(1, N_ITEMS + 1),
        torch.from_numpy(np.vstack([np.zeros((1, 4), np.float32), vectors])),
        torch.tensor([[-1, -1], *([int(kind), item % 6] for item, kind in enumerate(kind_of_item))]),
        (2, 6),
        torch.arange(N_ITEMS + 1) > 0,
        popularity,
    )
    return World.of(records, catalogue)


@dataclass(frozen=True)
class Judged:
    """A policy where it learned's family judges, in the panel, and by people's own answers."""

    own: PolicyResult
    panel: PolicyResult
    real: RealAnswers


class Place:
    """Where policies learn and are judged: attention teaches, attention of another seed and three other families judge."""

    def __init__(self) -> None:
        self.world = world()
        self.train = self.world.records.select(self.world.records.is_train)
        self.test = self.world.records.select(~self.world.records.is_train)
        self.teacher = Environment([self.fitted("attention", 1, "train").model], RULES)
        attention = self.fitted("attention", 11, "all")
        config = SimulatorConfig(family="frozen_attention", **FITTED_AS)
        frozen = FittedSimulator.from_tensors(attention.tensors, self.world.catalogue, 0, config, 11, "all")
        panel = [frozen, *(self.fitted(family, 11, "all") for family in ("factorisation", "latent"))]
        self.own, self.panel = (
            [NamedSimulator(one.config.family, one.config.family, one.model) for one in group] for group in ([attention], panel)
        )
        self.judge = Judge(self.world, EvaluationConfig(n_sessions=200), RULES, seed=5)

    def fitted(self, family: str, seed: int, fit_on: str) -> FittedSimulator:
        config = SimulatorConfig(family=family, **FITTED_AS)
        return fit_response_model(self.world.records, self.world.catalogue, config, seed, fit_on)

    def learned(self, method: str, n_iterations: int = 200, n_rounds: int = 0) -> Judged:
        config = learner_config(
            method=method,
            width=16,
            n_blocks=1,
            n_heads=2,
            n_iterations=n_iterations,
            learn_after=100,
            batch_size=64,
            log_share=0.5,
            search={"n_rounds": n_rounds},
        )
        config = method_named(method).configured(config)
        learner = method_named(method).fresh(self.world.catalogue, 0, HISTORY, config, 1)
        policy = train(learner, self.teacher, self.train, config, 1).policy
        named = NamedPolicy(method, policy, method)
        own, panel = (self.judge.play(named, group, kind) for group, kind in ((self.own, "transferred"), (self.panel, "panel")))
        return Judged(own, panel, judge_real_answers(method, policy, self.test, MEMORY))


@pytest.fixture(scope="module")
def place() -> Place:
    return Place()


@pytest.fixture(scope="module")
def supervised(place: Place) -> Judged:
    return place.learned("token_sasrec")


def claimed(method: Judged, reference: Judged) -> Claim:
    panel, own = (
        Compared(ours.pooled.rewards, theirs.pooled.rewards, ours.families)
        for ours, theirs in ((method.panel, reference.panel), (method.own, reference.own))
    )
    return claim(panel, own, {metric: paired(method.real, reference.real, metric) for metric in (AUC, NDCG)})


def test_foresight_learned_in_attention_is_better_in_its_own_family_only(place: Place, supervised: Judged) -> None:
    """It gains a tenth at home, loses in the mean of the others, and ranks what people were shown worse than before."""
    found = claimed(place.learned("hsrl", n_rounds=8), supervised)
    assert found.verdict == "in its own family only"
    assert found.own is not None and found.own.low > 0.05 * float(supervised.own.pooled.rewards.mean())
    assert found.panel is not None and found.panel.high < 0
    assert found.worst_share is not None and found.worst_share < -0.02
    assert found.real[AUC].high < 0


def test_to_learn_longer_is_better_everywhere(place: Place, supervised: Judged) -> None:
    """The same method, 200 iterations beside ten."""
    found = claimed(supervised, place.learned("token_sasrec", n_iterations=10))
    assert found.verdict == "better"
    assert found.panel is not None and found.panel.low > 0
    assert found.worst_share is not None and found.worst_share > 0
    assert found.real[AUC].low > 0


def test_a_policy_beside_itself_is_no_different(supervised: Judged) -> None:
    found = claimed(supervised, supervised)
    assert (found.verdict, found.worst_share) == ("no difference shown", 0.0)
