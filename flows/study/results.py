"""The figures of a study: a row for each judgement, and a row for each variant with its intervals."""

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from flows.retrain.judging import DECIDING
from flows.retrain.rows import figures_of
from flows.stores.policies import CURVES, KIND
from flows.stores.workspace import Workspace
from flows.study.page_table import plural
from flows.study.plan import N_BEST, StudyPlan
from flows.study.study import BASE, Variant
from flows.study.trial import Outcome
from hsrl_train.evaluation.claims import Claim, Compared, claim
from hsrl_train.evaluation.intervals import Interval, mean_interval
from hsrl_train.evaluation.judge import PolicyResult
from hsrl_train.evaluation.real_answers import RealAnswers, mean_of, paired
from hsrl_train.evaluation.rollouts import summarise
from hsrl_train.learner.config import LearnerConfig
from hsrl_train.learner.methods import method_named
from pipeline.contracts import rows_of
from pipeline.warehouse.result_tables import EXPERIMENTS

LEVEL_WEIGHT = "level_weight_"


def experiment_rows(plan: StudyPlan, name: str, outcomes: Sequence[Outcome], run_id: str, release_id: int) -> pl.DataFrame:
    """EXPERIMENTS: a row for each policy and reference row in each simulator; the changes of a tuned variant are with what was chosen."""
    changes = {variant.name: {**variant.changes, **variant.chosen} for variant in plan.variants}
    rows: list[dict[str, Any]] = []
    for outcome in outcomes:
        trial = outcome.trial
        for result in outcome.results:
            rows += [
                {
                    "run_id": run_id,
                    "release_id": release_id,
                    "study": name,
                    "variant": result.name if outcome.policy_id is None else trial.variant,
                    "kind": result.kind,
                    "seed": result.seed,
                    "simulator_id": simulator_id,
                    "family": family,
                    "policy_id": outcome.policy_id,
                    "changes": json.dumps(changes.get(trial.variant, {}), sort_keys=True),
                    "config": trial.settings.model_dump_json(),
                    "preset": trial.settings.simulator.preset,
                    "cpu_seconds": outcome.cpu_seconds,
                    "n_sessions": played.rewards.size,
                    **figures_of(played),
                }
                for played, simulator_id, family in zip(result.rollouts, result.simulator_ids, result.families, strict=True)
            ]
    return rows_of(EXPERIMENTS, rows, "experiments")


def summary(plan: StudyPlan, outcomes: Sequence[Outcome]) -> pl.DataFrame:
    """A row for each variant: figures over its seeds, simulators and sessions, and its paired difference from the configured variant.

    Differences and claims are of the panel, where other families judge, else of the family learned in. ``s_score`` is (R − popular
    slate) / (transfer oracle − popular slate) of the transferred reward (docs/measurements.md).
    """
    kind = judging_kind(outcomes)
    references = {result.name: float(_rewards([result]).mean()) for result in _references(outcomes, "transferred")}
    popular, oracle = references["popular slate"], references["transfer oracle"]
    rows = []
    for variant in plan.variants:
        judged, answers = _of(outcomes, variant.name, kind), _real(outcomes, variant.name)
        in_pairs = _in_pairs(outcomes, variant.name)
        transferred = _rewards(_of(outcomes, variant.name, "transferred"))
        families = judged[0].families
        is_base = variant.name == BASE
        difference = _compared(in_pairs, variant.name, kind).difference
        s_score = (float(transferred.mean()) - popular) / (oracle - popular) if oracle != popular else None
        claimed = None if is_base else _claimed(in_pairs, variant.name, kind)
        rows.append(
            {
                **_learned(variant, outcomes),
                **_interval("panel_reward", mean_interval(_rewards(judged), families) if kind == "panel" else None),
                **{
                    f"in_{family}": float(np.mean([result.by_family[family] for result in judged]))
                    for family in dict.fromkeys(families)
                },
                **_interval("difference", None if is_base else difference),
                **{metric: value for name in DECIDING for metric, value in _interval(name, answers.interval(name)).items()},
                "unsupported_share": float(np.mean([summarise(result.pooled).unsupported_share for result in judged])),
                "verdict": None if claimed is None else claimed.verdict,
                "worst_family": None if claimed is None else claimed.worst_family,
                "worst_share": None if claimed is None else claimed.worst_share,
                "s_score": s_score,
            }
        )
    return pl.DataFrame(rows, infer_schema_length=None)


