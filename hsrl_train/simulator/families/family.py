"""What a family of simulated users is: how it is fitted to logged answers, and how it answers once it is."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from torch import Tensor

from hsrl_train.data.world import Catalogue, Records, ResponseModel
from hsrl_train.simulator.config import SimulatorConfig

Progress = Callable[[int, int], None]


class Fit(Protocol):
    """Fits one model; TrainingError where there is nothing to fit, or no number comes of it."""

    def __call__(
        self, records: Records, catalogue: Catalogue, config: SimulatorConfig, seed: int, progress: Progress | None
    ) -> dict[str, Tensor]:
        """See ``Family.fit``."""
        ...


class Read(Protocol):
    """Builds the model; TrainingError where the tensors do not fit."""

    def __call__(
        self, tensors: Mapping[str, Tensor], catalogue: Catalogue, profile_width: int, config: SimulatorConfig
    ) -> ResponseModel:
        """See ``Family.read``."""
        ...


@dataclass(frozen=True)
class Family:
    """A kind of simulated users.

    Attributes:
        name: in ``simulator.family`` and ``evaluation.families``.
        fit: the tensors of a model, from the records to fit on, the items, the settings and a seed; ``progress`` is called with (steps
            done, steps in all).
        read: the model of such tensors, over the same items.
        fitted_as: the family whose tensors it shares, where it only answers otherwise; its own name where it is fitted itself.
    """

    name: str
    fit: Fit
    read: Read
    fitted_as: str
