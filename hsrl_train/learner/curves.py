"""Training curves: means over windows of iterations."""

from collections.abc import Mapping
from typing import NamedTuple

import torch
from torch import Tensor


class CurvePoint(NamedTuple):
    """The mean of ``metric`` over the window that ended with ``iteration`` (1 = first)."""

    iteration: int
    metric: str
    value: float


class Curves:
    """Points so far, and the sums of the window that is open.

    Args:
        every: iterations of a window.
    """

    def __init__(self, every: int) -> None:
        self.every = every
        self.points: list[CurvePoint] = []
        self._sums: dict[str, float] = {}
        self._counts: dict[str, int] = {}
        self._shown: set[int] = set()

    def add(self, metric: str, values: list[float]) -> None:
        """Values of one iteration; none where there was nothing to measure."""
        if values:
            self._sums[metric] = self._sums.get(metric, 0.0) + sum(values)
            self._counts[metric] = self._counts.get(metric, 0) + len(values)

    def show(self, slate: Tensor) -> None:
        """Count the items of slates as shown."""
        self._shown.update(slate.flatten().tolist())

    def close(self, iteration: int) -> None:
        """At the end of a window, turn its sums into points and open the next."""
        if iteration % self.every:
            return
        self.points += [
            CurvePoint(iteration, metric, total / self._counts[metric]) for metric, total in sorted(self._sums.items())
        ]
        self.points.append(CurvePoint(iteration, "distinct_items_shown", float(len(self._shown))))
        self._sums, self._counts, self._shown = {}, {}, set()

    def to_tensors(self) -> dict[str, Tensor]:
        """All of it, for a checkpoint."""
        metrics = sorted({point.metric for point in self.points})
        points = {
            f"points/{metric}": _rows([(p.iteration, p.value) for p in self.points if p.metric == metric]) for metric in metrics
        }
        sums = {f"sums/{metric}": _rows([(total, self._counts[metric])]) for metric, total in self._sums.items()}
        return {**points, **sums, "shown": torch.tensor(sorted(self._shown), dtype=torch.int64)}

    def load_tensors(self, tensors: Mapping[str, Tensor]) -> None:
        """Go on from what ``to_tensors`` gave."""
        rows = {name.removeprefix("points/"): tensor.tolist() for name, tensor in tensors.items() if name.startswith("points/")}
        points = [CurvePoint(int(iteration), metric, value) for metric, pairs in rows.items() for iteration, value in pairs]
        # a window's points in the order that close() wrote them
        self.points = sorted(points, key=lambda point: (point.iteration, point.metric == "distinct_items_shown", point.metric))
        sums = {name.removeprefix("sums/"): tensor.tolist()[0] for name, tensor in tensors.items() if name.startswith("sums/")}
        self._sums = {metric: total for metric, (total, _) in sums.items()}
        self._counts = {metric: int(count) for metric, (_, count) in sums.items()}
        self._shown = set(tensors["shown"].tolist())


def _rows(pairs: list[tuple[float, float]]) -> Tensor:
    return torch.tensor(pairs, dtype=torch.float64)