def best_where_learned(plan: StudyPlan, outcomes: Sequence[Outcome]) -> set[str]:
    """The configured variant and the ``N_BEST`` others that reach most in the training simulators, which judge nobody."""
    reached = {
        variant.name: float(_rewards(_of(outcomes, variant.name, "own")).mean())
        for variant in plan.variants
        if variant.name != BASE
    }
    return {BASE, *sorted(reached, key=lambda name: -reached[name])[:N_BEST]}


def judging_kind(outcomes: Sequence[Outcome]) -> str:
    """panel where other families judge, else transferred."""
    kinds = {result.kind for outcome in outcomes for result in outcome.results}
    return "panel" if "panel" in kinds else "transferred"


def _in_pairs(outcomes: Sequence[Outcome], variant: str) -> list[Outcome]:
    """Those of a variant and of the configured one with the seeds that both have."""
    seeds = [{outcome.trial.seed for outcome in outcomes if outcome.trial.variant == name} for name in (variant, BASE)]
    return [outcome for outcome in outcomes if outcome.trial.seed in seeds[0] & seeds[1]]


def _claimed(in_pairs: Sequence[Outcome], variant: str, kind: str) -> Claim:
    """What may be said of a variant beside the configured one, of outcomes in pairs."""
    answers, base = _real(in_pairs, variant), _real(in_pairs, BASE)
    real = {metric: found for metric in DECIDING if (found := paired(answers, base, metric))}
    panel = _compared(in_pairs, variant, kind) if kind == "panel" else None
    return claim(panel, _compared(in_pairs, variant, "transferred"), real)


def _compared(in_pairs: Sequence[Outcome], variant: str, kind: str) -> Compared:
    ours, theirs = _of(in_pairs, variant, kind), _of(in_pairs, BASE, kind)
    return Compared(_rewards(ours), _rewards(theirs), ours[0].families)


def _real(outcomes: Sequence[Outcome], variant: str) -> RealAnswers:
    """People's own answers to a variant, over its seeds."""
    return mean_of([answers for outcome in outcomes if outcome.trial.variant == variant for answers in outcome.real])


def _learned(variant: Variant, outcomes: Sequence[Outcome]) -> dict[str, Any]:
    seeds = [outcome for outcome in outcomes if outcome.trial.variant == variant.name]
    spent = [outcome.cpu_seconds for outcome in seeds]
    transferred, own = (_of(outcomes, variant.name, kind) for kind in ("transferred", "own"))
    each = [summarise(result.pooled) for result in transferred]
    rewards, depths = (np.array([getattr(summary, name) for summary in each]) for name in ("total_reward", "depth"))
    return {
        "variant": variant.name,
        "panel": variant.panel,
        "at": variant.at,
        "published": variant.published,
        "n_seeds": len(seeds),
        **_interval("own", mean_interval(_rewards(own))),
        **_interval("transferred", mean_interval(_rewards(transferred))),
        "sd_over_seeds": _sd(rewards),
        "depth": float(depths.mean()),
        "depth_sd_over_seeds": _sd(depths),
        "temper_law": float(np.mean([summary.temper_law for summary in each])),
        "user_reward_variance": float(np.mean([summary.user_reward_variance for summary in each])),
        "distinct_items": float(np.mean([summary.distinct_items for summary in each])),
        "gini": float(np.mean([summary.gini for summary in each])),
        "cpu_seconds": None if None in spent else sum(seconds for seconds in spent if seconds is not None),
        "n_parameters": seeds[0].n_parameters,
        "n_iterations": seeds[0].trial.settings.learner.schedule.n_iterations,
        "help": help_of(seeds[0].trial.settings.learner, seeds[0].trial.settings.simulator.n_training),
        "chosen": _chosen(variant, seeds[0].trial.settings.learner),
        "block": variant.block,
    }


def _chosen(variant: Variant, learner: LearnerConfig) -> str | None:
    """What the search chose of what the method reads."""
    unread = set() if method_named(learner.method).reads(learner).logged_rows else {"learner.losses.log_share"}
    chosen = {name.rpartition(".")[2]: value for name, value in sorted(variant.chosen.items()) if name not in unread}
    return ", ".join(f"{name} = {value}" for name, value in chosen.items()) or None


