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


def test_families_weigh_alike_and_leave_open_what_their_own_simulators_do() -> None:
    """Family a has simulators at 1 and 3, b one at 6: mean (2 + 6) / 2; var 2 / 2 of a weighs ¼, b's own part is unknown.

    se = ½ with one degree of freedom: 4 ± 12.706 / 2. As one family the mean is 10 / 3.
    """
    values = np.repeat([[1.0], [3.0], [6.0]], 4, axis=1)
    interval = mean_interval(values, ("a", "a", "b"))
    assert (interval.mean, interval.high - interval.mean) == pytest.approx((4, 6.353), abs=1e-3)
    assert mean_interval(values).mean == pytest.approx(10 / 3)
    assert mean_interval(values, ("a", "a", "a")) == mean_interval(values)


def test_two_families_add_up_with_their_freedoms() -> None:
    """a at 1 and 3, b at 4, 6 and 8: variances of their means 2 / 2 and 4 / 3, each ¼: .5833; freedom .5833² / (.0625 / 1 + .1111 / 2)."""
    interval = mean_interval(np.repeat([[1.0], [3.0], [4.0], [6.0], [8.0]], 2, axis=1), ("a", "a", "b", "b", "b"))
    freedom = 0.58333**2 / (0.25**2 + 0.33333**2 / 2)
    assert freedom == pytest.approx(2.882, abs=1e-3)
    assert interval.mean == pytest.approx(4)
    assert interval.high - 4 == pytest.approx(3.2633 * 0.58333**0.5, abs=0.01)  # t(.975, 2.882), between 4.303 and 3.182


def test_families_count_in_the_users_part_as_in_the_mean() -> None:
    """Two simulators of a alike, one of b: users' means (0, 2) in a and (4, 4) in b average to (2, 3), se² = .5 / 2."""
    interval = mean_interval(np.array([[0.0, 2.0], [0.0, 2.0], [4.0, 4.0]]), ("a", "a", "b"))
    assert (interval.mean, interval.high - interval.mean) == pytest.approx((2.5, 12.706 * 0.5), abs=1e-3)
