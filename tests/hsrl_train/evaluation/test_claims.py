"""The rule of claims on planted gains, exploits and noise."""

import numpy as np
import pytest

from hsrl_train.evaluation.claims import Claim, Compared, claim
from hsrl_train.evaluation.intervals import Interval

FAMILIES = ("attention", "attention", "trees", "trees", "deep_sets", "deep_sets")
RISEN, FALLEN = Interval(0.004, 0.001, 0.007), Interval(-0.02, -0.024, -0.016)


def compared(gains: tuple[float, ...], families: tuple[str, ...] = FAMILIES, seed: int = 0, n_seeds: int = 3) -> Compared:
    """A reference of 8 and a method that gains so much in each simulator; users differ, alike for both."""
    rng = np.random.default_rng(seed)
    reference = 8 + rng.normal(0, 3, (n_seeds, len(families), 400))
    return Compared(reference + np.array(gains)[:, None] + rng.normal(0, 0.5, reference.shape), reference, families)


def own(gain: float) -> Compared:
    return compared((gain, gain), ("latent", "latent"), seed=9)


def test_a_gain_in_every_family_that_people_confirm_is_better() -> None:
    found = claim(compared((0.3, 0.3, 0.2, 0.2, 0.4, 0.4)), own(0.3), {"auc_in_slate": RISEN})
    assert found.verdict == "better"
    assert found.panel is not None
    assert found.panel.mean == pytest.approx(0.3, abs=0.05)
    assert found.worst_family == "trees"
    assert found.worst_share == pytest.approx(0.2 / 8, abs=0.005)


def test_an_exploiter_gains_at_home_only() -> None:
    """The figures of the search for foresight beside item-level SASRec, as they were found (docs/learner.md)."""
    found = claim(compared((-1.8, -1.8, -2.2, -2.2, 0.5, 0.5)), own(1.0), {"auc_in_slate": FALLEN})
    assert found.verdict == "in its own family only"
    assert (found.worst_family, found.own is not None and found.own.low > 0) == ("trees", True)


def test_a_gain_that_one_family_pays_for_is_not_better() -> None:
    gains = (0.8, 0.8, -0.3, -0.3, 0.6, 0.6)
    assert claim(compared(gains), own(0.8), {"auc_in_slate": RISEN}).verdict == "not by every judge"
    assert claim(compared(gains), None, {}).verdict == "not by every judge"
    assert claim(compared(gains), None, {}, tolerance=0.05).verdict == "better"


def test_a_gain_that_people_speak_against_is_not_better() -> None:
    gains = (0.3,) * 6
    assert claim(compared(gains), own(0.3), {"auc_in_slate": RISEN, "ndcg_in_slate": FALLEN}).verdict == "not by every judge"
    assert claim(compared(gains), own(0.3), {"auc_in_slate": RISEN}).verdict == "better"


def test_a_loss_is_worse_and_noise_is_neither() -> None:
    assert claim(compared((-0.3,) * 6), own(0.0), {}).verdict == "worse"
    verdicts = [claim(compared((0.0,) * 6, seed=seed), None, {}).verdict for seed in range(200)]
    assert (
        sum(verdict in ("better", "not by every judge") for verdict in verdicts) <= 12
    )  # 2.5 % of 200 is 5; twelve or more come once in 200 such tests
    assert set(verdicts) <= {"no difference shown", "worse", "better", "not by every judge"}


def test_shares_are_of_the_reference_of_each_family() -> None:
    reference = np.array([[2.0, 2.0], [10.0, 10.0]])
    found = Compared(reference + 1, reference, ("a", "b")).by_family
    assert found == {"a": 0.5, "b": 0.1}


def test_a_method_of_several_seeds_beside_a_reference_of_one() -> None:
    rng = np.random.default_rng(0)
    reference = rng.normal(8, 2, (1, 6, 200))
    method = np.repeat(reference, 5, axis=0) + 0.5 + rng.normal(0, 0.1, (5, 6, 200))
    found: Claim = claim(Compared(method, reference, FAMILIES), None, {})
    assert found.verdict == "better"
    assert found.panel is not None
    assert found.panel.low < 0.5 < found.panel.high


def test_without_other_families_no_more_than_its_own_is_claimed() -> None:
    assert claim(None, own(0.5), {"auc_in_slate": RISEN}).verdict == "in its own family only"
    assert claim(None, own(0.0), {}).verdict == "no difference shown"
    assert claim(None, own(-0.5), {}).verdict == "worse in its own family only"


def test_what_loses_at_home_and_elsewhere_is_worse_and_at_home_alone_is_that() -> None:
    assert claim(compared((-0.3,) * 6), own(-0.5), {}).verdict == "worse"
    assert claim(compared((0.0,) * 6), own(-0.5), {}).verdict == "worse in its own family only"
