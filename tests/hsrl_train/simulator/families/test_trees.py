"""Boosted trees: that they find out a user's kind, live, from refusals too; seeds; storage; refusals."""

import pytest
import torch

from hsrl_train.data.world import Records
from hsrl_train.simulator.config import SimulatorConfig
from hsrl_train.simulator.families import trees
from hsrl_train.simulator.fit import FittedSimulator, fit_response_model, quality
from pipeline.errors import TrainingError
from tests.support import two_kinds
from tests.support.records import answered

CONFIG = SimulatorConfig(family="trees")
CATALOGUE = two_kinds.catalogue()
SLATE = torch.tensor([[1, 20]])


@pytest.fixture(scope="module")
def records() -> Records:
    return two_kinds.log()


@pytest.fixture(scope="module")
def fitted(records: Records) -> FittedSimulator:
    return fit_response_model(records, CATALOGUE, CONFIG, seed=1)


def test_they_find_out_what_a_user_likes(records: Records, fitted: FittedSimulator) -> None:
    """Who knows the kind ranks held-out answers at AUC ½ + ½ · (P(kind | liked) − P(kind | refused)) = ½ + ½ (.818 − .111) = .854."""
    judged = quality(fitted.model, records.select(~records.is_train))
    assert judged.auc == pytest.approx(0.854, abs=0.05)
    assert judged.ece < 0.1


def test_likes_and_refusals_are_both_read(fitted: FittedSimulator) -> None:
    """Liking items of kind 0 and refusing items of kind 1 tell the same; a user of whom nothing is known lies between."""
    liked, refused, unknown, other = (
        fitted.model.logits(two_kinds.after(*shown), SLATE)[0]
        for shown in ((2, 3, 4, 5), (-12, -13, -14, -15), (), (12, 13, 14, 15))
    )
    assert liked[0] - liked[1] > 1.5
    assert refused[0] - refused[1] > 1.5
    assert abs(unknown[0] - unknown[1]) < 1
    assert other[1] - other[0] > 1.5


def test_all_items_are_answered_as_a_slate_is(fitted: FittedSimulator, records: Records) -> None:
    state = two_kinds.after(2, -13, 4)
    everything = fitted.model.all_logits(state)
    assert torch.equal(everything[:, 1:], fitted.model.logits(state, torch.arange(1, 21)[None]))
    assert everything[0, 0] == -torch.inf
    assert fitted.model.tastes(state, torch.Generator()).shape == (1, 0)


def test_an_answer_is_not_foretold_from_itself() -> None:
    """Answers by coin: whoever counted an item with the answer to be explained would rank what he was fitted on above chance."""
    records, fresh = (
        answered(log, torch.rand(log.feedback.shape, generator=torch.Generator().manual_seed(seed)).round())
        for seed, log in enumerate((two_kinds.log(n_users=400), two_kinds.log(n_users=400)))
    )
    model = trees.read(trees.fit(records, CATALOGUE, CONFIG, 1, None), CATALOGUE, 0, CONFIG)
    assert abs(quality(model, fresh).auc - 0.5) < 0.04
    assert abs(quality(model, fresh).mean_p - 0.5) < 0.03


def test_a_seed_decides_the_judge(records: Records) -> None:
    first, again, other = (trees.fit(records, CATALOGUE, CONFIG, seed, None) for seed in (1, 1, 2))
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not torch.equal(first["rate"], other["rate"])


def test_tensors_of_other_items_are_refused(fitted: FittedSimulator) -> None:
    fewer = {**fitted.tensors, "rate": fitted.tensors["rate"][:-1]}
    with pytest.raises(TrainingError, match=r"rate is \(20,\), not \(21,\)"):
        trees.read(fewer, CATALOGUE, 0, CONFIG)


def test_answers_all_alike_are_refused(records: Records) -> None:
    alike = records.select(records.feedback.min(dim=1).values == 1)
    with pytest.raises(TrainingError, match="answers to fit trees to, all alike"):
        trees.fit(alike, CATALOGUE, CONFIG, 1, None)


def test_progress_is_reported(records: Records) -> None:
    """Five parts of the users, then the trees."""
    reports: list[tuple[int, int]] = []
    trees.fit(records, CATALOGUE, CONFIG, 1, lambda done, of: reports.append((done, of)))
    assert reports == [(done, 6) for done in range(1, 7)]
