"""The pictures of the morning page, each an SVG element; a picture without anything to draw is left out."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, MaxNLocator

from flows.plots.style import INK, colour, drawn_svg, few_ticks, label_ends
from flows.report.facts import Facts

# Figures of a delivery that are drawn, and the unit of each.
_DRIFT = {"rows": "events", "share of positives": "share of events"}
_LEVELS = {"warn": "#c77700", "block": "#c4162a"}
# Not those that were carried: they kept theirs under codes centred anew.
_CHURN = ("n_new", "n_moved", "n_returned", "n_rebuilt", "n_closed", "n_rolled_back")
# Reference rows that a policy stands between.
_REFERENCES = ("random", "popular slate", "greedy oracle")
_REAL = {"auc_in_slate": "AUC in slates", "ndcg_in_slate": "NDCG@10 in slates"}
_LIKE_RATE = "item like-rate"
# Training figures in groups that share an axis: heading, unit, and the beginnings of their names.
_CURVES = (
    ("Reward in training", "total reward a session", ("episode_reward", "foresight_reward", "judged_reward")),
    ("Losses", "loss", ("loss", "critic_loss", "policy_gradient_loss", "likelihood_loss")),
    ("Entropy of the policy by level", "nats", ("entropy_level_",)),
    ("Weights of the levels' values", "share", ("level_weight_",)),
    ("Items shown between two points", "different items", ("distinct_items_shown",)),
    ("Length of sessions", "steps", ("episode_depth",)),
)
_FLOWS = ("daily-refresh", "nightly-retrain")
_KINDS = 5  # of what takes room by itself; the rest is drawn as one
_MEGABYTE = 1e6


@dataclass(frozen=True)
class Drawn:
    """A picture with its heading.

    Attributes:
        title: what it shows, and in which unit.
        svg: the element.
    """

    title: str
    svg: str


def drift_pictures(facts: Facts) -> list[Drawn]:
    """Rows and share of positives of every delivery beside what was usual, and its new items and users."""
    drift, deliveries = facts.tables["drift"], facts.tables["deliveries"]
    found = []
    for figure, unit in _DRIFT.items():
        rows = drift.filter(pl.col("figure") == figure)
        if rows.height:
            found.append(_drawn(f"drift {figure}", f"{figure.capitalize()} by delivery", _drift_axes(rows, unit)))
    labels = deliveries["delivery_id"].to_list()
    for name, title in (("n_new_items", "New items by delivery"), ("n_new_users", "New users by delivery")):
        if deliveries.height > 1:
            values = deliveries[name].to_list()
            shown, left_out = (values[1:], labels[1:]) if facts.since == 1 else (values, labels)
            without = ", without the first" if facts.since == 1 else ""
            found.append(_drawn(name, f"{title}{without}", _bars(left_out, shown, name.removeprefix("n_new_"), "delivery")))
    return found


def _drift_axes(rows: pl.DataFrame, unit: str) -> Callable[[Axes], None]:
    values, usual, labels = rows["value"].to_list(), rows["usual"].to_list(), rows["delivery_id"].to_list()

    def draw(axes: Axes) -> None:
        at = range(len(values))
        known = [(x, value) for x, value in zip(at, usual, strict=True) if value is not None]
        axes.plot(*zip(*known, strict=True), color=INK, linewidth=1, linestyle=(0, (2, 2))) if known else None
        axes.plot(at, values, color=colour(0), marker="o", markersize=3)
        for x, value, level in zip(at, values, rows["level"], strict=True):
            if level in _LEVELS:
                axes.plot([x], [value], marker="o", markersize=7, color=_LEVELS[level], markerfacecolor="none")
        _room(axes, values + [value for _, value in known])
        few_ticks(axes, labels, 4)
        axes.set(xlabel="delivery", ylabel=unit)
        ends = [(values[-1], "delivery", colour(0))]
        label_ends(axes, [*ends, (known[-1][1], "usual", INK)] if known else ends)

    return draw


def _bars(labels: Sequence[str], values: Sequence[float], unit: str, across: str) -> Callable[[Axes], None]:
    def draw(axes: Axes) -> None:
        axes.bar(range(len(values)), values, color=colour(0), width=0.7)
        few_ticks(axes, labels, 4)
        axes.grid(visible=False, axis="x")
        axes.yaxis.set_major_locator(MaxNLocator(integer=True, nbins=5))
        axes.set(xlabel=across, ylabel=unit)

    return draw


def sid_pictures(facts: Facts) -> list[Drawn]:
    """What each release changed in the Semantic IDs, and how many items share one."""
    churn, sids = facts.tables["churn"], facts.tables["sids"]
    found = []
    later = churn.filter(pl.col("release_id") > 1)
    if later.height:
        without = "" if later.height == churn.height else ", without the first"
        found.append(_drawn("churn", f"Items whose Semantic ID changed, by release{without}", _churn_axes(later)))
    if sids.height:
        lines = {
            "share an ID": sids["shared_items"].to_list(),
            "more items than IDs": sids["excess_collisions"].to_list(),
            "largest bucket": sids["largest_bucket"].to_list(),
        }
        title = "Collisions of Semantic IDs, by release"
        found.append(_drawn("collisions", title, _line_axes(_texts(sids["release_id"]), lines, "release", "items")))
    return found


def _churn_axes(churn: pl.DataFrame) -> Callable[[Axes], None]:
    def draw(axes: Axes) -> None:
        bottom = [0.0] * churn.height
        for number, name in enumerate(_CHURN):
            values = churn[name].to_list()
            if any(values):
                label = name.removeprefix("n_").replace("_", " ")
                axes.bar(range(churn.height), values, bottom=bottom, color=colour(number), width=0.7, label=label)
                bottom = [low + value for low, value in zip(bottom, values, strict=True)]
        few_ticks(axes, _texts(churn["release_id"]))
        axes.grid(visible=False, axis="x")
        axes.yaxis.set_major_locator(MaxNLocator(integer=True, nbins=5))
        axes.set(xlabel="release", ylabel="items", ylim=(0, 1.25 * max(*bottom, 1.0)))
        if any(bottom):
            axes.legend(frameon=False, ncols=4, loc="upper left", fontsize=8, handlelength=0.8, columnspacing=1, borderpad=0)

    return draw


def policy_pictures(facts: Facts) -> list[Drawn]:
    """Reward in the panel and people's own answers, over the retrains."""
    rows, found = facts.over_releases, []
    policies = dict(facts.tables["policies"].select("policy_id", "method").iter_rows())
    trained = [row for row in rows if row["policy_id"] in policies and row["policy"] != "incumbent"]
    releases = sorted({row["release_id"] for row in trained})
    if releases:
        draw = _reward_axes(releases, _best(trained), rows)
        found.append(_drawn("reward", "Total reward of whole sessions in the panel, 95 % intervals", draw))
    answers = facts.tables["real_answers"]
    for metric, name in _REAL.items():
        of_metric = answers.filter(pl.col("metric") == metric)
        mine = of_metric.filter(pl.col("policy_id").is_in(list(policies)))
        if mine.height:
            series = _points(mine.iter_rows(named=True), "value")
            rates = _points(of_metric.filter(pl.col("policy") == _LIKE_RATE).iter_rows(named=True), "value")
            title = f"{name} of people's own answers, 95 % intervals"
            draw = _interval_axes(sorted(series), series, {_LIKE_RATE: rates}, "share")
            found.append(_drawn(metric, title, draw))
    return found


