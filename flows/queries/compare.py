"""`hsrl compare`: two policies of a warehouse in the same judges from the same starts, what they show, and the Semantic IDs under them."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import torch

from flows.queries.policy_sides import learner_of, load_side, side_named, sids_of
from flows.retrain.judging import compared, real_answers_of
from flows.retrain.simulators import SimulatorSpec, load_fitted
from flows.retrain.training import decided_by_log
from flows.stores.pinned import Pinned, pin
from hsrl_train.evaluation.claims import Claim
from hsrl_train.evaluation.config import EvaluationConfig
from hsrl_train.evaluation.intervals import Interval
from hsrl_train.evaluation.judge import Judge, NamedPolicy, NamedSimulator, PolicyResult, Progress, by_kind
from hsrl_train.evaluation.real_answers import AUC, NDCG, NDCG_LATER, RealAnswers, paired
from hsrl_train.evaluation.rollouts import paired_difference
from hsrl_train.learner.config import LearnerConfig
from hsrl_train.learner.loop import StoredPolicy
from hsrl_train.simulator.config import EnvironmentConfig, SimulatorConfig
from pipeline.errors import WarehouseError
from pipeline.sids.table import SidTable
from pipeline.warehouse.naming_damage import naming_damage
from pipeline.warehouse.warehouse import Warehouse

_N_NAMED = 5  # items that each policy shows more, by name


@naming_damage
def compare(
    root: Path, names: tuple[str, str], n_sessions: int | None, memory_limit_mb: int, progress: Progress | None = None
) -> dict[str, Any]:
    """Two policies beside one another; nothing is written.

    Both are played in the simulators that judged the later one, each over the Semantic IDs of the release that brought it, from the
    same held-out starts with the same luck: differences are second − first, paired session by session.

    Args:
        root: the warehouse.
        names: of the first and the second: the id of a policy, its first letters, or the number of a release for the policy it serves.
        n_sessions: played in each simulator; None = as many as the later one was judged with.
        memory_limit_mb: of the SQL engine, MB.
        progress: called with (sessions that are over, sessions that are expected).

    Returns:
        What was found, as plain values.

    Raises:
        ConfigError: a name is none of a policy, or of several.
        WarehouseError: a release of theirs, or a simulator, is gone.
        TrainingError: a stored policy is damaged.
    """
    torch.set_num_threads(1)
    with Warehouse.open_copy(root) as warehouse:
        first, second = (side_named(warehouse, name) for name in names)
        later = max(first, second, key=lambda side: side.release_id)
        pinned = pin(warehouse, warehouse.release(later.release_id), memory_limit_mb)
        settings = json.loads(warehouse.query("SELECT config FROM releases WHERE release_id = ?", [later.release_id]).item())
        sids = {side: sids_of(warehouse, side, memory_limit_mb) for side in (first, second)}
        judge, groups = _judge(warehouse, pinned, settings, n_sessions, progress)
        policies = [load_side(warehouse, pinned, side, sids[side]) for side in (first, second)]
        learners = [learner_of(warehouse, side) for side in (first, second)]
        titles = warehouse.query("SELECT item_id, raw_id, title FROM items ORDER BY item_id")
    judge.expect(2 * sum(len(group) for _, group in groups))
    played = [
        {kind: judge.play(NamedPolicy(side.policy_id, policy, side.policy_id), group, kind) for kind, group in groups}
        for side, policy in zip((first, second), policies, strict=True)
    ]
    real = [
        real_answers_of(judge.world, side.policy_id, policy, judge.environment.memory, learner)
        for side, policy, learner in zip((first, second), policies, learners, strict=True)
    ]
    # A policy beside itself is two rows all the same.
    claimed = compared(dict(zip("ab", played, strict=True)), dict(zip("ab", real, strict=True)), "b", "a")
    return {
        "first": asdict(first),
        "second": asdict(second),
        "judged_on_release": later.release_id,
        "n_sessions": len(judge.starts.states.history),
        **_in_words(claimed),
        "rewards": [_rewards(kind, *(side[kind] for side in played)) for kind, _ in groups],
        "real_answers": _real(*real),
        "slates": _slates(judge, *policies),
        "shown_more": _shown_more(titles, pinned, *(side[groups[-1][0]] for side in played)),
        "sids": moved(sids[first], sids[second]),
    }


def _judge(
    warehouse: Warehouse, pinned: Pinned, settings: dict[str, Any], n_sessions: int | None, progress: Progress | None
) -> tuple[Judge, list[tuple[str, list[NamedSimulator]]]]:
    """The judge of the later release, and its simulators by kind."""
    evaluation = EvaluationConfig.model_validate(settings["evaluation"])
    evaluation = evaluation.model_copy(update={"n_sessions": n_sessions or evaluation.n_sessions})
    learner = LearnerConfig.model_validate(settings["learner"])
    _, environment = decided_by_log(learner, EnvironmentConfig.model_validate(settings["environment"]), pinned.world)
    config = SimulatorConfig.model_validate(settings["simulator"])
    rows = warehouse.query(
        "SELECT simulator_id, artifact_id, family, seed FROM simulators WHERE fit_on = 'all' AND preset = $preset "
        "AND release_id = (SELECT max(release_id) FROM simulators WHERE fit_on = 'all' AND release_id <= $release) "
        "ORDER BY family, seed",
        {"preset": config.preset, "release": pinned.release.release_id},
    )
    if rows.is_empty():
        raise WarehouseError(f"compare: release {pinned.release.release_id} has no judges; make them with: hsrl retrain")
    named = []
    for simulator_id, weights_id, family, seed in rows.iter_rows():
        spec = SimulatorSpec(simulator_id, weights_id, config.model_copy(update={"family": family}), "all", seed)
        fitted = load_fitted(warehouse.artifacts, pinned.world, spec)
        named.append(NamedSimulator(simulator_id, family, fitted.model))
    judge = Judge(pinned.world, evaluation, environment, int(settings["seed"]), progress)
    return judge, by_kind(named, config.family)


def _plain(found: Interval) -> dict[str, float]:
    return {"difference": found.mean, "low": found.low, "high": found.high}


def _in_words(claimed: Claim) -> dict[str, Any]:
    return {"verdict": claimed.verdict, "worst_family": claimed.worst_family, "worst_share": claimed.worst_share}


def _rewards(kind: str, first: PolicyResult, second: PolicyResult) -> dict[str, Any]:
    """Total reward of whole sessions, second − first, in all simulators of a kind."""
    means = {"first": float(first.pooled.rewards.mean()), "second": float(second.pooled.rewards.mean())}
    by_family = {family: second.by_family[family] - first.by_family[family] for family in first.by_family}
    return {"kind": kind, **means, **_plain(paired_difference(second.pooled, first.pooled)), "by_family": by_family}


def _real(first: RealAnswers, second: RealAnswers) -> list[dict[str, Any]]:
    """People's own answers of the test split, second − first, where slates can tell."""
    found = []
    for metric in (AUC, NDCG, NDCG_LATER):
        difference, means = paired(second, first, metric), (first.interval(metric), second.interval(metric))
        if difference is not None and means[0] is not None and means[1] is not None:
            found.append({"metric": metric, "first": means[0].mean, "second": means[1].mean, **_plain(difference)})
    return found


