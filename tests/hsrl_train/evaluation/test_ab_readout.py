"""The read-out of an A/B test on groups whose difference is known."""

import numpy as np
import pytest

from hsrl_train.evaluation.ab_readout import LONGEST, Spread, days_needed, lift, spread_of, users_needed
from pipeline.errors import TrainingError


def groups(seed: int, difference: float, n: int = 400) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Users of standard deviation 1, of which 0.9 was there before the test; control, treatment and both before."""
    generator = np.random.default_rng(seed)
    before = generator.normal(size=2 * n)
    now = 0.9 * before + (1 - 0.81) ** 0.5 * generator.normal(size=2 * n) + 5
    return now[:n], now[n:] + difference, before[:n], before[n:]


def test_intervals_hold_what_they_promise_and_cuped_narrows_them() -> None:
    """Of 200 tests nineteen in twenty hold the true difference; CUPED leaves 1 − ρ² = 0.19 of the variance."""
    plain, adjusted = [], []
    for seed in range(200):
        control, treatment, control_before, treatment_before = groups(seed, 0.1)
        plain.append(lift("reward", control, treatment))
        adjusted.append(lift("reward", control, treatment, (control_before, treatment_before)))
    for found in (plain, adjusted):
        held = np.mean([each.low <= 0.1 <= each.high for each in found])
        assert 0.9 <= held <= 0.99
        assert np.mean([each.difference for each in found]) == pytest.approx(0.1, abs=0.02)
    assert np.mean([each.variance_left for each in adjusted]) == pytest.approx(0.19, abs=0.02)
    widths = [np.mean([each.high - each.low for each in found]) for found in (plain, adjusted)]
    assert widths[1] / widths[0] == pytest.approx(0.19**0.5, abs=0.02)


def test_a_constant_before_takes_nothing_out() -> None:
    control, treatment, *_ = groups(0, 0.5)
    still = np.ones(len(control))
    assert lift("reward", control, treatment, (still, still)).difference == lift("reward", control, treatment).difference


def test_that_many_users_find_the_difference_in_four_tests_of_five() -> None:
    """The textbook figure for half a standard deviation is 64 in each arm."""
    assert users_needed(1.0, 0.5) == 64
    assert users_needed(2.0, -1.0) == 64
    assert users_needed(1.0, 5.0) <= 3 and users_needed(0.0, 1.0) == 2
    generator = np.random.default_rng(0)
    found = [lift("x", generator.normal(size=64), generator.normal(0.5, size=64)).p_value < 0.05 for _ in range(500)]
    assert np.mean(found) == pytest.approx(0.8, abs=0.05)
    with pytest.raises(ValueError, match="no number of users"):
        users_needed(1.0, 0.0)


def test_an_empty_arm_is_refused() -> None:
    with pytest.raises(TrainingError, match="1 and 9 users came, expected two at least in each arm"):
        lift("reward", np.ones(1), np.ones(9))


def test_users_who_come_every_day_are_told_from_new_ones() -> None:
    """Of 2,000 users whose long run has a variance of 1 and whose days one of 4 about it, over 7 days; CUPED leaves half of the mean's."""
    generator = np.random.default_rng(0)
    days = generator.normal(size=2000) + 2 * generator.normal(size=(7, 2000))
    found = spread_of(days)
    assert (found.between, found.within) == (pytest.approx(1, abs=0.1), pytest.approx(4, abs=0.1))
    assert found.of_mean(7) == pytest.approx(days.mean(axis=0).std(ddof=1))
    assert spread_of(days, 0.5).of_mean(7) == pytest.approx(0.5**0.5 * found.of_mean(7))
    assert spread_of(days[:1]).of_mean(30) == pytest.approx(days[0].std(ddof=1)), "a single day tells nothing of another"


def test_a_longer_test_averages_days_and_not_users() -> None:
    """64 users find half a standard deviation (1 between them); with days of variance 4 about that they never do, 80 do after some weeks."""
    assert days_needed(Spread(1.0, 4.0), 0.5, 64) is None
    n_days = days_needed(Spread(1.0, 4.0), 0.5, 80)
    assert n_days is not None and 7 < n_days < LONGEST
    needed = [users_needed(Spread(1.0, 4.0).of_mean(days), 0.5) for days in (n_days - 1, n_days)]
    assert needed[0] > 80 >= needed[1]
    generator = np.random.default_rng(1)

    def arm(difference: float) -> np.ndarray:
        means: np.ndarray = (generator.normal(size=80) + 2 * generator.normal(size=(n_days, 80))).mean(axis=0) + difference
        return means

    found = [lift("x", arm(0.0), arm(0.5)).p_value < 0.05 for _ in range(500)]
    assert np.mean(found) == pytest.approx(0.8, abs=0.05)
    assert days_needed(Spread(0.0, 4.0), 0.5, 64) == 4
