"""What a method notes when it chooses comes back when it learns, and a method that follows sessions sees every step."""

import torch
from torch import Tensor

from hsrl_train.data.world import State
from hsrl_train.learner.loop import train
from hsrl_train.learner.methods.item_sasrec import ItemSasrec
from hsrl_train.learner.replay import Batch, Choice, Transitions
from hsrl_train.simulator.config import EnvironmentConfig
from hsrl_train.simulator.environment import Environment
from tests.hsrl_train.learner.test_methods import CATALOGUE, RECORDS, H, TwoTastes, config
from tests.support.learner import with_settings


class Noting(ItemSasrec):
    """Notes the sum of each slate, and remembers what came back."""

    def act(self, state: State, k: int, generator: torch.Generator) -> Choice:
        choice = super().act(state, k, generator)
        return choice._replace(note=choice.slate.sum(dim=1, keepdim=True).float())

    def watch(self, steps: Transitions) -> None:
        self.watched = [*getattr(self, "watched", []), steps]

    def terms(self, batch: Batch, done_share: float) -> dict[str, Tensor]:
        self.batches = [*getattr(self, "batches", []), batch]
        return super().terms(batch, done_share)


def test_notes_come_back_with_their_slates_and_logged_slates_have_none() -> None:
    given = with_settings(config("item_sasrec", 20), log_share=0.5, answers="expected")
    learner = Noting(CATALOGUE, 2, H, given, 0)
    train(learner, Environment([TwoTastes()], EnvironmentConfig(repeats="allowed")), RECORDS, given, seed=0)
    n_logged = given.schedule.batch_size // 2
    assert len(learner.batches) > 5
    for batch in learner.batches:
        assert batch.note[:n_logged].isnan().all()
        assert torch.equal(batch.note[n_logged:, 0], batch.slate[n_logged:].sum(dim=1).float())


def test_sessions_are_watched_row_for_row() -> None:
    """Between two ends a row's history only grows: it is one session's."""
    given = config("item_sasrec", 30)
    learner = Noting(CATALOGUE, 2, H, given, 0)
    train(learner, Environment([TwoTastes()], EnvironmentConfig(repeats="allowed")), RECORDS, given, seed=0)
    assert len(learner.watched) == 30
    assert any(steps.is_done.any() for steps in learner.watched)
    for before, after in zip(learner.watched, learner.watched[1:], strict=False):
        goes_on = ~before.is_done
        grown = (before.history > 0).sum(dim=1) + before.feedback.sum(dim=1)
        assert torch.equal((after.history > 0).sum(dim=1)[goes_on], grown.clamp(max=H).long()[goes_on])
        assert not (after.history > 0)[before.is_done].any()
