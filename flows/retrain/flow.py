"""The flow nightly-retrain: simulators → policy → evaluation → gate → publish, on a pinned release."""

from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch

from flows.retrain.judging import judged, repeats_line
from flows.retrain.publish import publish
from flows.retrain.results import Results
from flows.retrain.simulators import (
    POSITIVES_ONLY,
    Simulator,
    SimulatorSpec,
    fit_missing,
    judging_specs,
    load_simulator,
    training_specs,
)
from flows.retrain.training import TrainingJob, decided_by_log, find_or_train, require_usable
from flows.runtime.run import Run
from flows.runtime.run_outcome import REFUSED, RunOutcome, record_run
from flows.runtime.settings import Settings
from flows.runtime.steps import Steps
from flows.stores.pinned import Pinned, pin_latest
from flows.stores.policies import started_from
from flows.stores.workspace import Workspace
from hsrl_train.evaluation.judge import Judge
from hsrl_train.evaluation.rollouts import summarise
from pipeline.errors import TrainingError
from pipeline.warehouse.naming_damage import naming_damage
from pipeline.warehouse.warehouse import Warehouse

_SHOWN = (
    "n_simulators",
    "n_sessions",
    "total_reward",
    "ci_low",
    "ci_high",
    "total_reward_sd",
    "depth",
    "distinct_items",
    "gini",
    "unsupported_share",
)


@dataclass(frozen=True)
class Specs:
    """The simulators of a retrain: those that policies learn in, and those that judge."""

    training: tuple[SimulatorSpec, ...]
    judging: tuple[SimulatorSpec, ...]


@naming_damage
def retrain(settings: Settings, root: Path, run: Run, steps: Steps) -> dict[str, Any]:
    """Train on the newest release, judge, and publish the policy if it is not worse than the incumbent.

    Holds the writer's lock only to publish, and refuses if the codebook was changed meanwhile.

    Returns:
        What was done, as plain values.

    Raises:
        HsrlError: whatever a person can mend; nothing was published then.
    """
    torch.set_num_threads(1)  # two threads on shared cores are slower than one, and another count gives other last digits
    require_usable(settings.training)
    if not settings.source.has_refusals:
        raise TrainingError(POSITIVES_ONLY)
    config = settings.model_dump(mode="json")
    with (
        Warehouse.open(root, settings.engine.memory_limit_mb) as warehouse,
        record_run(warehouse, run, config) as outcome,
    ):
        with run.stage("read the release"):
            pinned = steps.run(
                "read the release",
                pin_latest,
                warehouse,
                settings.source.name,
                settings.engine.memory_limit_mb,
                settings.training.newest_records,
            )
        results = _learn_and_judge(warehouse, settings, pinned, run, steps)
        with run.stage("audits and publish"), warehouse.writer(run.run_id, settings.engine.lock_timeout_seconds, run.say):
            outcome.release_id = steps.run("audits and publish", publish, warehouse, run, pinned, results, config)
        if outcome.release_id is not None:
            outcome.message = f"{'policy published' if results.is_published else REFUSED}: {results.verdict}"
        return _report(run, outcome, pinned, results)


def _learn_and_judge(warehouse: Warehouse, settings: Settings, pinned: Pinned, run: Run, steps: Steps) -> Results:
    """Fit, learn and judge with one set of settings; only what is published is left to do."""
    world, workers = pinned.world, steps.cluster or settings.training.n_processes
    workspace = Workspace.of(warehouse, world)
    store, evaluation, seed = workspace.artifacts, settings.evaluation, settings.seed
    specs = Specs(
        tuple(training_specs(store, world, settings.simulator, seed)),
        tuple(judging_specs(store, world, settings.simulator, seed, evaluation)),
    )
    learner, environment = decided_by_log(settings.learner, settings.environment, world)
    first = TrainingJob(learner, environment, settings.training, seed, seed, specs.training)
    run.say(repeats_line(first.environment, world))
    try:
        with run.stage("simulators") as tick:
            steps.run("simulators", fit_missing, workspace, [*specs.training, *specs.judging], workers, tick)
            training, judging = (
                [load_simulator(store, world, spec) for spec in group] for group in (specs.training, specs.judging)
            )
        for simulator in (*training, *judging):
            run.say(_quality_line(simulator))
        jobs = _jobs(workspace, first, pinned.published_policy or pinned.older_policy, evaluation.other_methods)
        with run.stage("training") as tick:
            trained = steps.run("training", find_or_train, workspace, jobs, workers, tick)
    finally:
        workspace.clear()
    with run.stage("evaluation") as tick:
        judge = Judge(world, evaluation, first.environment, seed, tick)
        results = Results(training, judging, trained, first)
        return steps.run("evaluation", judged, store, judge, pinned, results)


def _quality_line(simulator: Simulator) -> str:
    fitted, quality = simulator.fitted, simulator.quality
    figures = f"AUC {quality.auc:.3f}, calibration error {quality.ece:.4f} ({simulator.judged_on})"
    return f"simulator {fitted.config.family}, {fitted.fit_on} {fitted.seed}: {figures}"


def _jobs(workspace: Workspace, first: TrainingJob, published: str | None, other_methods: tuple[str, ...]) -> list[TrainingJob]:
    """The configured method in every seed, then the methods it is compared with, in the first."""
    own = [replace(first, seed=first.seed + number) for number in range(first.training.n_seeds)]
    if first.training.warm_start and published is not None:
        own = _warm(workspace, own, published)
    return [*own, *(first.with_method(method) for method in other_methods)]


def _warm(workspace: Workspace, jobs: list[TrainingJob], published: str) -> list[TrainingJob]:
    """Begin at the published policy, unless one of these very jobs made it: a second retrain has nothing new to learn."""
    again = [replace(job, starts_from=started_from(workspace.artifacts, published)) for job in jobs]
    if published in [job.policy_id(workspace.artifacts, workspace.world) for job in again]:
        return again
    return [replace(job, starts_from=published) for job in jobs]


def _report(run: Run, outcome: RunOutcome, pinned: Pinned, results: Results) -> dict[str, Any]:
    table = []
    for row in results.rows:
        summary = summarise(row.pooled)
        table.append(
            {
                "policy": row.name,
                "kind": row.kind,
                "seed": row.seed,
                **{name: getattr(summary, name) for name in _SHOWN},
                "by_family": row.by_family,
                "policy_id": row.policy_id,
            }
        )
    return {
        "status": "nothing new" if outcome.release_id is None else "published" if results.is_published else "policy refused",
        "run_id": run.run_id,
        "release_id": outcome.release_id,
        "learned_from_release": pinned.release.release_id,
        "policy_id": results.policy.policy_id,
        "gate": results.verdict,
        "simulators": [
            {
                "family": simulator.fitted.config.family,
                "fit_on": simulator.fitted.fit_on,
                "seed": simulator.fitted.seed,
                "judged_on": simulator.judged_on,
                **asdict(simulator.quality),
            }
            for simulator in results.simulators
        ],
        "evaluation": table,
        "real_answers": [
            {
                "policy": judged.answers.name,
                "policy_id": judged.policy_id,
                **{metric: found.mean for metric in judged.answers.figures if (found := judged.answers.interval(metric))},
            }
            for judged in results.real
        ],
        "claims": [
            {"policy_id": claimed.policy_id, "beside": claimed.reference, **asdict(claimed.claim)} for claimed in results.claims
        ],
        "training_cpu_seconds": results.policy.cpu_seconds,
        "seconds": run.seconds,
    }
