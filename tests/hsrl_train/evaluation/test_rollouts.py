"""Whole sessions in worlds with known answers."""

import numpy as np
import pytest
import torch

from hsrl_train.evaluation.baselines import ConstantSlate, GreedyOracle, RandomSlates
from hsrl_train.evaluation.rollouts import Rollouts, evaluate, paired_difference, summarise
from pipeline.errors import TrainingError


def test_how_far_a_judgement_is_is_told_after_every_slate(two_shelves) -> None:
    """Two simulators, 30 sessions each: rising, and at the end all 60."""
    seen: list[tuple[int, int]] = []
    policy, environment = ConstantSlate(torch.tensor([1, 2])), two_shelves.environment
    evaluate(
        "row",
        [policy] * 2,
        [environment] * 2,
        two_shelves.shared(30),
        lambda *counts: seen.append(counts),
    )
    over = [done for done, _ in seen]
    assert over == sorted(over) and over[-1] == 60 and {total for _, total in seen} == {60} and len(seen) > 10


def value_of(world, policy, n: int = 6_000) -> tuple[float, float]:
    """Reward and depth, rounded as docs/baselines.md gives them."""
    row = summarise(evaluate("row", [policy], [world.environment], world.shared(n)))
    assert row.temper_law > world.environment.config.temper0 - 1
    return row.total_reward, row.depth


def test_shelf_a_is_worth_what_it_is_known_to_be(two_shelves) -> None:
    """Exact 5.363 / 10.314; a session's standard deviation is about 2.3, so that 6,000 give ± .06."""
    assert value_of(two_shelves, ConstantSlate(torch.tensor([1, 2]))) == pytest.approx((5.363, 10.314), abs=0.1)


def test_shelf_b_is_worth_twice_as_much(two_shelves) -> None:
    """Exact 10.731 / 13.725; the standard deviation is about 4."""
    assert value_of(two_shelves, ConstantSlate(torch.tensor([3, 4]))) == pytest.approx((10.731, 13.725), abs=0.16)


def test_greedy_is_myopic_on_two_shelves(two_shelves) -> None:
    """.6 beats .35 at first, and A never teaches the user to like B: greedy is always A."""
    oracle = GreedyOracle(two_shelves.environment.models)
    assert value_of(two_shelves, oracle) == pytest.approx((5.363, 10.314), abs=0.1)


def test_a_hidden_genre_is_met_by_chance_only(four_genres) -> None:
    """Random 1.24 / 7.69 and one fixed genre 3.23 / 8.83, each measured over 4,000 episodes."""
    assert value_of(four_genres, RandomSlates(torch.arange(1, 9))) == pytest.approx((1.24, 7.69), abs=0.15)
    assert value_of(four_genres, ConstantSlate(torch.tensor([1, 2]))) == pytest.approx((3.23, 8.83), abs=0.15)


def test_every_policy_meets_the_same_luck(two_shelves) -> None:
    """The same slate in another order meets the same luck at the same places; two runs of one policy agree to the last digit."""
    world, first = two_shelves, ConstantSlate(torch.tensor([1, 2]))
    sessions = ([world.environment], world.shared(700, seed=3))
    a, again, swapped = (evaluate("a", [p], *sessions) for p in (first, first, ConstantSlate(torch.tensor([2, 1]))))
    assert np.array_equal(a.rewards, again.rewards)
    assert np.array_equal(a.rewards, swapped.rewards)
    assert not np.array_equal(a.rewards, evaluate("a", [first], [world.environment], world.shared(700, seed=4)).rewards)


def test_each_simulator_is_played_by_its_own_policy(two_shelves) -> None:
    world, counts = two_shelves, []
    shelves = [ConstantSlate(torch.tensor([1, 2])), ConstantSlate(torch.tensor([3, 4]))]
    played = evaluate(
        "both",
        shelves,
        [world.environment] * 2,
        world.shared(600),
        progress=lambda done, of: counts.append((done, of)),
    )
    assert played.rewards.shape == (2, 600)
    assert played.rewards.mean(axis=1).tolist() == pytest.approx([5.36, 10.73], abs=0.5)
    # Both items of a shelf are shown in every slate; A's slates are counted by the first row, B's by the second.
    assert played.exposure.tolist() == [played.depths[0].sum()] * 2 + [played.depths[1].sum()] * 2
    # Sessions that are over, of 600 in each of the two; told after every slate.
    assert counts[-1] == (1200, 1200) and [done for done, _ in counts] == sorted(done for done, _ in counts)


def test_a_row_of_the_results_by_hand() -> None:
    """Rewards (1, 3) and (3, 5), depths all 4, K = 2.

    Mean 3, sd √(8/3), users' means (2, 4) with variance 2, spent 3 · 4 − 2 · 3 = 6.
    """
    played = Rollouts("x", 2, np.array([[1.0, 3.0], [3.0, 5.0]]), np.full((2, 2), 4), np.array([8, 0, 8]))
    row = summarise(played)
    assert (row.total_reward, row.depth, row.user_reward_variance, row.temper_law) == (3, 4, 2, 6)
    assert row.total_reward_sd == pytest.approx((8 / 3) ** 0.5)
    assert (row.n_simulators, row.n_sessions, row.distinct_items) == (2, 2, 2)
    assert row.ci_low < 3 < row.ci_high


def test_the_paired_difference_is_surer_than_the_rows() -> None:
    """b = a − 1 in every session: the difference is 1 for sure, however far the sessions spread."""
    rewards = np.array([[1.0, 9.0, 5.0]])
    a, b = (Rollouts(name, 1, r, np.ones((1, 3), int), np.ones(1, int)) for name, r in (("a", rewards), ("b", rewards - 1)))
    difference = paired_difference(a, b)
    assert (difference.low, difference.mean, difference.high) == (1, 1, 1)


def test_rows_of_other_sessions_cannot_be_paired() -> None:
    a, b = (Rollouts(name, 1, np.ones((1, n)), np.ones((1, n), int), np.ones(1, int)) for name, n in (("a", 2), ("b", 3)))
    with pytest.raises(ValueError, match="a has"):
        paired_difference(a, b)


@pytest.mark.parametrize("slate", [[1, 1], [0, 1]], ids=["repeat", "padding"])
def test_a_slate_that_may_not_be_shown_is_refused(two_shelves, slate: list[int]) -> None:
    world = two_shelves
    with pytest.raises(TrainingError, match="cheat: 3 of 3 slates"):
        evaluate("cheat", [ConstantSlate(torch.tensor(slate))], [world.environment], world.shared(3))
