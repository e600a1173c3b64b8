"""Catalogues whose items come and go."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from hsrl_train.data.tensors import World
from hsrl_train.data.turnover import Turnover, without
from hsrl_train.data.world import Catalogue, Records
from pipeline.errors import TrainingError

N = 30


@pytest.fixture
def world() -> World:
    """Thirty items, one of them inactive; everybody liked items 1 … 6."""
    catalogue = Catalogue(
        np.arange(1, N + 1),
        torch.eye(N + 1)[:, 1:],
        torch.zeros(N + 1, 2, dtype=torch.int64),
        (4, 4),
        (torch.arange(N + 1) > 0) & (torch.arange(N + 1) != 7),
        torch.ones(N + 1),
    )
    slates = torch.ones(4, 2, dtype=torch.int64)
    history = torch.tensor([[1, 2, 3, 4, 5, 6]] * 4)
    is_train = torch.tensor([True, True, True, False])
    return World.of(Records.of(torch.arange(4), slates, torch.ones(4, 2), history, is_train, torch.zeros(4, 0)), catalogue)


def active(world: World) -> set[int]:
    return set(world.catalogue.is_active.nonzero()[:, 0].tolist())


def test_a_share_of_the_first_catalogue_gives_way_to_items_nobody_saw(world: World) -> None:
    """29 active items: 19 first, 10 wait; a fifth of 19 is 4, a half is 10."""
    some, many = Turnover(0.2, 3), Turnover(0.5, 3)
    first = active(some.first(world))
    assert len(first) == 19 and active(many.first(world)) == first
    for turnover, n in ((some, 4), (many, 10)):
        then = turnover.then(world)
        assert len(active(then)) == 19 and len(first - active(then)) == n
        assert 7 not in active(then)
        come = active(then) - first
        assert len(come) == n
        assert not {*then.records.history.flatten().tolist()} & come
        assert float(then.catalogue.popularity[sorted(come)].sum()) == 0
    assert first - active(some.then(world)) < first - active(many.then(world))


def test_what_leaves_stays_in_histories(world: World) -> None:
    turnover = Turnover(0.5, 3)
    first, then = turnover.first(world), turnover.then(world)
    assert torch.equal(first.records.history, then.records.history)
    assert {*then.records.history.flatten().tolist()} - {0} == {1, 2, 3, 4, 5, 6} & active(first)


def test_worlds_of_other_shares_have_other_fingerprints(world: World) -> None:
    made = [Turnover(share, 3).then(world) for share in (0.0, 0.2, 0.5)]
    assert len({each.fingerprint for each in made}) == 3
    assert made[0].fingerprint == Turnover(0.5, 3).first(world).fingerprint


def test_histories_close_up() -> None:
    is_out = torch.tensor([False, False, True, False, True])
    assert without(torch.tensor([[1, 2, 3, 0], [2, 4, 0, 0], [3, 4, 1, 2]]), is_out).tolist() == [
        [1, 3, 0, 0],
        [0, 0, 0, 0],
        [3, 1, 0, 0],
    ]


def test_too_few_items_are_refused(world: World) -> None:
    few = replace(world, catalogue=replace(world.catalogue, is_active=torch.arange(N + 1) == 1))
    with pytest.raises(TrainingError, match="1 of 1 active items are the first catalogue, expected the slate's 2"):
        Turnover(0.5, 0).first(few)
