"""How fast methods learn: the judged reward of every training over its CPU seconds and over the slates that users answered."""

from collections.abc import Sequence

import polars as pl
from matplotlib.figure import Figure

from flows.plots.style import colour, figure, head
from flows.stores.policies import CURVES, KIND
from flows.stores.workspace import Workspace
from flows.study.trial import Outcome
from hsrl_train.learner.methods import method_named

JUDGED = "judged_reward"
_AXES = {"cpu_seconds": "CPU seconds of learning", "interactions": "slates that users answered"}


def curves_of(workspace: Workspace, outcomes: Sequence[Outcome]) -> pl.DataFrame:
    """Every judgement on the way.

    Columns: variant, seed, iteration, interactions (slates answered while learning; 0 of a method that learns from the log alone),
    cpu_seconds (of learning; null where the policy was there before), total_reward (mean of whole sessions where it learned); sorted by
    variant, seed and iteration.
    """
    frames = []
    for outcome in outcomes:
        if outcome.policy_id is None:
            continue
        trial = outcome.trial
        learner = method_named(trial.settings.learner.method).configured(trial.settings.learner)
        n_answered = 0 if learner.losses.answers == "logged" else learner.exploration.n_sessions  # an iteration
        seconds = None if outcome.cpu_seconds is None else outcome.cpu_seconds / learner.schedule.n_iterations
        curves = pl.read_parquet(workspace.artifacts.path(KIND, outcome.policy_id) / CURVES)
        frames.append(
            curves.filter(pl.col("metric") == JUDGED).select(
                pl.lit(trial.variant).alias("variant"),
                pl.lit(trial.seed, pl.Int64).alias("seed"),
                "iteration",
                (pl.col("iteration") * n_answered).alias("interactions"),
                (pl.col("iteration") * pl.lit(seconds, pl.Float64)).alias("cpu_seconds"),
                pl.col("value").alias("total_reward"),
            )
        )
    return pl.concat(frames).sort("variant", "seed", "iteration")


def curves_chart(title: str, curves: pl.DataFrame) -> Figure:
    """Mean over seeds of every variant's curve, over CPU seconds on the left and over interactions on the right, on one height.

    What had no slate answered is not on the right.
    """
    made = figure(11.5, 5.2)
    head(made, title)
    variants = curves["variant"].unique(maintain_order=True).to_list()
    left, right = made.subplots(1, 2, sharey=True)
    for axes, (column, label) in zip((left, right), _AXES.items(), strict=True):
        for number, variant in enumerate(variants):
            own = curves.filter(pl.col("variant") == variant).drop("variant")
            mean = own.group_by("iteration").mean().sort("iteration")
            points = mean.filter(pl.col(column) > 0)  # a line without points still has its name in the legend
            axes.plot(points[column], points["total_reward"], color=colour(number), label=variant, linewidth=1.4, **_dash(number))
        axes.set_xlabel(label)
    left.set_ylabel("total reward a session, where it learned")
    right.legend(loc="center left", bbox_to_anchor=(1.02, 0.5), fontsize=8, frameon=False)
    return made


def _dash(number: int) -> dict[str, str]:
    """Colours come again; then the line is another."""
    return {"linestyle": ("-", "--", ":", "-.")[number // 6 % 4]}
