"""Plain charts: values with their intervals as dots, and curves over an axis."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from pipeline.sids.picture import COLOURS, Line, Picture, Rect, Text

_GREY, _PALE, _DOT = "#888888", "#dddddd", 8
_MARGIN, _LEGEND = 30, 30
_SERIES_GAP = 9  # pixels between two series at the same position
Shape = Rect | Text | Line


@dataclass(frozen=True)
class Point:
    """A mean with the ends of its interval; ``x`` is a position on the axis, or the row of a dot chart."""

    x: float
    mean: float
    low: float
    high: float


@dataclass(frozen=True)
class Series:
    """Points of one colour."""

    name: str
    points: tuple[Point, ...]


@dataclass(frozen=True)
class Panel:
    """A set of axes.

    Attributes:
        title: above it.
        series: what is drawn.
        ticks: positions on the x axis and their labels.
        has_whiskers: each point has its interval as a line; else the interval is left out.
    """

    title: str
    series: tuple[Series, ...]
    ticks: tuple[tuple[float, str], ...]
    has_whiskers: bool = True


def dot_chart(title: str, rows: Sequence[str], series: Sequence[Series], marks: Sequence[tuple[str, float]]) -> Picture:
    """A row for each name, a dot for each series in it, with its interval; marks are values that all rows are compared with.

    Args:
        title: the heading.
        rows: names, from top to bottom.
        series: their points' ``x`` is the number of the row, 0 = first.
        marks: name and value of dashed lines, such as reference rows.
    """
    left, right, top, step = 330, 1000, 120, 34
    ends = [value for line in series for point in line.points for value in (point.low, point.high)]
    low, high = _padded(min([*ends, *(value for _, value in marks)]), max([*ends, *(value for _, value in marks)]))
    bottom = top + step * len(rows)

    def across(value: float) -> float:
        return left + (value - low) / (high - low) * (right - left)

    shapes: list[Shape] = [Text(_MARGIN, 36, 20, title), *_legend(series, _MARGIN, 62)]
    for value in _nice(low, high):
        shapes += [
            Line(across(value), top, across(value), bottom, 1, _PALE),
            Text(across(value) - 3.5 * len(f"{value:g}"), bottom + 18, 13, f"{value:g}"),
        ]
    for number, (name, value) in enumerate(marks):
        shapes += [Line(across(value), y, across(value), y + 5, 1.5, _GREY) for y in range(top, bottom, 10)]
        shapes.append(Text(across(value) - 3.3 * len(name), top - 8 - 15 * (number % 2), 13, name))
    for number, name in enumerate(rows):
        shapes.append(Text(_MARGIN, top + step * number + 22, 14, name))
    for number, (dots, colour) in enumerate(zip(series, COLOURS, strict=False)):
        for point in dots.points:
            y = top + step * point.x + step / 2 + (number - (len(series) - 1) / 2) * 12
            shapes += [Line(across(point.low), y, across(point.high), y, 2, colour), _dot(across(point.mean), y, colour)]
    return Picture(right + _MARGIN, bottom + 40, tuple(shapes))


def panels(title: str, all_panels: Sequence[Panel]) -> Picture:
    """Panels of curves next to each other, each panel with axes of its own."""
    width, height, top, gap = 430, 300, 110, 60
    shapes: list[Shape] = [Text(_MARGIN, 36, 20, title), *_legend(all_panels[0].series, _MARGIN, 62)]
    for number, panel in enumerate(all_panels):
        shapes += _axes(panel, _MARGIN + 30 + number * (width + gap), top, width, height)
    return Picture(_MARGIN + 30 + len(all_panels) * (width + gap), top + height + 50, tuple(shapes))


def _axes(panel: Panel, left: float, top: float, width: float, height: float) -> list[Shape]:
    points = [point for line in panel.series for point in line.points]
    values = [value for point in points for value in ((point.low, point.high) if panel.has_whiskers else (point.mean,))]
    low, high = _padded(min(values), max(values))
    first, last = min(x for x, _ in panel.ticks), max(x for x, _ in panel.ticks)

    def at(x: float, y: float) -> tuple[float, float]:
        share = (x - first) / (last - first) if last > first else 0.5
        return left + 14 + share * (width - 28), top + height - (y - low) / (high - low) * height

    shapes: list[Shape] = [Text(left, top - 12, 14, panel.title), Line(left, top + height, left + width, top + height, 1, _GREY)]
    for value in _nice(low, high):
        y = at(first, value)[1]
        shapes += [Line(left, y, left + width, y, 1, _PALE), Text(left - 36, y + 4, 13, f"{value:g}")]
    for x, label in panel.ticks:
        shapes.append(Text(at(x, low)[0] - 3.5 * len(label), top + height + 20, 13, label))
    for number, (line, colour) in enumerate(zip(panel.series, COLOURS, strict=False)):
        aside = (
            _SERIES_GAP * (number - (len(panel.series) - 1) / 2) if panel.has_whiskers else 0.0
        )  # so that whiskers do not hide others
        spots = [(at(point.x, point.mean), at(point.x, point.low)[1], at(point.x, point.high)[1]) for point in line.points]
        spots = [((x + aside, y), lower, upper) for (x, y), lower, upper in spots]
        for (before, *_), (after, *_) in pairwise(spots):
            shapes.append(Line(*before, *after, 2, colour))
        for (x, y), lower, upper in spots if panel.has_whiskers or len(spots) == 1 else ():
            shapes += [Line(x, lower, x, upper, 1.5, colour), _dot(x, y, colour)]
    return shapes


def _legend(series: Sequence[Series], x: float, y: float) -> list[Shape]:
    shapes: list[Shape] = []
    for line, colour in zip(series, COLOURS, strict=False):
        shapes += [Rect(x, y, 14, 14, colour, line.name), Text(x + 20, y + 12, 14, line.name)]
        x += _LEGEND + 20 + 8 * len(line.name)
    return shapes


def _dot(x: float, y: float, colour: str) -> Rect:
    return Rect(x - _DOT / 2, y - _DOT / 2, _DOT, _DOT, colour, "")


def _padded(low: float, high: float) -> tuple[float, float]:
    """A range with some room around it, never empty."""
    room = 0.06 * (high - low) or 0.5
    return low - room, high + room


def _nice(low: float, high: float) -> list[float]:
    """Round values inside a range, four to nine of them."""
    rough = (high - low) / 5
    unit = 10 ** np.floor(np.log10(rough))
    step = float(unit * min((1, 2, 5, 10), key=lambda factor: abs(factor * unit - rough)))
    return [round(number * step, 10) for number in range(int(np.ceil(low / step)), int(np.floor(high / step)) + 1)]
