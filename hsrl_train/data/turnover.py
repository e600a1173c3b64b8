"""Worlds whose items come and go: what a policy learned on one catalogue is worth on the next (the test that the papers motivate)."""

from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Bool, Int
from torch import Tensor

from hsrl_train.data.tensors import World
from hsrl_train.data.world import PADDING, Records
from pipeline.errors import TrainingError


@dataclass(frozen=True)
class Turnover:
    """A first catalogue, of which a share is replaced by items that nobody had seen.

    The active items are shuffled; the first 1 / (1 + ``most``) of them are the first catalogue, the others wait. Replaced are the
    first of the one by the first of the other, so that what leaves at a small share has left at a larger one too.

    Attributes:
        share: of the first catalogue, in [0, ``most``].
        seed: of the shuffle.
        most: the largest share that is asked for, in (0, 1].
    """

    share: float
    seed: int
    most: float = 0.5

    def first(self, world: World) -> World:
        """Before anything is replaced: items that wait are inactive, unknown to popularity, and in no history."""
        return _shown(world, *self._numbers(world))

    def then(self, world: World) -> World:
        """After: as many active items as before. Nobody's history holds what has just come."""
        first, waiting = self._numbers(world)
        n = round(self.share * len(first))
        return _shown(world, torch.cat([first[n:], waiting[:n]]), waiting)

    def _numbers(self, world: World) -> tuple[Int[Tensor, " a"], Int[Tensor, " w"]]:
        """Items of the first catalogue, and those that wait."""
        active = world.catalogue.is_active.nonzero().squeeze(1).numpy()
        shuffled = torch.from_numpy(np.random.default_rng(self.seed).permutation(active))
        n_first = round(len(shuffled) / (1 + self.most))
        k = world.records.k
        if n_first < k:
            raise TrainingError(
                f"turnover: {n_first} of {len(shuffled)} active items are the first catalogue, expected the slate's {k} at least"
            )
        return shuffled[:n_first], shuffled[n_first:]


def _shown(world: World, active: Int[Tensor, " a"], unseen: Int[Tensor, " w"]) -> World:
    """The world with these items active, and these in no history and with no likes; sessions begin without memory of what was shown."""
    catalogue, records = world.catalogue, world.records
    is_active, is_unseen = (_mask(numbers, len(catalogue.is_active)) for numbers in (active, unseen))
    popularity = catalogue.popularity.masked_fill(is_unseen, 0.0)
    history = without(records.history, is_unseen)
    known = Records.of(records.user, records.exposed, records.feedback, history, records.is_train, records.profiles)
    made = World.of(known, replace(catalogue, is_active=is_active, popularity=popularity))
    return replace(made, sid_fingerprint=world.sid_fingerprint)


def without(history: Int[Tensor, "b h"], is_out: Bool[Tensor, " n_plus_1"]) -> Int[Tensor, "b h"]:
    """Histories without some items: oldest first, padded on the right."""
    kept = history.masked_fill(is_out[history], PADDING)
    is_gap = (kept == PADDING).to(torch.uint8)
    return kept.gather(1, is_gap.argsort(dim=1, stable=True))


def _mask(numbers: Int[Tensor, " a"], size: int) -> Bool[Tensor, " n_plus_1"]:
    mask = torch.zeros(size, dtype=torch.bool)
    mask[numbers] = True
    return mask
