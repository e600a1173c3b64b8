"""Deep sets: that they find out a user's kind, live, from refusals too; order; seeds; storage; refusals."""

import pytest
import torch

from hsrl_train.data.world import Records, states_of
from hsrl_train.simulator.config import SimulatorConfig
from hsrl_train.simulator.families import deep_sets
from hsrl_train.simulator.fit import FittedSimulator, fit_response_model, quality
from hsrl_train.simulator.martingale import Audit, audit_martingale
from pipeline.errors import TrainingError
from tests.support import two_kinds

CONFIG = SimulatorConfig(family="deep_sets")
CATALOGUE = two_kinds.catalogue()
SLATE = torch.tensor([[1, 20]])


@pytest.fixture(scope="module")
def records() -> Records:
    return two_kinds.log(n_users=600)


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


def test_order_does_not_count(fitted: FittedSimulator) -> None:
    first, turned = (fitted.model.logits(two_kinds.after(*shown), SLATE) for shown in ((2, -13, 4), (4, 2, -13)))
    torch.testing.assert_close(first, turned)


def test_an_item_never_shown_has_its_vector(records: Records) -> None:
    """Item 1 left out of the log: after likes of its kind it stands near the others of its kind, not near the rest."""
    without = records.select((records.exposed != 1).all(dim=1))
    model = deep_sets.read(deep_sets.fit(without, CATALOGUE, CONFIG, 1, None), CATALOGUE, 0, CONFIG)
    new, alike, unlike = model.logits(two_kinds.after(2, 3, 4, 5), torch.tensor([[1, 6, 20]]))[0]
    assert abs(new - alike) < 0.5 * abs(new - unlike)


def test_all_items_are_answered_as_a_slate_is(fitted: FittedSimulator) -> None:
    state = two_kinds.after(2, -13, 4)
    everything = fitted.model.all_logits(state)
    torch.testing.assert_close(everything[:, 1:], fitted.model.logits(state, torch.arange(1, 21)[None]))
    assert everything[0, 0] == -torch.inf
    assert fitted.model.tastes(state, torch.Generator()).shape == (1, 0)


def test_a_seed_decides_the_judge_and_torch_stays_as_it_was(records: Records) -> None:
    before = torch.random.get_rng_state()
    first, again, other = (deep_sets.fit(records, CATALOGUE, CONFIG, seed, None) for seed in (1, 1, 2))
    assert torch.equal(torch.random.get_rng_state(), before)
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not torch.equal(first["item_by_id.weight"], other["item_by_id.weight"])


def test_the_penalty_holds_forecasts_still(records: Records, fitted: FittedSimulator, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without it the same fit drifts more."""
    monkeypatch.setattr(deep_sets, "DRIFT_PENALTY", 0.0)
    free = fit_response_model(records, CATALOGUE, CONFIG, seed=1)
    states = states_of(records.select(~records.is_train))
    audit = Audit(k=2, n_slates=2, n_draws=8, n_asked=4, n_candidates=8)
    held, loose = (
        audit_martingale(each.model, CATALOGUE, states, torch.Generator().manual_seed(0), audit).answers
        for each in (fitted, free)
    )
    assert held.rms_high < loose.rms_low


def test_tensors_of_other_items_are_refused(fitted: FittedSimulator) -> None:
    fewer = {**fitted.tensors, "rate": fitted.tensors["rate"][:-1]}
    with pytest.raises(TrainingError, match=r"rate is \(20,\), not \(21,\)"):
        deep_sets.read(fewer, CATALOGUE, 0, CONFIG)


def test_a_loss_that_is_no_number_stops_the_fit(records: Records) -> None:
    """2,400 training records in batches of 16 are 150 updates a pass, two passes."""
    spoilt = two_kinds.catalogue()
    spoilt.vectors[2] = torch.nan
    with pytest.raises(TrainingError, match="loss of update 1 of 300 is nan"):
        deep_sets.fit(records.select(records.is_train), spoilt, CONFIG, 1, None)


def test_progress_is_reported_after_every_update(records: Records) -> None:
    reports: list[tuple[int, int]] = []
    deep_sets.fit(records.select(torch.arange(40)), CATALOGUE, CONFIG, 1, lambda done, of: reports.append((done, of)))
    assert reports == [(done, 6) for done in range(1, 7)]
