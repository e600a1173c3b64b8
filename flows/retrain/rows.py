"""The rows that a retrain publishes: simulators, policies and evaluations of the warehouse."""

from dataclasses import asdict
from typing import Any

import polars as pl

from flows.retrain.results import Claimed, JudgedAnswers
from flows.retrain.simulators import Simulator
from flows.retrain.training import Trained
from hsrl_train.data.tensors import World
from hsrl_train.evaluation.intervals import Interval
from hsrl_train.evaluation.judge import PolicyResult
from hsrl_train.evaluation.real_answers import AUC, ECE, NDCG
from hsrl_train.evaluation.rollouts import Rollouts, summarise
from hsrl_train.learner.config import LearnerConfig
from hsrl_train.simulator.config import EnvironmentConfig
from pipeline.contracts import rows_of
from pipeline.warehouse.result_tables import CLAIMS, EVALUATIONS, POLICIES, REAL_ANSWERS, SIMULATORS

# Figures of a summary that tables name alike.
FIGURES = (
    "total_reward",
    "total_reward_sd",
    "ci_low",
    "ci_high",
    "depth",
    "user_reward_variance",
    "distinct_items",
    "gini",
    "unsupported_share",
    "temper_law",
)


def figures_of(played: Rollouts) -> dict[str, Any]:
    """The summary of some sessions by its column names."""
    summary = asdict(summarise(played))
    return {name: summary[name] for name in FIGURES}


def simulator_rows(simulators: list[Simulator], world: World, release_id: int) -> pl.DataFrame:
    """SIMULATORS, a row each."""
    rows: list[dict[str, Any]] = []
    for simulator in simulators:
        fitted = simulator.fitted
        n_records = int(world.records.is_train.sum()) if fitted.fit_on == "train" else len(world.records)
        rows.append(
            {
                "simulator_id": simulator.simulator_id,
                "family": fitted.config.family,
                "preset": fitted.config.preset,
                "fit_on": fitted.fit_on,
                "seed": fitted.seed,
                "n_records": n_records,
                **{name: value for name, value in asdict(simulator.quality).items() if name != "n"},
                "judged_on": simulator.judged_on,
                "artifact_id": simulator.artifact.name,
                "config": fitted.config.model_dump_json(),
                "release_id": release_id,
            }
        )
    return rows_of(SIMULATORS, rows, "simulators")


def policy_row(trained: Trained, learner: LearnerConfig, codebook_id: str, simulators: list[Simulator]) -> dict[str, Any]:
    """POLICIES, a row but for its release and whether it is published.

    Args:
        trained: the policy.
        learner: what it was learned with.
        codebook_id: of the Semantic IDs that it was learned on.
        simulators: that it learned in.
    """
    return {
        "policy_id": trained.policy_id,
        "method": learner.method,
        "preset": learner.preset,
        "seed": trained.seed,
        "codebook_id": codebook_id,
        "simulator_ids": [simulator.simulator_id for simulator in simulators],
        "n_iterations": trained.n_iterations,
        "cpu_seconds": trained.cpu_seconds,
        "artifact_id": trained.policy_id,
        "config": learner.model_dump_json(),
    }


def published_policies(row: dict[str, Any], published: pl.DataFrame, *, is_published: bool, release_id: int) -> pl.DataFrame:
    """POLICIES: the new policy and, where it is published, those that make way.

    Args:
        row: the new policy, see ``policy_row``.
        published: POLICIES that are published now.
        is_published: whether the new policy takes their place.
        release_id: of the new policy.
    """
    rows = rows_of(POLICIES, [{**row, "is_published": is_published, "release_id": release_id}], "policies")
    return pl.concat([published.with_columns(is_published=pl.lit(value=False)), rows]) if is_published else rows


def evaluation_rows(
    results: list[PolicyResult], preset: str, environment: EnvironmentConfig, release_id: int, embedding_id: str
) -> pl.DataFrame:
    """EVALUATIONS: for each policy a row a simulator, and a row for all of them where there are several.

    Args:
        results: what was played.
        preset: of the simulators.
        environment: the rules of their sessions.
        release_id: which publishes the rows.
        embedding_id: the vectors that the simulators see.
    """
    rows = []
    for result in results:
        tables = list(zip(result.rollouts, result.simulator_ids, result.families, strict=True))
        if len(tables) > 1:
            tables.append((result.pooled, "+".join(result.simulator_ids), "+".join(dict.fromkeys(result.families))))
        rows += [
            {
                "policy": result.name,
                "policy_id": result.policy_id,
                "simulator_id": simulator_id,
                "family": family,
                "kind": result.kind,
                "preset": preset,
                "repeats": environment.repeats,
                "slate_size": played.k,
                "cost": environment.cost,
                "temper0": environment.temper0,
                "max_steps": environment.max_steps,
                "seed": result.seed,
                "n_sessions": played.rewards.size,
                **figures_of(played),
                "release_id": release_id,
                "embedding_id": embedding_id,
            }
            for played, simulator_id, family in tables
        ]
    return rows_of(EVALUATIONS, rows, "evaluation")


def real_answer_rows(judged: list[JudgedAnswers], release_id: int) -> pl.DataFrame:
    """REAL_ANSWERS: a row for each policy and metric."""
    rows = []
    for ranked in judged:
        answers = ranked.answers
        made = {"release_id": release_id, "policy": answers.name, "policy_id": ranked.policy_id, "seed": ranked.seed}
        for metric in answers.figures:
            if (found := answers.interval(metric)) is None:
                continue
            bounds = {"value": found.mean, "ci_low": found.low, "ci_high": found.high}
            rows.append({**made, "metric": metric, **bounds, "n_users": answers.n_users(metric), "n_slates": answers.n_slates})
        if answers.ece is not None:
            counts = {"n_users": answers.n_users(AUC), "n_slates": answers.n_slates}
            rows.append({**made, "metric": ECE, "value": answers.ece, "ci_low": None, "ci_high": None, **counts})
    return rows_of(REAL_ANSWERS, rows, "real answers")


def claim_rows(claims: list[Claimed], release_id: int) -> pl.DataFrame:
    """CLAIMS: a row for each policy that was compared with another method."""
    rows = []
    for claimed in claims:
        found = claimed.claim
        rows.append(
            {
                "release_id": release_id,
                "policy": claimed.policy,
                "policy_id": claimed.policy_id,
                "reference": claimed.reference,
                "verdict": found.verdict,
                **_bounds("panel", found.panel),
                "worst_family": found.worst_family,
                "worst_share": found.worst_share,
                **_bounds("own", found.own),
                **{
                    f"{metric}_{name}": value
                    for metric in (AUC, NDCG)
                    for name, value in _bounds("gain", found.real.get(metric)).items()
                },
            }
        )
    return rows_of(CLAIMS, rows, "claims")


def _bounds(name: str, interval: Interval | None) -> dict[str, float | None]:
    """An interval as columns; all null where there is none."""
    low, mean, high = (None, None, None) if interval is None else (interval.low, interval.mean, interval.high)
    return {name: mean, f"{name}_low": low, f"{name}_high": high}