def help_of(learner: LearnerConfig, n_simulators: int) -> str:
    """What a row had beside its own idea: answers, asked items, training simulators, refusals in the state, a search at the end."""
    method = method_named(learner.method)
    learner = method.configured(learner)
    losses = learner.losses
    if losses.answers == "logged":
        given = ["the log alone"]
    else:
        asked = f", {losses.n_asked} asked items" if losses.answers == "expected" and losses.n_asked else ""
        logged = f"{losses.log_share:.0%} of a batch from the log"
        given = [
            f"{losses.answers} answers{asked}",
            *([logged] if learner.n_logged else []),
            f"{n_simulators} {plural('simulator', n_simulators)}",
        ]
    given += ["refusals"] if learner.network.uses_refusals else []
    given += ["search"] if learner.search.n_rounds else []
    return "; ".join(given)


def reference_rows(outcomes: Sequence[Outcome]) -> pl.DataFrame:
    """A row for each reference row: over the panel, where there is one, each of its families, and the family learned in."""
    kind, rows = judging_kind(outcomes), []
    own = {result.name: mean_interval(_rewards([result])) for result in _references(outcomes, "transferred")}
    for result in _references(outcomes, kind):
        summary = summarise(result.pooled)
        interval = Interval(summary.total_reward, summary.ci_low, summary.ci_high)
        figures = {name: getattr(summary, name) for name in ("depth", "distinct_items", "gini", "unsupported_share")}
        families = {f"in_{family}": mean for family, mean in result.by_family.items()}
        panel = _interval("panel_reward", interval if kind == "panel" else None)
        rows.append({"variant": result.name, **panel, **families, **_interval("transferred", own[result.name]), **figures})
    for answers in (answers for outcome in outcomes if outcome.policy_id is None for answers in outcome.real):
        rows.append(
            {"variant": answers.name, **{k: v for name in DECIDING for k, v in _interval(name, answers.interval(name)).items()}}
        )
    return pl.DataFrame(rows, infer_schema_length=None)


def level_weights(workspace: Workspace, outcomes: Sequence[Outcome]) -> pl.DataFrame:
    """seed, iteration, level (0 = first), weight of the configured variant, from its training curves."""
    frames = []
    for outcome in outcomes:
        if outcome.trial.variant == BASE and outcome.policy_id is not None:
            curves = pl.read_parquet(workspace.artifacts.path(KIND, outcome.policy_id) / CURVES)
            weights = curves.filter(pl.col("metric").str.starts_with(LEVEL_WEIGHT)).select(
                pl.lit(outcome.trial.seed, pl.Int64).alias("seed"),
                "iteration",
                level=pl.col("metric").str.strip_prefix(LEVEL_WEIGHT).cast(pl.Int64),
                weight="value",
            )
            frames.append(weights.sort("level", "iteration"))
    return pl.concat(frames)


def _references(outcomes: Sequence[Outcome], kind: str) -> list[PolicyResult]:
    """Reference rows as the panel judges them, or as the family does that was learned in: those came first."""
    rows: dict[str, list[PolicyResult]] = {}
    for outcome in outcomes:
        for result in outcome.results if outcome.policy_id is None else ():
            rows.setdefault(result.name, []).append(result)
    return [found[-1 if kind == "panel" else 0] for found in rows.values()]


def _of(outcomes: Sequence[Outcome], variant: str, kind: str) -> list[PolicyResult]:
    """The rows of a variant, by seed."""
    return [
        result for outcome in outcomes if outcome.trial.variant == variant for result in outcome.results if result.kind == kind
    ]


def _rewards(results: Sequence[PolicyResult]) -> npt.NDArray[np.float64]:
    """(n, m, S): seeds, simulators, sessions."""
    return np.stack([result.pooled.rewards for result in results])


def _sd(values: npt.NDArray[np.float64]) -> float | None:
    return float(values.std(ddof=1)) if len(values) > 1 else None


def _interval(name: str, interval: Interval | None) -> dict[str, float | None]:
    low, mean, high = (None, None, None) if interval is None else (interval.low, interval.mean, interval.high)
    return {name: mean, f"{name}_low": low, f"{name}_high": high}
