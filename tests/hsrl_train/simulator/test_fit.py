"""Fitting: both losses, what it learns, that it is reproducible, and its figures by hand."""

from typing import Any, Literal

import numpy as np
import pytest
import torch

from hsrl_train.data.world import Catalogue, Records
from hsrl_train.simulator.config import SimulatorConfig
from hsrl_train.simulator.families.attention import response_loss
from hsrl_train.simulator.fit import FitOn, FittedSimulator, calibration_error, fit_response_model, quality
from pipeline.errors import TrainingError
from tests.support.records import answered

CONFIG = SimulatorConfig(family="attention", n_epochs=2, learning_rate=0.02)


@pytest.fixture
def catalogue(catalogue_of: Any) -> Catalogue:
    """Four items; 1 and 2 of one kind, 3 and 4 of the other."""
    return catalogue_of([[0], [0], [1], [1]])


def logs(n: int = 1_500) -> Records:
    """Users who like what is of the kind they liked before, nine times in ten, and nothing else; the last third is the test."""
    random = np.random.default_rng(0)
    kind = random.integers(0, 2, n)
    exposed = random.integers(1, 5, (n, 2))
    is_kind = (exposed > 2) == kind[:, None]
    feedback = is_kind & (random.random((n, 2)) < 0.9)
    history = np.zeros((n, 3), dtype=np.int64)
    history[:, :2] = 1 + 2 * kind[:, None] + random.integers(0, 2, (n, 2))
    return Records.of(
        torch.zeros(n, dtype=torch.int64),
        torch.from_numpy(exposed),
        torch.from_numpy(feedback.astype(np.float32)),
        torch.from_numpy(history),
        torch.arange(n) < n * 2 // 3,
        torch.zeros(1, 0),
    )


def test_the_released_loss_saturates_and_the_calibrated_one_does_not() -> None:
    """True rate .4, below ½. Calibrated: least at logit(.4) = −.405. Released: the lower the logit, the better, towards p = 0.

    Released at −∞: −.4 log σ(0) − .6 log(1 − σ(0)) = log 2 = .693.
    """
    feedback = torch.tensor([[1.0, 1.0, 0.0, 0.0, 0.0]])

    def loss(logit: float, preset: Literal["calibrated", "released"]) -> float:
        return float(response_loss(torch.full((1, 5), logit), feedback, preset))

    assert loss(-0.405, "calibrated") < min(loss(-0.6, "calibrated"), loss(-0.2, "calibrated"))
    assert loss(-9, "released") < loss(-2, "released") < loss(-0.405, "released")
    assert loss(-20, "released") == pytest.approx(0.693, abs=1e-3)


def test_the_fit_learns_what_users_like(catalogue: Catalogue) -> None:
    """Knowing the kind gives AUC = 1 − ½ · P(kind | disliked): likes are all of the kind, dislikes .05 of .55. So .955."""
    records = logs()
    test = records.select(~records.is_train)
    judged = quality(fit_response_model(records, catalogue, CONFIG, seed=1).model, test)
    assert judged.auc == pytest.approx(0.955, abs=0.03)
    assert judged.ece < 0.1
    assert judged.n == 1_000


def test_the_released_preset_answers_too_extremely(catalogue: Catalogue) -> None:
    """Likes are .45 of the answers, below ½: the released fit says never, where the calibrated one says .45."""
    records = logs()
    released = fit_response_model(records, catalogue, CONFIG.model_copy(update={"preset": "released"}), seed=1)
    judged = quality(released.model, records)
    assert judged.mean_p < 0.01 < 0.4 < judged.mean_y


def test_the_same_seed_gives_the_same_weights_and_leaves_torch_as_it_was(catalogue: Catalogue) -> None:
    records = logs(200)
    before = torch.random.get_rng_state()
    a, b, c = (fit_response_model(records, catalogue, CONFIG, seed).tensors for seed in (1, 1, 2))
    assert torch.equal(torch.random.get_rng_state(), before)
    assert all(torch.equal(a[name], b[name]) for name in a)
    assert not torch.equal(a["item.weight"], c["item.weight"])


