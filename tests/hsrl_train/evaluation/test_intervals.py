"""Intervals over users and simulators."""

import numpy as np
import pytest

from hsrl_train.evaluation.intervals import mean_interval


def test_one_simulator_gives_the_t_interval_over_users() -> None:
    """(1, 2, 3): mean 2, sd 1, se 1/√3, t(.975, 2) = 4.303: 2 ± 2.484."""
    interval = mean_interval(np.array([[1.0, 2.0, 3.0]]))
    assert (interval.low, interval.mean, interval.high) == pytest.approx((-0.484, 2, 4.484), abs=1e-3)


def test_simulators_that_differ_widen_the_interval() -> None:
    """Users all alike, simulators at 1 and 3: only the simulators' part is left, var 2 / 2 = 1, t(.975, 1) = 12.706."""
    interval = mean_interval(np.array([[1.0, 1.0, 1.0], [3.0, 3.0, 3.0]]))
    assert (interval.mean, interval.high - interval.mean) == pytest.approx((2, 12.706), abs=1e-3)


def test_values_without_spread_have_a_point_for_an_interval() -> None:
    interval = mean_interval(np.full((2, 3), 5.0))
    assert (interval.low, interval.mean, interval.high) == (5, 5, 5)


def test_the_interval_covers_the_mean_as_often_as_it_says() -> None:
    """Simulators spread by 1 and users by 2 around 0, six simulators by 100 users, 400 times: near 95 %, never far below."""
    random = np.random.default_rng(1)
    intervals = [
        mean_interval(random.normal(size=(6, 1)) + 2 * random.normal(size=(1, 100)) + random.normal(size=(6, 100)))
        for _ in range(400)
    ]
    assert 0.92 <= np.mean([i.low <= 0 <= i.high for i in intervals]) <= 0.98


def test_seeds_that_differ_widen_the_interval() -> None:
    """Two seeds at 1 and 3, one simulator, users alike: var 2 / 2 = 1, t(.975, 1) = 12.706; the simulator's own part is unknown."""
    interval = mean_interval(np.array([[[1.0, 1.0, 1.0]], [[3.0, 3.0, 3.0]]]))
    assert (interval.mean, interval.high - interval.mean) == pytest.approx((2, 12.706), abs=1e-3)


def test_one_seed_changes_nothing() -> None:
    values = np.random.default_rng(0).normal(size=(3, 20))
    assert mean_interval(values[None]) == mean_interval(values)
