"""Learning from the log's own answers: no simulator is asked, and a share of a batch stands above forecasts."""

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from hsrl_train.data.tensors import with_log
from hsrl_train.data.world import Records, State
from hsrl_train.learner.config import LearnerConfig
from hsrl_train.learner.loop import train
from hsrl_train.learner.methods import method_named
from hsrl_train.learner.methods.hsrl import Hsrl
from hsrl_train.learner.replay import Batch
from hsrl_train.simulator.config import EnvironmentConfig
from hsrl_train.simulator.environment import Environment
from tests.hsrl_train.conftest import make_catalogue
from tests.support.learner import learner_config
from tests.support.users import OpenUsers

K, H, N_ITEMS = 2, 4, 8
CATALOGUE = make_catalogue([[half, pair] for half in (0, 1) for pair in (0, 0, 1, 1)])
BOTH = State(torch.eye(2), torch.zeros(2, H, dtype=torch.int64))


def logged(n: int = 60) -> Records:
    """Two users by turns: user 0 likes items 1–4 and nothing else, user 1 the others; slates of any two items."""
    user = torch.arange(n) // (n // 2)
    shown = torch.stack([torch.randperm(N_ITEMS, generator=torch.Generator().manual_seed(row))[:K] + 1 for row in range(n)])
    liked = ((shown > N_ITEMS // 2) == (user[:, None] == 1)).float()
    history, is_train = torch.zeros(n, H, dtype=torch.int64), torch.ones(n, dtype=torch.bool)
    return with_log(Records.of(user, shown, liked, history, is_train, torch.eye(2)))


class Unasked(OpenUsers):
    """Users who must not be asked."""

    def logits(self, state: State, slate: Tensor, tastes: Tensor | None = None) -> Tensor:
        raise AssertionError("a simulator was asked")


class Contrary(OpenUsers):
    """Users who refuse everything."""

    def logits(self, state: State, slate: Tensor, tastes: Tensor | None = None) -> Tensor:
        return torch.full(slate.shape, -20.0)


def config(method: str, **more: Any) -> LearnerConfig:
    settings = {"n_iterations": 300, "n_sessions": 4, "batch_size": 16, "learn_after": 50_000, "width": 8, "n_heads": 2}
    return learner_config(method=method, critic_hidden=(8,), actor_lr=1e-2, curve_every=50, **{**settings, **more})


def environment(users: OpenUsers) -> Environment:
    return Environment([users], EnvironmentConfig(memory=6, repeats="allowed"))


@pytest.mark.parametrize("method", ["item_sasrec_log", "token_sasrec_log"])
def test_it_learns_from_the_log_without_a_session(method: str) -> None:
    """The replay stays empty, so that learn_after, here more than all iterations could fill, is not waited for."""
    given = method_named(method).configured(config(method))
    learner = method_named(method).fresh(CATALOGUE, 2, H, given, 0)
    training = train(learner, environment(Unasked()), logged(), given, seed=0)
    slates = training.policy.slates(BOTH, K, torch.Generator())
    assert ((slates > N_ITEMS // 2) == torch.tensor([[False], [True]])).all()
    assert "episode_reward" not in {point.metric for point in training.curves}
    assert {point.value for point in training.curves if point.metric == "distinct_items_shown"} == {0}


class Watched(Hsrl):
    """HSRL that keeps what it learned from."""

    batches: list[Batch]

    def learn(self, batch: Batch, rate: float, done_share: float = 0.0) -> dict[str, float]:
        self.batches.append(batch)
        return super().learn(batch, rate, done_share)


def test_a_share_of_every_batch_is_the_logs_and_comes_first() -> None:
    """Four of sixteen: pairs of the log with its answers and past, where the simulator refuses everything."""
    given = config("hsrl", n_iterations=30, learn_after=40, n_asked=6, log_share=0.25)
    learner, records = Watched(CATALOGUE, 2, H, given, 0), logged()
    learner.batches = []
    train(learner, environment(Contrary()), records, given, seed=0)
    past = records.shown_before(6)
    rows = {
        (*shown, *before): answer
        for shown, answer, before in zip(records.exposed.tolist(), records.feedback.tolist(), past.tolist(), strict=True)
    }
    n_liked = 0.0
    for batch in learner.batches:
        assert len(batch.slate) == 16 and batch.state_t.recent is not None
        for row in range(4):
            wanted = rows[(*batch.slate[row].tolist(), *batch.state_t.recent[row].tolist())]
            assert batch.supervision.answers[row, :K].tolist() == wanted
            assert batch.item_reward_t[row].tolist() == pytest.approx([1.0 if liked else -0.1 for liked in wanted])
            n_liked += sum(wanted)
        assert batch.supervision.answers[:4, K:].max() < 1e-3
        assert batch.supervision.answers[4:].max() < 1e-3
    assert len(learner.batches) == 21 and n_liked > 50


def test_drawn_answers_are_of_sessions_alone() -> None:
    """A simulator that refuses everything: no answer of the log is among what was learned from."""
    given = config("hsrl", n_iterations=30, learn_after=40, answers="drawn", log_share=0.25)
    learner = Watched(CATALOGUE, 2, H, given, 0)
    learner.batches = []
    train(learner, environment(Contrary()), logged(), given, seed=0)
    assert len(learner.batches) == 21 and all(not batch.supervision.answers.any() for batch in learner.batches)


def test_slates_without_a_known_past_remember_nothing_before() -> None:
    """Records without a log, half of each batch: their states are as wide as those of sessions, and empty."""
    given, records = config("hsrl", n_iterations=15, learn_after=40, log_share=0.5), logged()
    records = replace(records, log=replace(records.log, first=None))
    learner = Watched(CATALOGUE, 2, H, given, 0)
    learner.batches = []
    train(learner, environment(Contrary()), records, given, seed=0)
    recent = [batch.state_t.recent for batch in learner.batches]
    assert len(recent) == 6 and all(part is not None and part.shape == (16, 6) and not part[:8].any() for part in recent)


def test_a_batch_of_the_log_alone_needs_no_replay() -> None:
    given = config("hsrl", n_iterations=5, learn_after=20, log_share=1.0)
    learner = Watched(CATALOGUE, 2, H, given, 0)
    learner.batches = []
    train(learner, environment(Contrary()), logged(), given, seed=0)
    assert len(learner.batches) == 5 and all(not batch.done_t.any() for batch in learner.batches)


def test_logged_slates_follow_from_their_own_past() -> None:
    """The state after a logged slate has it at the end of what was shown, refusals negative."""
    given = config("hsrl", n_iterations=5, learn_after=20, log_share=1.0)
    learner = Watched(CATALOGUE, 2, H, given, 0)
    learner.batches = []
    train(learner, environment(Contrary()), logged(), given, seed=0)
    for batch in learner.batches:
        signed = torch.where(batch.supervision.answers[:, :K] > 0.5, batch.slate, -batch.slate)
        after = batch.state_tp1.recent
        assert after is not None
        n_shown = (after != 0).sum(dim=1)
        last = after.gather(1, torch.stack([n_shown - 2, n_shown - 1], dim=1))
        assert torch.equal(last, signed)