def test_the_training_fit_does_not_see_the_test(catalogue: Catalogue) -> None:
    records = logs(200)
    altered = answered(records, torch.where(records.is_train[:, None], records.feedback, 1 - records.feedback))

    def weights(of: Records, fit_on: FitOn) -> torch.Tensor:
        return fit_response_model(of, catalogue, CONFIG, 1, fit_on).tensors["item.weight"]

    assert torch.equal(weights(records, "train"), weights(altered, "train"))
    assert not torch.equal(weights(records, "all"), weights(altered, "all"))


def test_progress_is_told_after_every_update(catalogue: Catalogue) -> None:
    """200 records in batches of 128 are two updates a pass."""
    told: list[tuple[int, int]] = []
    fit_response_model(logs(200), catalogue, CONFIG, 1, "all", lambda done, of: told.append((done, of)))
    assert told == [(1, 4), (2, 4), (3, 4), (4, 4)]


def test_a_loss_that_is_no_number_stops_the_fit(catalogue: Catalogue) -> None:
    catalogue.vectors[2] = torch.nan
    with pytest.raises(TrainingError, match="loss of update 1 of 4 is nan"):
        fit_response_model(logs(200), catalogue, CONFIG, 1, "all")


def test_a_split_without_training_records_is_refused(catalogue: Catalogue) -> None:
    records = logs(30)
    with pytest.raises(TrainingError, match="0 of 10 records are for training"):
        fit_response_model(records.select(~records.is_train), catalogue, CONFIG, 1)


def test_calibration_error_by_hand() -> None:
    """p .25 for answers (0, 1): gap |.5 − 1|; p .75 for (1, 1): gap |1.5 − 2|; 1 / 4 answers. p = 1 is in the last bin."""
    assert calibration_error(np.array([0.25, 0.25, 0.75, 0.75]), np.array([0, 1, 1, 1])) == pytest.approx(0.25)
    assert calibration_error(np.array([1.0, 0.0]), np.array([1, 0])) == 0


def test_quality_by_hand(fixed_response: Any) -> None:
    """Items liked at .2, .5, .8, .5; answers 0, 1, 1, 0. Four pairs, three right and one tied: AUC 3.5 / 4."""
    one = logs(1)
    records = Records.of(
        one.user, torch.tensor([[1, 2, 3, 4]]), torch.tensor([[0.0, 1.0, 1.0, 0.0]]), one.history, one.is_train, one.profiles
    )
    judged = quality(fixed_response(0.2, 0.5, 0.8, 0.5), records)
    assert judged.auc == pytest.approx(0.875)
    assert judged.log_loss == pytest.approx(-np.log([0.8, 0.5, 0.8, 0.5]).mean(), abs=1e-6)
    assert judged.mean_p == pytest.approx(0.5) and (judged.mean_y, judged.n) == (0.5, 4)


def test_answers_all_alike_cannot_be_judged(fixed_response: Any) -> None:
    records = logs(4)
    records = answered(records, torch.ones_like(records.feedback))
    with pytest.raises(TrainingError, match="8 answers to judge by, all alike"):
        quality(fixed_response(0.5, 0.5, 0.5, 0.5), records)


def test_a_saved_simulator_answers_the_same(catalogue: Catalogue) -> None:
    records = logs(200)
    fitted = fit_response_model(records, catalogue, CONFIG, 1)
    again = FittedSimulator.from_tensors(fitted.tensors, catalogue, 0, CONFIG, 1, "train")
    assert quality(again.model, records) == quality(fitted.model, records)


def test_tensors_of_another_profile_are_refused(catalogue: Catalogue) -> None:
    tensors = fit_response_model(logs(200), catalogue, CONFIG, 1).tensors
    with pytest.raises(TrainingError, match="simulator: 1 of"):
        FittedSimulator.from_tensors(tensors, catalogue, 5, CONFIG, 1, "train")
