"""How the pictures of the morning page are drawn: each function gives what draws one pair of axes."""

import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import polars as pl
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, MaxNLocator

from flows.plots.style import INK, colour, few_ticks, label_ends

_LEVELS = {"warn": "#c77700", "block": "#c4162a"}
# Not those that were carried: they kept theirs under codes centred anew.
_CHURN = ("n_new", "n_moved", "n_returned", "n_rebuilt", "n_closed", "n_rolled_back")
_DOTTED = 31  # values of a line that stand apart
# A value and the ends of its interval, where it has one.
Point = tuple[float, float | None, float | None]
Drawing = Callable[[Axes], None]


def drift_axes(rows: pl.DataFrame, unit: str) -> Drawing:
    """A figure of every delivery beside what was usual; a ring around what is unusual."""
    values, usual, labels = rows["value"].to_list(), rows["usual"].to_list(), short_names(rows["delivery_id"].to_list())

    def draw(axes: Axes) -> None:
        at = range(len(values))
        known = [(x, value) for x, value in zip(at, usual, strict=True) if value is not None]
        axes.plot(*zip(*known, strict=True), color=INK, linewidth=1, linestyle=(0, (2, 2))) if known else None
        axes.plot(at, values, color=colour(0), marker=_marker(values), markersize=3)
        for x, value, level in zip(at, values, rows["level"], strict=True):
            if level in _LEVELS:
                axes.plot([x], [value], marker="o", markersize=7, color=_LEVELS[level], markerfacecolor="none")
        _room(axes, values + [value for _, value in known])
        few_ticks(axes, labels, 4)
        axes.set(xlabel="delivery", ylabel=unit)
        ends = [(values[-1], "delivery", colour(0))]
        label_ends(axes, [*ends, (known[-1][1], "usual", INK)] if known else ends)

    return draw


def bar_axes(labels: Sequence[str], values: Sequence[float], unit: str, across: str) -> Drawing:
    """A bar for each label."""

    def draw(axes: Axes) -> None:
        axes.bar(range(len(values)), values, color=colour(0), width=0.7)
        few_ticks(axes, short_names(labels), 4)
        axes.grid(visible=False, axis="x")
        axes.yaxis.set_major_locator(MaxNLocator(integer=True, nbins=5))
        axes.set(xlabel=across, ylabel=unit, ylim=(0, 1.08 * max(*values, 1)))

    return draw


def churn_axes(churn: pl.DataFrame) -> Drawing:
    """Changes of each release, a colour a kind, on top of one another."""

    def draw(axes: Axes) -> None:
        bottom = [0.0] * churn.height
        for number, name in enumerate(_CHURN):
            values = churn[name].to_list()
            if any(values):
                label = name.removeprefix("n_").replace("_", " ")
                axes.bar(range(churn.height), values, bottom=bottom, color=colour(number), width=0.7, label=label)
                bottom = [low + value for low, value in zip(bottom, values, strict=True)]
        few_ticks(axes, texts(churn["release_id"]))
        axes.grid(visible=False, axis="x")
        axes.yaxis.set_major_locator(MaxNLocator(integer=True, nbins=5))
        axes.set(xlabel="release", ylabel="items", ylim=(0, 1.25 * max(*bottom, 1.0)))
        if any(bottom):
            axes.legend(frameon=False, ncols=4, loc="upper left", fontsize=8, handlelength=0.8, columnspacing=1, borderpad=0)

    return draw


def interval_axes(releases: list[int], policy: dict[int, Point], references: dict[str, dict[int, Point]], unit: str) -> Drawing:
    """The policy with its intervals over releases, and reference rows as thin lines; each named at its last point."""

    def draw(axes: Axes) -> None:
        places = {release: place for place, release in enumerate(releases)}
        ends = []
        for number, (name, points) in enumerate(references.items(), start=1):
            at = [(places[release], point[0]) for release, point in sorted(points.items()) if release in places]
            if at:
                axes.plot(*zip(*at, strict=True), color=colour(number), linewidth=1, marker=".", markersize=4)
                ends.append((at[-1][1], name, colour(number)))
        own = [(places[release], *point) for release, point in sorted(policy.items())]
        for x, _, low, high in own:
            if low is not None and high is not None:
                axes.plot([x, x], [low, high], color=colour(0), linewidth=1.2, solid_capstyle="butt")
        axes.plot([x for x, *_ in own], [value for _, value, *_ in own], color=colour(0), marker="o", markersize=4)
        ends.append((own[-1][1], "policy", colour(0)))
        few_ticks(axes, [str(release) for release in releases])
        axes.set(xlabel="release", ylabel=unit, xlim=(-0.4, max(len(releases) - 0.6, 0.4)))
        label_ends(axes, ends)

    return draw


