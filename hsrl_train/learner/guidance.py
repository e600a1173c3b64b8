"""HG's gate: which steps of whole sessions a low level may learn from, and which goals an expert labels, as tables over the replay."""

from collections.abc import Mapping
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

# Sessions whose totals tell what a success is, and how many there must be.
N_TOTALS, LEAST_TOTALS = 1000, 20
NO_LABEL = -1


class Taken(NamedTuple):
    """A step of a running session.

    Attributes:
        serial: its number among all steps.
        goal: that its slate was chosen for.
        label: the expert's goal where a segment begins with this step, or ``NO_LABEL``.
        is_start: whether a segment begins with it.
        reward: of its slate.
    """

    serial: int
    goal: int
    label: int
    is_start: bool
    reward: float


class Guidance:
    """What is known of the newest steps, by serial number modulo the capacity of the replay; both forget the same ones.

    Args:
        capacity: of the replay.
        success_share: best share of the last sessions that is not labelled.
        gamma: discount of returns.

    Attributes:
        is_kept: whether the gate let the step through: the low level's experience.
        label: the expert's goal for the state before the step, or ``NO_LABEL``.
        bonus: pseudo-reward of each item at a segment's end.
        return_to_go: discounted return from a segment's first step; NaN where none begins, or the session goes on.
        n_labels: labels given so far.
    """

    def __init__(self, capacity: int, success_share: float, gamma: float) -> None:
        self.capacity, self.success_share, self.gamma = capacity, success_share, gamma
        self.is_kept: Bool[Tensor, " n"] = torch.zeros(capacity, dtype=torch.bool)
        self.label: Int[Tensor, " n"] = torch.full((capacity,), NO_LABEL)
        self.bonus: Float[Tensor, " n"] = torch.zeros(capacity)
        self.return_to_go: Float[Tensor, " n"] = torch.full((capacity,), torch.nan)
        self.n_labels = 0
        self._open: dict[int, list[Taken]] = {}
        self._totals: list[float] = []

    def take(self, row: int, step: Taken, bonus: float) -> None:
        """Note a step of the session that runs in ``row``; what an older step had there is forgotten."""
        place = step.serial % self.capacity
        self.is_kept[place], self.label[place], self.return_to_go[place] = False, NO_LABEL, torch.nan
        self.bonus[place] = bonus
        self._open.setdefault(row, []).append(step)

    def close(self, row: int) -> None:
        """Judge the session of ``row``, which is over.

        A session that succeeds as a whole is kept and not labelled. Else its segments are walked in order: each is labelled, and kept while
        goal and label agree; after the first that differs nothing is. Where the expert knows nothing yet the gate stands open.
        """
        steps = self._open.pop(row)
        self._note_returns(steps)
        is_success = self._is_success(sum(step.reward for step in steps))
        is_open = True
        for step in steps:
            if step.is_start and not is_success:
                if not is_open:
                    break
                if step.label != NO_LABEL:
                    self.label[step.serial % self.capacity] = step.label
                    self.n_labels += 1
                    is_open = step.goal == step.label
            if is_open:
                self.is_kept[step.serial % self.capacity] = True

    def _note_returns(self, steps: list[Taken]) -> None:
        followed = 0.0
        for step in reversed(steps):
            followed = step.reward + self.gamma * followed
            if step.is_start:
                self.return_to_go[step.serial % self.capacity] = followed

    def _is_success(self, total: float) -> bool:
        others, self._totals = self._totals, [*self._totals, total][-N_TOTALS:]
        if len(others) < LEAST_TOTALS or not self.success_share:
            return False
        return sum(other >= total for other in others) < self.success_share * len(others)

    def to_tensors(self) -> dict[str, Tensor]:
        """All of it, for a checkpoint."""
        running = [[row, *map(float, step)] for row, steps in self._open.items() for step in steps]
        return {
            "is_kept": self.is_kept.clone(),
            "label": self.label.clone(),
            "bonus": self.bonus.clone(),
            # A checkpoint holds finite numbers alone; returns are far above this.
            "return_to_go": self.return_to_go.nan_to_num(nan=torch.finfo(torch.float32).min),
            "n_labels": torch.tensor(self.n_labels),
            "open": torch.tensor(running, dtype=torch.float64).reshape(len(running), 6),
            "totals": torch.tensor(self._totals, dtype=torch.float64),
        }

    def load_tensors(self, tensors: Mapping[str, Tensor]) -> None:
        """Go on from what ``to_tensors`` gave."""
        self.is_kept, self.label = tensors["is_kept"].clone(), tensors["label"].clone()
        self.bonus, self.return_to_go = tensors["bonus"].clone(), tensors["return_to_go"].clone()
        self.return_to_go[self.return_to_go == torch.finfo(torch.float32).min] = torch.nan
        self.n_labels = int(tensors["n_labels"])
        self._totals = tensors["totals"].tolist()
        self._open = {}
        for row, serial, goal, label, is_start, reward in tensors["open"].tolist():
            step = Taken(int(serial), int(goal), int(label), bool(is_start), reward)
            self._open.setdefault(int(row), []).append(step)
