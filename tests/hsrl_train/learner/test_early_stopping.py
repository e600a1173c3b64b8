"""Judging while learning: counted by iterations, without a trace in what is learned, and the same after a kill."""

from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import Tensor

from hsrl_train.data.world import Records
from hsrl_train.learner.curves import CurvePoint
from hsrl_train.learner.early_stopping import EarlyStopping
from hsrl_train.learner.loop import Hooks, Training, train
from hsrl_train.learner.methods.hsrl import Hsrl
from pipeline.errors import TrainingError
from tests.support.learner import learner_config

H = 6
CONFIG = learner_config(
    n_iterations=60,
    n_sessions=4,
    batch_size=8,
    learn_after=16,
    width=8,
    n_heads=2,
    n_blocks=1,
    curve_every=10,
)


def told(*figures: float, every: int = 10, patience: int = 2) -> EarlyStopping:
    """A judge that answers these figures, one after another."""
    answers: Iterator[float] = iter(figures)
    return EarlyStopping(lambda _: next(answers), every, patience)


def learned(world: Any, plateau: EarlyStopping | None, **more: object) -> Training:
    records = Records.of(
        user=torch.zeros(1, dtype=torch.int64),
        exposed=torch.ones(1, world.k, dtype=torch.int64),
        feedback=torch.zeros(1, world.k),
        history=torch.zeros(1, H, dtype=torch.int64),
        is_train=torch.ones(1, dtype=torch.bool),
        profiles=torch.zeros(1, 0),
    )
    method = Hsrl(world.catalogue, 0, H, CONFIG, seed=0)
    return train(method, world.environment, records, CONFIG, 0, hooks=Hooks(early_stopping=plateau, **more))  # type: ignore[arg-type]


def test_two_judgements_without_gain_end_a_training(two_shelves: Any) -> None:
    """1, 3, 2, 3 at iterations 10 … 40: the best is 3 at 20, and as good is no gain."""
    training = learned(two_shelves, told(1, 3, 2, 3))
    assert training.n_iterations == 40
    judged = [(point.iteration, point.value) for point in training.curves if point.metric == "judged_reward"]
    assert judged == [(10, 1), (20, 3), (30, 2), (40, 3)]


def test_a_gain_begins_the_count_anew(two_shelves: Any) -> None:
    assert learned(two_shelves, told(3, 2, 4, 3, 5, 4)).n_iterations == CONFIG.schedule.n_iterations


def test_without_patience_it_only_looks(two_shelves: Any) -> None:
    assert learned(two_shelves, told(1, 1, 1, 1, 1, 1, patience=0)).n_iterations == CONFIG.schedule.n_iterations


def test_being_judged_leaves_no_trace_in_what_is_learned(two_shelves: Any) -> None:
    """A judge that plays sessions with a generator of its own."""

    def judge(policy: object) -> float:
        generator = torch.Generator().manual_seed(0)
        return float(policy.slates(two_shelves.starts(4), 2, generator).sum())  # type: ignore[attr-defined]

    judged = learned(two_shelves, EarlyStopping(judge, 10, 0)).policy.to_tensors()
    alone = learned(two_shelves, None).policy.to_tensors()
    assert all(torch.equal(tensor, judged[name]) for name, tensor in alone.items())


def test_a_killed_training_stops_where_the_unbroken_one_does(two_shelves: Any) -> None:
    """A checkpoint after the judgement at 30, one without gain; the next one ends it, and so it does for one that was cut off there."""
    saved: list[dict[str, Tensor]] = []
    whole = learned(two_shelves, told(1, 3, 2, 3), save=saved.append, save_every=30)
    drawn: list[CurvePoint] = []
    resumed = learned(two_shelves, told(3), resume=saved[0], draw=drawn.extend)
    assert whole.n_iterations == resumed.n_iterations == 40 and whole.curves == resumed.curves
    assert (
        tuple(drawn) == tuple(point for point in whole.curves if point.iteration > 30) != ()
    )  # those that come anew, as they come
    ended = learned(two_shelves, told(), resume=saved[1])  # killed between the last checkpoint and the end
    assert ended.n_iterations == 40
    for other in (resumed, ended):
        weights = other.policy.to_tensors()
        assert all(torch.equal(tensor, weights[name]) for name, tensor in whole.policy.to_tensors().items())


def test_a_checkpoint_of_another_course_is_refused(two_shelves: Any) -> None:
    saved: list[dict[str, Tensor]] = []
    learned(two_shelves, told(1, 3, 2, 3), save=saved.append, save_every=30)
    with pytest.raises(TrainingError, match=r"1 settings changed .*stop_after_flat was 2, is 3"):
        learned(two_shelves, told(patience=3), resume=saved[0])
    with pytest.raises(TrainingError, match=r"judge_every was 10, is None"):
        learned(two_shelves, None, resume=saved[0])
