"""The charts of studies: paired differences with their intervals, sweeps, and curves over a training; axes named, values at their points."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from flows.plots.style import INK, colour, figure, head, label_ends

_UNIT = "total reward a session"
_PAIRED = "difference in total reward a session,\npaired, 95 % interval"
_COLOURS = {"worse": colour(1), "better": colour(2)}  # of verdicts; the others are black
_ROW, _FRAME = 0.34, 1.45  # inches of a row, and of what stands above and below the rows
_OUTLYING = 4.0  # times the middle reach from 0, beyond which a difference stands at the edge, written out


@dataclass(frozen=True)
class Point:
    """A mean with the ends of its interval.

    Attributes:
        x: a position on an axis, or the number of a row.
        verdict: of the rule of claims, which asks more than the interval does; None where nothing was claimed.
    """

    x: float
    mean: float
    low: float
    high: float
    verdict: str | None = None

    @property
    def reach(self) -> float:
        """How far from 0 the interval goes."""
        return max(abs(self.low), abs(self.high))


@dataclass(frozen=True)
class Dots:
    """A value for each row: ``name`` of all of them, ``values`` from the first row to the last."""

    name: str
    values: tuple[float, ...]


@dataclass(frozen=True)
class Curve:
    """A line with a band around it."""

    name: str
    points: tuple[Point, ...]


@dataclass(frozen=True)
class Sweep:
    """A setting over its values.

    Attributes:
        setting: below the axis.
        ticks: the values, from left to right; a point's ``x`` is the number of its value.
        points: paired differences from the configured variant.
        base: number of the configured value, whose difference is 0; None where it is none of the values.
    """

    setting: str
    ticks: tuple[str, ...]
    points: tuple[Point, ...]
    base: int | None


def difference_chart(
    title: str, rows: Sequence[str], means: Sequence[Dots], differences: Sequence[Point], marks: Sequence[tuple[str, float]]
) -> Figure:
    """Means on the left, and beside them how far each row is from the first, with the interval of that difference.

    Args:
        title: the heading.
        rows: names, from top to bottom.
        means: what the left side shows, each in a colour.
        differences: their ``x`` is the number of the row, 0 = first; the first row is what all are compared with.
        marks: name and mean of rows that all are compared with by eye, as dashed lines.
    """
    made = figure(11.5, _FRAME + _ROW * len(rows))
    head(made, title)
    left, right = made.subplots(1, 2, sharey=True, width_ratios=(1, 1.35))
    _means(left, means, marks)
    left.set(yticks=range(len(rows)), yticklabels=rows, ylim=(len(rows) - 0.4, -0.6), xlabel=_UNIT)
    _differences(right, differences, rows[0])
    made.legend(*left.get_legend_handles_labels(), loc="outside upper right", frameon=False, ncols=2, fontsize=9)
    return made


def _means(axes: Axes, means: Sequence[Dots], marks: Sequence[tuple[str, float]]) -> None:
    for number, dots in enumerate(means):
        filled = colour(number) if number == 0 else "none"
        axes.plot(dots.values, range(len(dots.values)), "o", color=colour(number), markerfacecolor=filled, label=dots.name)
    for number, (name, value) in enumerate(sorted(marks, key=lambda mark: mark[1])):
        axes.axvline(value, color=INK, linewidth=0.8, linestyle=(0, (3, 3)))
        axes.annotate(
            f" {name}", (value, 1.0), xycoords=("data", "axes fraction"), xytext=(0, 3 + 10 * (number % 3)),
            textcoords="offset points", fontsize=7.5, ha="center",
        )  # fmt: skip
    axes.grid(visible=False, axis="y")


def _differences(axes: Axes, differences: Sequence[Point], first: str) -> None:
    """A difference each, with its interval, coloured as its verdict or, without one, as the interval is above or below 0.

    Those far beyond the others stand at the edge as an arrow and their value.
    """
    edge = _edge(differences)
    axes.axvline(0, color=INK, linewidth=0.8)
    for point in differences:
        shade = _COLOURS.get(point.verdict or _by_interval(point), INK)
        if abs(point.mean) > edge:
            side = edge if point.mean > 0 else -edge
            axes.plot([side], [point.x], ">" if side > 0 else "<", color=shade)
            text = f"{point.mean:+.2f} [{point.low:+.2f} … {point.high:+.2f}]"
            _at_point(axes, text, (side, point.x), (-9 if side > 0 else 9, 0), ha="right" if side > 0 else "left")
            continue
        ends = (max(point.low, -edge), min(point.high, edge))
        axes.plot(ends, [point.x, point.x], color=shade, linewidth=1.4, solid_capstyle="butt")
        axes.plot([point.mean], [point.x], "o", color=shade, markersize=5)
        _at_point(axes, f"{point.mean:+.2f}", (point.mean, point.x), (0, 5), ha="center", va="bottom")
    axes.set(xlim=(-1.08 * edge, 1.08 * edge), xlabel=f"{_PAIRED}; 0 = {first}")
    axes.grid(visible=False, axis="y")
    if any(point.verdict for point in differences):
        axes.set_title("in colour: better or worse by the rule of claims (docs/learner.md)", fontsize=7.5, loc="right")


def _by_interval(point: Point) -> str:
    return "worse" if point.high < 0 else "better" if point.low > 0 else "no difference shown"


def _edge(differences: Sequence[Point]) -> float:
    """Half the width of the axis: as wide as the differences need, but for those far beyond the middle one."""
    reaches = sorted(point.reach for point in differences) or [1.0]
    middle = reaches[len(reaches) // 2]
    near = [reach for reach in reaches if reach <= _OUTLYING * middle]
    return max(near, default=0.0) or 1.0


def sweep_chart(title: str, sweeps: Sequence[Sweep]) -> Figure:
    """Each setting in axes of its own: how far each of its values is from the configured one."""
    made = figure(1.2 + 3.6 * len(sweeps), 3.6)
    head(made, title)
    for number, (axes, sweep) in enumerate(zip(made.subplots(1, len(sweeps), squeeze=False)[0], sweeps, strict=True)):
        axes.axhline(0, color=INK, linewidth=0.8)
        for point in sweep.points:
            axes.plot([point.x, point.x], [point.low, point.high], color=colour(0), linewidth=1.4, solid_capstyle="butt")
            _at_point(axes, f"{point.mean:+.2f}", (point.x, point.high), (0, 3), ha="center", va="bottom")
        known = sorted([(point.x, point.mean) for point in sweep.points] + ([] if sweep.base is None else [(sweep.base, 0.0)]))
        axes.plot(*zip(*known, strict=True), color=colour(0), linewidth=1, marker="o", markersize=5)
        if sweep.base is not None:
            axes.plot([sweep.base], [0], "o", color=INK, markersize=6)
            _at_point(axes, "as configured", (sweep.base, 0), (0, -7), ha="center", va="top")
        axes.set(xticks=range(len(sweep.ticks)), xticklabels=sweep.ticks, xlabel=sweep.setting)
        axes.margins(x=0.14, y=0.12)
        if number == 0:
            axes.set_ylabel(_PAIRED)
    return made


def curve_chart(title: str, curves: Sequence[Curve], unit: str) -> Figure:
    """Curves over the iterations of a training, each named at its end, with a band from its lowest to its highest."""
    made = figure(6.5, 3.6)
    head(made, title)
    axes = made.subplots()
    for number, curve in enumerate(curves):
        at = [point.x for point in curve.points]
        axes.fill_between(
            at, [p.low for p in curve.points], [p.high for p in curve.points], color=colour(number), alpha=0.2, linewidth=0
        )
        axes.plot(at, [point.mean for point in curve.points], color=colour(number), marker="o" if len(at) == 1 else "")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=6))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    axes.set(xlabel="iteration", ylabel=unit)
    label_ends(axes, [(curve.points[-1].mean, curve.name, colour(number)) for number, curve in enumerate(curves)])
    return made


def _at_point(axes: Axes, text: str, at: tuple[float, float], offset: tuple[float, float], **aligned: Any) -> None:
    axes.annotate(text, at, xytext=offset, textcoords="offset points", fontsize=7.5, **({"va": "center"} | aligned))