@torch.no_grad()
def _slates(judge: Judge, first: StoredPolicy, second: StoredPolicy) -> dict[str, Any]:
    """What both show at the beginning of the same sessions."""
    states = judge.starts.states
    shown = [policy.slates(states, judge.k, torch.Generator().manual_seed(judge.seed)).numpy() for policy in (first, second)]
    common = np.array([len(set(a) & set(b)) for a, b in zip(shown[0].tolist(), shown[1].tolist(), strict=True)])
    return {
        "n_slates": len(common),
        "slate_size": judge.k,
        "items_in_common_share": float(common.mean()) / judge.k,
        "same_items_share": float((common == judge.k).mean()),
        "same_first_share": float((shown[0][:, 0] == shown[1][:, 0]).mean()),
    }


def _shown_more(
    titles: pl.DataFrame, pinned: Pinned, first: PolicyResult, second: PolicyResult
) -> dict[str, list[dict[str, Any]]]:
    """The items that each policy shows more than the other, by the difference in their share of all places."""
    shares = [side.pooled.exposure / max(side.pooled.exposure.sum(), 1) for side in (first, second)]
    gain = shares[1] - shares[0]
    catalogue = pinned.world.catalogue
    ids = catalogue.item_ids[catalogue.is_active[1:].numpy()]
    named = titles.join(pl.DataFrame({"item_id": ids, "gain": gain}), on="item_id")
    return {
        "first": named.filter(pl.col("gain") < 0).sort("gain", "item_id").head(_N_NAMED).to_dicts(),
        "second": named.filter(pl.col("gain") > 0).sort(-pl.col("gain"), "item_id").head(_N_NAMED).to_dicts(),
    }


def moved(first: tuple[str, SidTable], second: tuple[str, SidTable]) -> dict[str, Any]:
    """How many items have another Semantic ID in the second release; under another numbering all of them."""
    before, after = first[1], second[1]
    both, at_before, at_after = np.intersect1d(before.item_ids, after.item_ids, return_indices=True)
    is_numbered_alike = first[0] == second[0]
    moved = (before.tokens[at_before] != after.tokens[at_after]).any(axis=1) if is_numbered_alike else np.ones(len(both), bool)
    return {
        "n_in_both": len(both),
        "n_moved": int(moved.sum()),
        "n_only_first": len(before.item_ids) - len(both),
        "n_only_second": len(after.item_ids) - len(both),
        "is_numbered_alike": is_numbered_alike,
    }
