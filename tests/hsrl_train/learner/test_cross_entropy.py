"""The cross-entropy method on a hill whose top is known."""

from typing import Any

import pytest
import torch

from hsrl_train.learner.cross_entropy import LEAST_SPREAD, cross_entropy_search

TOP = torch.tensor([1.0, -2.0, 0.5])


def test_it_climbs_a_hill_and_tells_how_high_it_stood() -> None:
    told: list[Any] = []
    found = cross_entropy_search(
        lambda x: -(x - TOP).square().sum(dim=1),
        3,
        n_rounds=30,
        n_candidates=50,
        first_spread=1.0,
        generator=torch.Generator().manual_seed(0),
        progress=lambda done, value: told.append((done, value)),
    )
    assert found.tolist() == pytest.approx(TOP.tolist(), abs=0.15)
    assert told[0] == (1, pytest.approx(-float(TOP.square().sum())))  # it begins at zero
    assert [done for done, _ in told] == list(range(1, 31)) and told[-1][1] > -0.2


def test_no_coordinate_is_settled_by_one_round() -> None:
    """All candidates as good: whichever are kept, the next are spread by the least share at least, in every coordinate."""
    seen: list[torch.Tensor] = []

    def alike(candidates: torch.Tensor) -> torch.Tensor:
        seen.append(candidates)
        return torch.arange(len(candidates)).float()

    cross_entropy_search(
        alike,
        2,
        n_rounds=60,
        n_candidates=10,
        first_spread=6.0,
        generator=torch.Generator().manual_seed(0),
    )
    spreads = torch.stack([x[1:].std(dim=0) for x in seen[20:]]).mean(dim=0)
    assert (spreads > 0.8 * 6.0 * LEAST_SPREAD).all()
    assert torch.equal(seen[0][0], torch.zeros(2)), "the mean so far is a candidate"
