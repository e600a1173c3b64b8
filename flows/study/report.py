"""A study for people: Markdown, CSV, and a picture."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl
from matplotlib.figure import Figure

from flows.plots.style import styled, write_png
from flows.runtime.files import written
from flows.study.chart import Curve, Dots, Point, Sweep, curve_chart, difference_chart, sweep_chart
from flows.study.curves import curves_chart
from flows.study.page_table import COLUMNS, plural, table
from flows.study.plan import StudyPlan
from flows.study.variants import configured
from hsrl_train.simulator.martingale import BOUND

# What the points of a picture are called.
_SERIES = {"transferred": "own family", "panel_reward": "panel", "own": "where it learned"}
_MARKS = ("popular slate", "transfer oracle", "greedy oracle")
_JUDGES = {
    "family": "family",
    "fit_on": "fitted on",
    "seed": "seed",
    "judged_on": "records judged on",
    "auc": "AUC",
    "ece": "calibration error",
    "drift": "drift of answers, 95 % interval",
    "forecast_drift": "drift of forecasts, 95 % interval",
    "is_steady": "steady",
}


@dataclass(frozen=True)
class Found:
    """Everything a study found.

    Attributes:
        name: of the study.
        plan: what was done.
        summary: a row a variant.
        references: a row a reference row.
        weights: level weights over training; None in studies that do not show them.
        judges: a row a simulator; None in studies that do not show them.
        made_by: the command, code version and release, a line.
        rules: what sessions may show, and whether they ended by the temper law, a line.
        curves: how fast each variant learned, see flows/study/curves.py; None in studies that do not show it.
    """

    name: str
    plan: StudyPlan
    summary: pl.DataFrame
    references: pl.DataFrame
    weights: pl.DataFrame | None
    judges: pl.DataFrame | None
    made_by: str
    rules: str
    curves: pl.DataFrame | None = None


def write_report(found: Found, out: Path, root: Path) -> list[Path]:
    """Write ``NAME.md``, ``.csv`` and ``.png`` into ``out``, and for level weights their curves as CSV; return the paths.

    Raises:
        ConfigError: it cannot be written, or lies in the warehouse.
    """
    out.mkdir(parents=True, exist_ok=True)
    paths = {kind: out / f"{found.name}.{kind}" for kind in ("md", "csv", "png")}
    with written(paths["md"], root) as draft:
        draft.write_text(markdown(found), encoding="utf-8")
    with written(paths["csv"], root) as draft:
        found.summary.write_csv(draft)
    with written(paths["png"], root) as draft, styled():
        write_png(picture(found), draft)
    if found.weights is not None:
        paths["curves"] = out / f"{found.name}-curves.csv"
        with written(paths["curves"], root) as draft:
            found.weights.write_csv(draft)
    if found.curves is not None:
        paths["curves"], paths["curves picture"] = out / f"{found.name}-curves.csv", out / f"{found.name}-curves.png"
        with written(paths["curves"], root) as draft:
            found.curves.write_csv(draft)
        with written(paths["curves picture"], root) as draft, styled():
            write_png(curves_chart(f"{found.plan.study.title}: how fast each learns", found.curves), draft)
    return list(paths.values())


def markdown(found: Found) -> str:
    """The page."""
    plan = found.plan
    lines = [
        f"# {plan.study.title}",
        "",
        plan.study.doc,
        "",
        f"{found.made_by}.",
        *_how_it_was_judged(found),
        "",
        *_rows_in_blocks(found.summary),
        *_above_random(found),
        *_families_table(found),
        *table(
            found.references,
            {name: head for name, head in COLUMNS.items() if name in found.references and name != "difference"},
        ),
        "",
        *(f"- {name} was left out: {why}" for name, why in plan.skipped),
        *([""] if plan.skipped else []),
    ]
    if found.judges is not None:
        lines += [*_judges_table(found.judges), ""]
    if found.weights is not None:
        lines += [*_weights_table(found.weights), ""]
    pictures = [f"![{plan.study.title}]({found.name}.png)"]
    if found.curves is not None:
        pictures.append(f"![How fast each learns]({found.name}-curves.png)")
    return "\n".join([*lines, "\n\n".join(pictures), ""])


def _rows_in_blocks(summary: pl.DataFrame) -> list[str]:
    """The table, under a heading each for rows that stand apart."""
    columns = {name: head for name, head in COLUMNS.items() if summary[name].null_count() < summary.height}
    lines: list[str] = []
    for (block,), rows in summary.partition_by("block", as_dict=True, maintain_order=True).items():
        lines += [*([f"## {block}", ""] if block else []), *table(rows, columns), ""]
    return lines


def _above_random(found: Found) -> list[str]:
    """Which rows are surely above random slates, and why the others are not."""
    kind = _judged_kind(found.summary)
    random = found.references.row(by_predicate=pl.col("variant") == "random", named=True)
    lines = []
    for row in found.summary.iter_rows(named=True):
        if row[f"{kind}_low"] > random[f"{kind}_high"]:
            continue
        why = (
            f"it has not learned within {row['n_iterations']:,} iterations"
            if row[kind] <= random[f"{kind}_high"] or row["sd_over_seeds"] is None
            else f"its {row['n_seeds']} seeds lie far apart, SD {row['sd_over_seeds']:.2f}"
        )
        lines.append(f"- {row['variant']} is not: {row[kind]:.2f} [{row[f'{kind}_low']:.2f} … {row[f'{kind}_high']:.2f}], {why}")
    n_above = found.summary.height - len(lines)
    interval = f"{random[kind]:.2f} [{random[f'{kind}_low']:.2f} … {random[f'{kind}_high']:.2f}]"
    head = f"{n_above} of {found.summary.height} rows are above *random*, {interval}, with intervals that do not overlap"
    return [head + (":" if lines else "."), *([""] if lines else []), *lines, ""]


def _judged_kind(summary: pl.DataFrame) -> str:
    """The panel where other families judge, else the family learned in."""
    return "transferred" if summary["panel_reward"].null_count() else "panel_reward"


def _how_it_was_judged(found: Found) -> list[str]:
    """What was learned and judged where, and what the columns mean."""
    settings = found.plan.settings
    n_taught, n_judged = settings.simulator.n_training, settings.evaluation.n_simulators
    others = [name.removeprefix("in_") for name in found.summary.columns if name.startswith("in_")]
    has_panel = not found.summary["panel_reward"].null_count()
    panel = f"*panel*: {n_judged} of each of the families {', '.join(others)}, where nobody learned; " if has_panel else ""
    verdicts = (
        "families are these and weigh alike. Verdicts are those of the rule of claims (docs/learner.md); the worst family's difference is a "
        "share of the first row's reward. "
        if has_panel
        else "no other family judges here, so that by the rule of claims (docs/learner.md) nothing is *better* or *worse*: the paired "
        "difference says how far apart rows are in the family that they learned in. "
    )
    return [
        f"Source {settings.source.name}, simulator `{settings.simulator.preset}`, learner preset `{settings.learner.preset}`, "
        f"{_lengths(found.summary)} iterations, {_seeds(found.summary)}. "
        f"*Where it learned*: the {n_taught} training {plural('simulator', n_taught)} of family {settings.simulator.family}; "
        f"*own family*: {n_judged} evaluation {plural('simulator', n_judged)} of other seeds and that family, fitted on all records; {panel}"
        f"{settings.evaluation.n_sessions:,} whole sessions in each, the same starts and luck for every row; {found.rules}. "
        f"Intervals are over sessions, and over simulators and seeds where there are several; {verdicts}"
        "S = (R − popular slate) / (transfer oracle − popular slate)."
    ]


def _seeds(summary: pl.DataFrame) -> str:
    least, most = int(summary["n_seeds"].min()), int(summary["n_seeds"].max())  # type: ignore[arg-type]
    if least == most:
        return f"{most} {plural('seed', most)}"
    return f"{least} {plural('seed', least)}, {most} of the first row and of those that reach most where they learned (column *seeds*)"


def _lengths(summary: pl.DataFrame) -> str:
    lengths = sorted(summary["n_iterations"].to_list())
    return f"{lengths[0]:,}" if lengths[0] == lengths[-1] else f"{lengths[0]:,} to {lengths[-1]:,}"


def _families_table(found: Found) -> list[str]:
    """Every row in every family of the panel; nothing where no other family judges."""
    families = [name for name in found.summary.columns if name.startswith("in_")]
    if found.summary["panel_reward"].null_count():
        return []
    rows = pl.concat([frame.select("variant", *families) for frame in (found.summary, found.references)]).drop_nulls()
    heads = {"variant": "variant", **{name: name.removeprefix("in_") for name in families}}
    return [*table(rows, heads), ""]


def _judges_table(judges: pl.DataFrame) -> list[str]:
    """Every simulator, and what its columns mean."""
    why = judges["why"].drop_nulls().unique(maintain_order=True)
    return [
        "The simulators. In-sample figures are of records that one was fitted on, whose answers it may have learned by heart. Drift: how far "
        "being shown slates moves probabilities of items that were never shown, in the mean over answers, root mean square; of a user who "
        f"is told of and not changed it is 0 (docs/simulators.md). Steady: the interval of its answers ends below {BOUND}.",
        "",
        *table(judges, {name: head for name, head in _JUDGES.items() if judges[name].null_count() < judges.height}),
        *(f"- Drift was left out: {reason}" for reason in why),
    ]


def picture(found: Found) -> Figure:
    """Level weights as curves, sweeps over their values, else the paired difference of each variant from the first."""
    title = f"{found.plan.study.title}, {found.plan.settings.source.name}"
    with styled():
        if found.weights is not None:
            return curve_chart(title, _weight_curves(found.weights), "weight, mean and range over seeds")
        if found.plan.study.sweeps:
            return sweep_chart(title, [_sweep(found, sweep.panel, sweep.setting) for sweep in found.plan.study.sweeps])
        names = found.summary["variant"].to_list()
        kind = _judged_kind(found.summary)
        means = [Dots(_SERIES[name], tuple(found.summary[name].to_list())) for name in (kind, "own")]
        rewards = dict(found.references.select("variant", kind).rows())
        marks = [(name, rewards[name]) for name in _MARKS]
        return difference_chart(title, names, means, _differences(found.summary, range(len(names))), marks)


def _sweep(found: Found, panel: str, setting: str) -> Sweep:
    """The points of a sweep and the configured point, evenly spaced in the order of their values."""
    now, first = configured(found.plan.settings.model_dump(), setting), found.plan.study.first_name
    at = (
        pl.when(pl.col("variant") == first)
        .then(pl.lit(now if isinstance(now, int | float) else None, pl.Float64))
        .otherwise("at")
    )
    rows = found.summary.with_columns(at=at).filter((pl.col("panel") == panel) | (pl.col("variant") == first))
    rows = rows.filter(pl.col("at").is_not_null()).sort("at")
    variants = rows["variant"].to_list()
    base = variants.index(first) if first in variants else None
    return Sweep(panel, tuple(f"{value:g}" for value in rows["at"]), _differences(rows, range(rows.height)), base)


def _differences(rows: pl.DataFrame, positions: Sequence[int]) -> tuple[Point, ...]:
    """The paired differences, at their positions; the row that all are compared with has none."""
    figures = rows.select("difference", "difference_low", "difference_high", "verdict").rows()
    return tuple(Point(x, *row) for x, row in zip(positions, figures, strict=True) if None not in row[:3])


def _weight_curves(weights: pl.DataFrame) -> list[Curve]:
    over_seeds = weights.group_by("level", "iteration").agg(
        mean=pl.col("weight").mean(), low=pl.col("weight").min(), high=pl.col("weight").max()
    )
    return [
        Curve(f"w{level}", tuple(Point(*row) for row in rows.sort("iteration").select("iteration", "mean", "low", "high").rows()))
        for (level,), rows in sorted(over_seeds.partition_by("level", as_dict=True).items())
    ]


def _weights_table(weights: pl.DataFrame) -> list[str]:
    """At the end of training, with the order they stand in."""
    end = (
        weights.filter(pl.col("iteration") == pl.col("iteration").max())
        .group_by("level")
        .agg(mean=pl.col("weight").mean(), low=pl.col("weight").min(), high=pl.col("weight").max())
    )
    rows = end.sort("level").rows()
    order = " > ".join(f"w{level}" for level in end.sort("mean", descending=True)["level"])
    head = ["| level | weight at the end | least and most over seeds |", "| --- | ---: | ---: |"]
    return [
        *head,
        *(f"| w{level} | {mean:.3f} | {low:.3f} … {high:.3f} |" for level, mean, low, high in rows),
        "",
        f"Order: {order}.",
    ]
