"""The figures of a study: a row for each judgement, and a row for each variant with its intervals."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from flows.retrain.judging import Row
from flows.stores.workspace import Workspace
from flows.study.plan import Plan
from flows.study.trial import Outcome
from flows.study.variants import BASE, Variant
from hsrl_train.evaluation.intervals import Interval, mean_interval
from hsrl_train.evaluation.rollouts import summarise
from pipeline.contracts import rows_of
from pipeline.warehouse.result_tables import EXPERIMENTS

LEVEL_WEIGHT = "level_weight_"


def experiment_rows(plan: Plan, name: str, outcomes: Sequence[Outcome], run_id: str, release_id: int) -> pl.DataFrame:
    """EXPERIMENTS: a row for each policy and reference row in each simulator."""
    changes = {variant.name: dict(variant.changes) for variant in plan.variants}
    rows: list[dict[str, Any]] = []
    for one in outcomes:
        for row in one.rows:
            for played, simulator_id in zip(row.played, row.simulator_ids, strict=True):
                figures = asdict(summarise(played))
                rows.append(
                    {
                        "run_id": run_id,
                        "release_id": release_id,
                        "study": name,
                        "variant": row.name if one.policy_id is None else one.trial.variant,
                        "kind": row.kind,
                        "seed": row.seed,
                        "simulator_id": simulator_id,
                        "policy_id": one.policy_id,
                        "changes": json.dumps(changes.get(one.trial.variant, {}), sort_keys=True),
                        "config": one.trial.settings.model_dump_json(),
                        "preset": one.trial.settings.simulator.preset,
                        "cpu_seconds": one.cpu_seconds,
                        **{
                            column: figures[column]
                            for column in ("n_sessions", "total_reward", "depth", "distinct_items", "gini")
                        },
                        "user_reward_variance": figures["user_reward_variance"],
                        "total_reward_sd": figures["sd"],
                        "ci_low": figures["ci95_low"],
                        "ci_high": figures["ci95_high"],
                        "temper_law": figures["spent_temper"],
                    }
                )
    return rows_of(EXPERIMENTS, rows, "experiments")


def summary(plan: Plan, outcomes: Sequence[Outcome]) -> pl.DataFrame:
    """A row for each variant: figures over its seeds, simulators and sessions, and what it adds to the configured one, paired.

    ``s_score`` is (R − popular slate) / (transfer oracle − popular slate) of the transferred reward (FACTS, recipe).
    """
    references = {row.name: float(_rewards([row]).mean()) for row in _references(outcomes)}
    popular, oracle = references["popular slate"], references["transfer oracle"]
    base = _rewards(_of(outcomes, BASE, "transferred"))
    rows = []
    for variant in plan.variants:
        transferred = _rewards(_of(outcomes, variant.name, "transferred"))
        difference = None if variant.name == BASE else mean_interval(transferred - base)
        told = _learned(variant, outcomes)
        s_score = (float(transferred.mean()) - popular) / (oracle - popular) if oracle != popular else None
        rows.append({**told, **_interval("difference", difference), "s_score": s_score})
    return pl.DataFrame(rows, infer_schema_length=None)


def _learned(variant: Variant, outcomes: Sequence[Outcome]) -> dict[str, Any]:
    mine = [one for one in outcomes if one.trial.variant == variant.name]
    spent = [one.cpu_seconds for one in mine]
    transferred, own = (_of(outcomes, variant.name, kind) for kind in ("transferred", "own"))
    each = [summarise(row.together) for row in transferred]
    rewards, depths = (np.array([getattr(one, name) for one in each]) for name in ("total_reward", "depth"))
    return {
        "variant": variant.name,
        "panel": variant.panel,
        "at": variant.at,
        "published": variant.published,
        "n_seeds": len(mine),
        **_interval("own", mean_interval(_rewards(own))),
        **_interval("transferred", mean_interval(_rewards(transferred))),
        "sd_over_seeds": _sd(rewards),
        "depth": float(depths.mean()),
        "depth_sd_over_seeds": _sd(depths),
        "user_reward_variance": float(np.mean([one.user_reward_variance for one in each])),
        "distinct_items": float(np.mean([one.distinct_items for one in each])),
        "gini": float(np.mean([one.gini for one in each])),
        "cpu_seconds": None if None in spent else sum(one for one in spent if one is not None),
    }


def reference_rows(outcomes: Sequence[Outcome]) -> pl.DataFrame:
    """A row for each reference row, in all evaluation simulators together."""
    rows = []
    for row in _references(outcomes):
        result = summarise(row.together)
        interval = Interval(result.total_reward, result.ci95_low, result.ci95_high)
        figures = {"depth": result.depth, "distinct_items": result.distinct_items, "gini": result.gini}
        rows.append({"variant": row.name, **_interval("transferred", interval), **figures})
    return pl.DataFrame(rows)


def level_weights(place: Workspace, outcomes: Sequence[Outcome]) -> pl.DataFrame:
    """seed, iteration, level (0 = first), weight of the configured variant, as its training curves tell."""
    frames = []
    for one in outcomes:
        if one.trial.variant == BASE and one.policy_id is not None:
            curves = pl.read_parquet(place.artifacts.path("policy", one.policy_id) / "curves.parquet")
            told = curves.filter(pl.col("metric").str.starts_with(LEVEL_WEIGHT)).select(
                pl.lit(one.trial.seed, pl.Int64).alias("seed"),
                "iteration",
                level=pl.col("metric").str.strip_prefix(LEVEL_WEIGHT).cast(pl.Int64),
                weight="value",
            )
            frames.append(told.sort("level", "iteration"))
    return pl.concat(frames)


def _references(outcomes: Sequence[Outcome]) -> list[Row]:
    return [row for one in outcomes if one.policy_id is None for row in one.rows]


def _of(outcomes: Sequence[Outcome], variant: str, kind: str) -> list[Row]:
    """The rows of a variant, by seed."""
    return [row for one in outcomes if one.trial.variant == variant for row in one.rows if row.kind == kind]


def _rewards(rows: Sequence[Row]) -> npt.NDArray[np.float64]:
    """(n, m, S): seeds, simulators, sessions."""
    return np.stack([row.together.rewards for row in rows])


def _sd(values: npt.NDArray[np.float64]) -> float | None:
    return float(values.std(ddof=1)) if len(values) > 1 else None


def _interval(name: str, interval: Interval | None) -> dict[str, float | None]:
    low, mean, high = (None, None, None) if interval is None else (interval.low, interval.mean, interval.high)
    return {name: mean, f"{name}_low": low, f"{name}_high": high}
