"""The catalogue test, told: what each variant loses when items give way to others, beside what the first variant loses."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl
from matplotlib.figure import Figure

from flows.plots.style import colour, figure, head, styled, write_png
from flows.runtime.files import written
from flows.study.page_table import table
from flows.study.plan import StudyPlan
from flows.study.results import judging_kind
from flows.study.study import BASE
from flows.study.trial import TUNED_SHARE, Outcome
from hsrl_train.evaluation.intervals import mean_interval
from hsrl_train.evaluation.judge import PolicyResult

_HEADS = {
    "variant": "variant",
    "stage": "stage",
    "reward": "total reward, 95 % interval",
    "change": "beside its own first, paired",
    "beside": "that change beside the first variant's, paired",
}
Matrix = npt.NDArray[np.float64]


def stage_rows(plan: StudyPlan, outcomes: Sequence[Outcome]) -> pl.DataFrame:
    """A row for each variant and stage, then for each reference row and stage.

    ``change`` is the reward beside the same policies on the first catalogue; ``beside`` is that change less the first variant's, each
    from the same starts with the same luck, in the families that nobody learned in where there are some.
    """
    kind = judging_kind(outcomes)
    rewards: dict[tuple[str, str], Matrix] = {}
    families: tuple[str, ...] = ()
    for name, at, result in _results(outcomes, kind):
        found = result.pooled.rewards[None]
        known = rewards.get((name, at))
        rewards[name, at] = found if known is None else np.concatenate([known, found])
        families = result.families
    names = list(dict.fromkeys(name for name, _ in rewards))
    rows: list[dict[str, Any]] = []
    for name in names:
        for stage in plan.study.stages:
            if (name, stage.name) not in rewards:  # reference rows learn nothing on a new catalogue
                continue
            reached, first = rewards[name, stage.name], rewards[name, plan.study.stages[0].name]
            row: dict[str, Any] = {"variant": plan.study.first_name if name == BASE else name, "stage": stage.name}
            row |= {"share": stage.share, "learns_on": stage.learns_on, "is_reference": name not in _learned(plan)}
            row |= _interval("reward", reached, families)
            moved = stage is not plan.study.stages[0]
            row |= _interval("change", reached - first if moved else None, families)
            base = rewards[BASE, stage.name] - rewards[BASE, plan.study.stages[0].name]
            is_compared = moved and name != BASE and name in _learned(plan)
            row |= _interval("beside", reached - first - base if is_compared else None, families)
            rows.append(row)
    return pl.DataFrame(rows, infer_schema_length=None)


def write_stages(name: str, plan: StudyPlan, rows: pl.DataFrame, made_by: str, out: Path, root: Path) -> list[Path]:
    """Write ``NAME.md``, ``.csv`` and ``.png`` into ``out``; return the paths.

    Raises:
        ConfigError: it cannot be written, or lies in the warehouse.
    """
    out.mkdir(parents=True, exist_ok=True)
    paths = {kind: out / f"{name}.{kind}" for kind in ("md", "csv", "png")}
    with written(paths["md"], root) as draft:
        draft.write_text(_page(name, plan, rows, made_by), encoding="utf-8")
    with written(paths["csv"], root) as draft:
        rows.write_csv(draft)
    with written(paths["png"], root) as draft, styled():
        write_png(_picture(plan, rows), draft)
    return list(paths.values())


def _page(name: str, plan: StudyPlan, rows: pl.DataFrame, made_by: str) -> str:
    settings = plan.settings
    lines = [
        f"# {plan.study.title}",
        "",
        plan.study.doc,
        "",
        f"{made_by}. Source {settings.source.name}, simulator `{settings.simulator.preset}`, "
        f"{settings.learner.schedule.n_iterations:,} iterations on the first catalogue, {TUNED_SHARE:.0%} of that where a stage learns on; "
        f"{settings.evaluation.n_sessions:,} sessions in each judge, the same starts and luck for every row and stage.",
        "",
    ]
    for is_reference, heading in ((False, "## Policies"), (True, "## Reference rows, which learn nothing")):
        part = rows.filter(pl.col("is_reference") == is_reference)
        heads = {column: head for column, head in _HEADS.items() if part[column].null_count() < part.height}
        lines += [heading, "", *table(part, heads), ""]
    return "\n".join([*lines, f"![{plan.study.title}]({name}.png)", ""])


def _picture(plan: StudyPlan, rows: pl.DataFrame) -> Figure:
    """Reward over the share that has been replaced; open circles have learned on."""
    made = figure(9.0, 5.0)
    head(made, f"{plan.study.title}, {plan.settings.source.name}")
    axes = made.subplots()
    policies = rows.filter(~pl.col("is_reference"))
    for number, variant in enumerate(policies["variant"].unique(maintain_order=True)):
        own = policies.filter(pl.col("variant") == variant).sort("share")
        kept, tuned = own.filter(~pl.col("learns_on")), own.filter("learns_on")
        line = ("-", "--", ":")[number // 6 % 3]
        axes.plot(
            kept["share"] * 100, kept["reward"], marker="o", markersize=4, label=variant, color=colour(number), linestyle=line
        )
        axes.plot(tuned["share"] * 100, tuned["reward"], "o", markerfacecolor="none", color=colour(number))
    axes.set_xlabel("items replaced since the policy learned, %")
    axes.set_ylabel("total reward a session")
    axes.legend(loc="center left", bbox_to_anchor=(1.01, 0.5), frameon=False, title="open: after learning on")
    return made


def _learned(plan: StudyPlan) -> set[str]:
    return {variant.name for variant in plan.variants}


def _results(outcomes: Sequence[Outcome], kind: str) -> list[tuple[str, str, PolicyResult]]:
    """Name, stage and result of every row; of reference rows as the last group of judges has them."""
    found = []
    for outcome in outcomes:
        stage = outcome.trial.stage
        if stage is None:
            continue
        if outcome.policy_id is None:
            last = {result.name: result for result in outcome.results}
            found += [(name, stage.name, result) for name, result in last.items()]
        else:
            found += [(outcome.trial.variant, stage.name, result) for result in outcome.results if result.kind == kind]
    return found


def _interval(name: str, values: Matrix | None, families: Sequence[str]) -> dict[str, float | None]:
    if values is None:
        return {name: None, f"{name}_low": None, f"{name}_high": None}
    found = mean_interval(values, families)
    return {name: found.mean, f"{name}_low": found.low, f"{name}_high": found.high}
