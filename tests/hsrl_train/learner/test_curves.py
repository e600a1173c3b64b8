"""Windows of training curves."""

import torch

from hsrl_train.learner.curves import CurvePoint, Curves


def run(curves: Curves, iterations: range) -> None:
    for iteration in iterations:
        curves.add("reward", [float(iteration)])
        curves.add("never", [])
        curves.show(torch.tensor([[1, iteration % 4 + 1]]))
        curves.close(iteration)


def test_a_point_is_the_mean_of_its_window() -> None:
    """Windows of 2: rewards (1, 2) and (3, 4); items shown (1, 2), (1, 3) and then (1, 4), (1, 1); iteration 5 is still open."""
    curves = Curves(every=2)
    run(curves, range(1, 6))
    assert curves.points == [
        CurvePoint(2, "reward", 1.5),
        CurvePoint(2, "distinct_items_shown", 3.0),
        CurvePoint(4, "reward", 3.5),
        CurvePoint(4, "distinct_items_shown", 2.0),
    ]


def test_a_window_may_be_cut_by_a_checkpoint() -> None:
    whole, first, second = (Curves(every=4) for _ in range(3))
    run(whole, range(1, 13))
    run(first, range(1, 7))
    second.load_tensors(first.to_tensors())
    run(second, range(7, 13))
    assert second.points == whole.points
