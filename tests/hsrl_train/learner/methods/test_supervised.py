"""The supervised rows of the papers: HAC's offline and online SL, HSRL's next-item SASRec."""

from typing import Any

import numpy as np
import pytest
import torch

from hsrl_train.data.world import Catalogue, Records, State
from hsrl_train.learner.loop import train
from hsrl_train.learner.methods import method_named
from hsrl_train.learner.methods.next_item import NextItem
from hsrl_train.learner.replay import Batch
from hsrl_train.learner.supervision import Supervision
from hsrl_train.simulator.config import EnvironmentConfig
from hsrl_train.simulator.environment import Environment
from tests.support.known_worlds import SMALL, total_reward, trained
from tests.support.learner import learner_config
from tests.support.users import OpenUsers

H = 4
RING = 6  # items; whoever liked i likes i + 1 next, and after the last the first


def catalogue() -> Catalogue:
    return Catalogue(
        item_ids=np.arange(1, RING + 1),
        vectors=torch.eye(RING + 1)[:, 1:],
        tokens=torch.zeros(RING + 1, 1, dtype=torch.int64),
        vocabulary=(1,),
        is_active=torch.arange(RING + 1) > 0,
        popularity=torch.zeros(RING + 1),
    )


def batch(items: list[list[int]], answers: list[list[float]]) -> Batch:
    b, slate, feedback = len(items), torch.tensor(items), torch.tensor(answers)
    state = State(torch.zeros(b, 0), torch.tensor([[1, 0, 0, 0]] * b))
    reward = feedback.mean(dim=1)
    asked = Supervision(slate, feedback)
    zeros = torch.zeros_like(feedback)
    return Batch(state, slate, feedback, reward, reward < 0, state, zeros, asked, torch.zeros(b, 0), feedback)


def next_item() -> NextItem:
    config = method_named("next_item").configured(learner_config(**{**SMALL, "method": "next_item", "actor_lr": 1e-2}))
    return NextItem(catalogue(), 0, H, config, 0)


def test_the_cross_entropy_is_over_the_whole_catalogue_and_refusals_have_no_say() -> None:
    """A like of i is −log π(i); two likes are the mean of theirs; what was refused in the same slate changes nothing."""
    learner = next_item()
    log_probs = learner.network.scores(batch([[2]], [[1.0]]).state_t, learner.catalogue)[0, 1:].detach().log_softmax(dim=0)
    found = [
        float(learner.terms(batch([items], [answers]), 0.0)["next_item_loss"].detach())
        for items, answers in (([2, 5], [1.0, 0.0]), ([2, 3], [1.0, 0.0]), ([2, 3], [1.0, 1.0]), ([2, 3], [0.0, 0.0]))
    ]
    assert found == pytest.approx([-float(log_probs[1])] * 2 + [-float(log_probs[1:3].mean()), 0.0])


def test_it_learns_what_follows_what_from_the_log_alone() -> None:
    """Records of a ring: after i comes i + 1, and a refused item. The simulator raises if it is asked."""
    number = torch.arange(RING)
    records = Records.of(
        user=torch.zeros(RING, dtype=torch.int64),
        exposed=torch.stack([(number + 1) % RING + 1, (number + 3) % RING + 1], dim=1),
        feedback=torch.tensor([[1.0, 0.0]] * RING),
        history=torch.nn.functional.pad(number[:, None] + 1, (0, H - 1)),
        is_train=torch.ones(RING, dtype=torch.bool),
        profiles=torch.zeros(1, 0),
    )
    learner = next_item()
    config = learner.config.changed({"schedule": {"n_iterations": 150, "batch_size": 16}})
    policy = train(learner, Environment([OpenUsers()], EnvironmentConfig(repeats="allowed")), records, config, 0).policy
    slates = policy.slates(State(torch.zeros(RING, 0), records.history), 1, torch.Generator())
    assert slates[:, 0].tolist() == [2, 3, 4, 5, 6, 1]


@pytest.mark.parametrize(("method", "answers"), [("sl_offline", "logged"), ("sl_online", "drawn"), ("next_item", "logged")])
def test_rows_of_the_papers_have_the_papers_help(method: str, answers: str) -> None:
    """Whatever the configuration gives the others: answers as they were given, and no refusals in the state."""
    config = method_named(method).configured(learner_config(answers="expected", uses_refusals=True))
    assert (config.losses.answers, config.network.uses_refusals, config.search.n_rounds) == (answers, False, 0)


@pytest.mark.slow
def test_online_supervision_stays_with_the_shelf_that_pays_now(two_shelves: Any) -> None:
    """It learns what this slate brings, 5.363, and looks no further."""
    policy = trained(two_shelves, "sl_online", n_iterations=200, actor_lr=5e-3)[1]
    assert total_reward(two_shelves, policy) == pytest.approx(5.363, abs=0.25)
