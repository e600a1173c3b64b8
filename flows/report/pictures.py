"""The pictures of the morning page, each an SVG element; a picture without anything to draw is left out."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

from flows.plots.style import drawn_svg
from flows.report.axes import (
    Drawing,
    Point,
    bar_axes,
    churn_axes,
    curve_axes,
    drift_axes,
    interval_axes,
    layer_axes,
    line_axes,
    run_axes,
    texts,
)
from flows.report.facts import Facts

# Figures of a delivery that are drawn, and the unit of each.
_DRIFT = {"rows": "events", "share of positives": "share of events"}
# Reference rows that a policy stands between.
_REFERENCES = ("random", "popular slate", "greedy oracle")
_REAL = {"auc_in_slate": "AUC in slates", "ndcg_in_slate": "NDCG@10 in slates"}
_LIKE_RATE = "item like-rate"
# Training figures in groups that share an axis: heading, unit, and the beginnings of their names.
CURVES = (
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
            found.append(_drawn(f"drift {figure}", f"{figure.capitalize()} by delivery", drift_axes(rows, unit)))
    labels = deliveries["delivery_id"].to_list()
    for name, title in (("n_new_items", "New items by delivery"), ("n_new_users", "New users by delivery")):
        if deliveries.height > 1:
            values = deliveries[name].to_list()
            shown, left_out = (values[1:], labels[1:]) if facts.since == 1 else (values, labels)
            without = ", without the first" if facts.since == 1 else ""
            found.append(_drawn(name, f"{title}{without}", bar_axes(left_out, shown, name.removeprefix("n_new_"), "delivery")))
    return found


def sid_pictures(facts: Facts) -> list[Drawn]:
    """What each release changed in the Semantic IDs, and how many items share one."""
    churn, sids = facts.tables["churn"], facts.tables["sids"]
    found = []
    later = churn.filter(pl.col("release_id") > 1)
    if later.height:
        without = "" if later.height == churn.height else ", without the first"
        found.append(_drawn("churn", f"Items whose Semantic ID changed, by release{without}", churn_axes(later)))
    if sids.height:
        lines = {
            "share an ID": sids["shared_items"].to_list(),
            "more items than IDs": sids["excess_collisions"].to_list(),
            "largest bucket": sids["largest_bucket"].to_list(),
        }
        title = "Collisions of Semantic IDs, by release"
        found.append(_drawn("collisions", title, line_axes(texts(sids["release_id"]), lines, "release", "items")))
    return found


def policy_pictures(facts: Facts) -> list[Drawn]:
    """Reward in the panel and people's own answers, over the retrains."""
    rows, found = facts.over_releases, []
    policies = dict(facts.tables["policies"].select("policy_id", "method").iter_rows())
    trained = [row for row in rows if row["policy_id"] in policies and row["policy"] != "incumbent"]
    releases = sorted({row["release_id"] for row in trained})
    if releases:
        draw = _reward_axes(releases, _best(trained), rows)
        where = "the panel" if any(row.get("panel") for row in facts.judged) else "the family learned in"
        found.append(_drawn("reward", f"Total reward of whole sessions in {where}, 95 % intervals", draw))
    answers = facts.tables["real_answers"]
    for metric, name in _REAL.items():
        of_metric = answers.filter(pl.col("metric") == metric)
        mine = of_metric.filter(pl.col("policy_id").is_in(list(policies)))
        if mine.height:
            series = _points(mine.iter_rows(named=True), "value")
            rates = _points(of_metric.filter(pl.col("policy") == _LIKE_RATE).iter_rows(named=True), "value")
            title = f"{name} of people's own answers, 95 % intervals"
            draw = interval_axes(sorted(series), series, {_LIKE_RATE: rates}, "share")
            found.append(_drawn(metric, title, draw))
    return found


def _points(rows: Iterable[dict[str, Any]], name: str) -> dict[int, Point]:
    """Release → value and the ends of its interval."""
    return {row["release_id"]: (row[name], row["ci_low"], row["ci_high"]) for row in rows}


def _best(trained: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The policy of each release that its retrain put forward; only that one is in the table of policies."""
    return list({row["release_id"]: row for row in trained}.values())


def _reward_axes(releases: list[int], trained: Sequence[dict[str, Any]], rows: Iterable[dict[str, Any]]) -> Drawing:
    references: dict[str, dict[int, Point]] = {
        name: {row["release_id"]: (row["mean"], None, None) for row in rows if row["policy"] == name} for name in _REFERENCES
    }
    return interval_axes(releases, _points(trained, "mean"), references, "total reward a session")


def curve_pictures(facts: Facts) -> list[Drawn]:
    """The training of the newest policy."""
    curves, found = facts.tables["curves"], []
    for title, unit, names in CURVES:
        groups = curve_group(curves, names)
        if groups:
            found.append(_drawn(f"curve {title}", title, curve_axes(groups, names, unit)))
    return found


def curve_group(curves: pl.DataFrame, names: Sequence[str]) -> dict[str, pl.DataFrame]:
    """The metrics of a training whose names are among ``names``, or begin with one that ends in _; each with its iterations in order."""
    return {
        str(metric): rows
        for (metric,), rows in curves.partition_by("metric", as_dict=True, maintain_order=True).items()
        if any(str(metric) == name or (name.endswith("_") and str(metric).startswith(name)) for name in names)
    }


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
            found.append(_drawn(name, title, run_axes(rows, _FLOWS, name, unit)))
    return found


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
    return [_drawn("disk", "Bytes written up to each release, by table or kind", layer_axes(releases, layers))]


def _drawn(name: str, title: str, draw: Drawing) -> Drawn:
    return Drawn(title, drawn_svg(name, title, draw))