def curve_axes(groups: dict[Any, pl.DataFrame], names: Sequence[str], unit: str) -> Drawing:
    """Figures of a training over its iterations, each named at its end."""

    def draw(axes: Axes) -> None:
        ends = []
        for number, (metric, rows) in enumerate(groups.items()):
            marker = "o" if rows.height == 1 else ""
            axes.plot(rows["iteration"].to_list(), rows["value"].to_list(), color=colour(number), marker=marker, markersize=4)
            ends.append((rows["value"][-1], _curve_name(str(metric), names), colour(number)))
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=5))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
        axes.set(xlabel="iteration", ylabel=unit)
        label_ends(axes, ends if len(ends) > 1 else [])

    return draw


def _curve_name(metric: str, names: Sequence[str]) -> str:
    for name in names:
        if name.endswith("_") and metric.startswith(name):
            return f"level {metric.removeprefix(name)}"
    return metric.replace("_", " ")


def run_axes(runs: pl.DataFrame, flows: Sequence[str], name: str, unit: str) -> Drawing:
    """A figure of every run, a line a flow."""

    def draw(axes: Axes) -> None:
        ends = []
        places = runs.with_row_index("place")
        for number, flow in enumerate(flows):
            rows = places.filter(pl.col("flow") == flow)
            if rows.height:
                values = rows[name].to_list()
                axes.plot(
                    rows["place"].to_list(), values, color=colour(number), marker=_marker(values), markersize=3, linewidth=1
                )
                ends.append((values[-1], flow.partition("-")[2], colour(number)))
        days = [f"{started:%m-%d}" for started in runs["started_at"]]
        times = [f"{started:%H:%M}" for started in runs["started_at"]]
        few_ticks(axes, days if len(set(days)) > 1 else times, 5)
        axes.set(xlabel=f"run, by the {'day' if len(set(days)) > 1 else 'time'} it began, UTC", ylabel=unit)
        axes.set_ylim(bottom=0)
        label_ends(axes, ends)

    return draw


def layer_axes(releases: Sequence[int], layers: dict[str, list[float]]) -> Drawing:
    """What each kind adds up to, on top of one another."""

    def draw(axes: Axes) -> None:
        colours = [colour(number) for number in range(len(layers))]
        at = list(range(len(releases)))
        if len(at) == 1:  # an area has no width at one release
            at, stacked = [0, 1], [values * 2 for values in layers.values()]
        else:
            stacked = list(layers.values())
        axes.stackplot(at, stacked, colors=colours, alpha=0.85)
        ends, low = [], 0.0
        for number, (kind, values) in enumerate(zip(layers, stacked, strict=True)):
            ends.append((low + values[-1] / 2, kind.replace("_", " "), colour(number)))
            low += values[-1]
        few_ticks(axes, texts(releases))
        axes.margins(x=0)
        axes.set(xlabel="release", ylabel="MB")
        label_ends(axes, ends)

    return draw


def line_axes(labels: Sequence[str], lines: dict[str, list[float]], across: str, unit: str) -> Drawing:
    """Lines over the same labels, each named at its end."""

    def draw(axes: Axes) -> None:
        ends = []
        for number, (name, values) in enumerate(lines.items()):
            axes.plot(range(len(values)), values, color=colour(number), marker=_marker(values), markersize=3)
            ends.append((values[-1], name, colour(number)))
        few_ticks(axes, labels)
        axes.set(xlabel=across, ylabel=unit)
        axes.set_ylim(bottom=0)
        label_ends(axes, ends)

    return draw


def _marker(values: Sequence[float]) -> str:
    """A dot at each value where they are few."""
    return "o" if len(values) <= _DOTTED else ""


def _room(axes: Axes, values: Sequence[float]) -> None:
    """From 0 where that is near, so that a small change does not look large."""
    low, high = min(values), max(values)
    if high > 0:
        axes.set_ylim(0 if low < 0.8 * high else low - 0.25 * high, 1.08 * high)


def short_names(names: Sequence[str]) -> Sequence[str]:
    """Without the word that all begin with and the ending that all have: of events-2026-01-02.csv and its like 2026-01-02."""
    if not names:
        return names
    word, ending = re.match(r"\D*", names[0]), re.search(r"(\.[A-Za-z]\w*)*$", names[0])
    start, end = word.group() if word else "", ending.group() if ending else ""
    short = [name.removeprefix(start).removesuffix(end) for name in names]
    return short if all(name.startswith(start) and name.endswith(end) for name in names) and all(short) else names


def texts(values: Iterable[Any]) -> list[str]:
    """Values as labels."""
    return [str(value) for value in values]