# A value and the ends of its interval, where it has one.
_Point = tuple[float, float | None, float | None]


def _points(rows: Iterable[dict[str, Any]], name: str) -> dict[int, _Point]:
    """Release → value and the ends of its interval."""
    return {row["release_id"]: (row[name], row["ci_low"], row["ci_high"]) for row in rows}


def _best(trained: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The policy of each release that its retrain put forward; only that one is in the table of policies."""
    return list({row["release_id"]: row for row in trained}.values())


def _reward_axes(
    releases: list[int], trained: Sequence[dict[str, Any]], rows: Iterable[dict[str, Any]]
) -> Callable[[Axes], None]:
    references: dict[str, dict[int, _Point]] = {
        name: {row["release_id"]: (row["mean"], None, None) for row in rows if row["policy"] == name} for name in _REFERENCES
    }
    return _interval_axes(releases, _points(trained, "mean"), references, "total reward a session")


def _interval_axes(
    releases: list[int], policy: dict[int, _Point], references: dict[str, dict[int, _Point]], unit: str
) -> Callable[[Axes], None]:
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


def curve_pictures(facts: Facts) -> list[Drawn]:
    """The training of the newest policy."""
    curves, found = facts.tables["curves"], []
    for title, unit, names in _CURVES:
        groups = {
            metric: rows
            for (metric,), rows in curves.partition_by("metric", as_dict=True, maintain_order=True).items()
            if any(str(metric) == name or (name.endswith("_") and str(metric).startswith(name)) for name in names)
        }
        if groups:
            found.append(_drawn(f"curve {title}", title, _curve_axes(groups, names, unit)))
    return found


def _curve_axes(groups: dict[Any, pl.DataFrame], names: Sequence[str], unit: str) -> Callable[[Axes], None]:
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


def cost_pictures(facts: Facts) -> list[Drawn]:
    """CPU seconds and peak memory of every run, by flow."""
    runs = facts.tables["runs"].filter(pl.col("flow").is_in(_FLOWS))
    found = []
    for name, title, unit in (
        ("cpu_seconds", "CPU seconds by run", "CPU seconds"),
        ("peak_memory_mb", "Peak memory by run", "MB"),
    ):
        rows = runs.filter(pl.col(name).is_not_null())
        if rows.height:
            found.append(_drawn(name, title, _run_axes(rows, name, unit)))
    return found


def _run_axes(runs: pl.DataFrame, name: str, unit: str) -> Callable[[Axes], None]:
    def draw(axes: Axes) -> None:
        ends = []
        places = runs.with_row_index("place")
        for number, flow in enumerate(_FLOWS):
            rows = places.filter(pl.col("flow") == flow)
            if rows.height:
                values = rows[name].to_list()
                axes.plot(rows["place"].to_list(), values, color=colour(number), marker="o", markersize=3, linewidth=1)
                ends.append((values[-1], flow.partition("-")[2], colour(number)))
        days = [f"{started:%m-%d}" for started in runs["started_at"]]
        times = [f"{started:%H:%M}" for started in runs["started_at"]]
        few_ticks(axes, days if len(set(days)) > 1 else times, 5)
        axes.set(xlabel=f"run, by the {'day' if len(set(days)) > 1 else 'time'} it began, UTC", ylabel=unit)
        axes.set_ylim(bottom=0)
        label_ends(axes, ends)

    return draw


def disk_pictures(facts: Facts) -> list[Drawn]:
    """Bytes written up to each release, by table or kind."""
    disk = facts.tables["disk"]
    if disk.is_empty():
        return []
    largest = disk.group_by("kind").agg(pl.col("n_bytes").sum()).sort("n_bytes", "kind", descending=[True, False])
    own = largest["kind"].head(_KINDS).to_list()
    named = disk.with_columns(kind=pl.when(pl.col("kind").is_in(own)).then("kind").otherwise(pl.lit("all else")))
    releases = sorted(disk["release_id"].unique())
    layers: dict[str, list[float]] = {}
    for kind in [*own, *(["all else"] if largest.height > len(own) else [])]:
        added = dict(named.filter(pl.col("kind") == kind).group_by("release_id").agg(pl.col("n_bytes").sum()).iter_rows())
        total, layers[kind] = 0.0, []
        for release in releases:
            total += added.get(release, 0) / _MEGABYTE
            layers[kind].append(total)
    return [_drawn("disk", "Bytes written up to each release, by table or kind", _layer_axes(releases, layers))]


def _layer_axes(releases: Sequence[int], layers: dict[str, list[float]]) -> Callable[[Axes], None]:
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
        few_ticks(axes, _texts(releases))
        axes.margins(x=0)
        axes.set(xlabel="release", ylabel="MB")
        label_ends(axes, ends)

    return draw


def _line_axes(labels: Sequence[str], lines: dict[str, list[float]], across: str, unit: str) -> Callable[[Axes], None]:
    def draw(axes: Axes) -> None:
        ends = []
        for number, (name, values) in enumerate(lines.items()):
            axes.plot(range(len(values)), values, color=colour(number), marker="o", markersize=3)
            ends.append((values[-1], name, colour(number)))
        few_ticks(axes, labels)
        axes.set(xlabel=across, ylabel=unit)
        axes.set_ylim(bottom=0)
        label_ends(axes, ends)

    return draw


def _room(axes: Axes, values: Sequence[float]) -> None:
    """From 0 where that is near, so that a small change does not look large."""
    low, high = min(values), max(values)
    if high > 0:
        axes.set_ylim(0 if low < 0.8 * high else low - 0.25 * high, 1.08 * high)


def _texts(values: Iterable[Any]) -> list[str]:
    return [str(value) for value in values]


def _drawn(name: str, title: str, draw: Callable[[Axes], None]) -> Drawn:
    return Drawn(title, drawn_svg(name, title, draw))
