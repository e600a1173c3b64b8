"""`hsrl reproduce`: a study from the newest release to Markdown, CSV, a picture and rows of the warehouse."""

from pathlib import Path
from typing import Any

import polars as pl
import torch

from flows.retrain.judging import repeats_line
from flows.retrain.simulators import POSITIVES_ONLY, fit_missing
from flows.retrain.training import require_usable
from flows.runtime.cluster import Cluster
from flows.runtime.resources import code_version
from flows.runtime.run import Run
from flows.runtime.run_outcome import record_run
from flows.runtime.settings import Settings
from flows.runtime.workers import Workers, n_at_once, run_parallel
from flows.stores.pinned import pin_latest
from flows.stores.workspace import Workspace
from flows.study.estimate import cpu_seconds
from flows.study.judges import judge_rows
from flows.study.plan import StudyPlan, StudyRequest, plan_study
from flows.study.report import Found, write_report
from flows.study.results import experiment_rows, level_weights, reference_rows, summary
from flows.study.trial import Outcome, Trial, do, is_kept, outcome_of
from flows.study.variants import BASE
from pipeline.errors import TrainingError
from pipeline.warehouse.ledger import add_experiments
from pipeline.warehouse.lock import locked
from pipeline.warehouse.naming_damage import naming_damage
from pipeline.warehouse.warehouse import Warehouse


@naming_damage
def reproduce(settings: Settings, root: Path, run: Run, request: StudyRequest, cluster: Cluster | None = None) -> dict[str, Any]:
    """Learn and judge every variant of a study on the newest release; nothing is published.

    What is done is kept: run again, after a kill or with more seeds, it goes on.

    Raises:
        HsrlError: whatever a person can mend.
    """
    torch.set_num_threads(1)
    require_usable(settings.training)
    if not settings.source.has_refusals:
        raise TrainingError(POSITIVES_ONLY)
    with (
        Warehouse.open(root, settings.engine.memory_limit_mb) as warehouse,
        record_run(warehouse, run, settings.model_dump(mode="json")) as outcome,
        locked(root / "study.lock", run.run_id, 0.0),  # two would do the same trials at once
    ):
        with run.stage("read the release"):
            pinned = pin_latest(warehouse, settings.engine.memory_limit_mb)
            workspace = Workspace.of(warehouse, pinned.world)
            plan = plan_study(warehouse, workspace, pinned, settings, request)
        try:
            estimate, outcomes = _done(workspace, plan, run, cluster or settings.training.n_processes)
        finally:
            workspace.clear(*plan.sids)
        judges = None
        if request.study == "panel":
            with run.stage("judges") as tick:
                judges = judge_rows(workspace, plan, tick)
        with run.stage("report"):
            weights = level_weights(workspace, outcomes) if request.study == "weights" else None
            made_by = f"`hsrl reproduce {request.study}`, hsrl {code_version()}, release {pinned.release.release_id}"
            rows = summary(plan, outcomes).with_columns(pl.col("variant").replace(BASE, plan.study.first_name))
            environment = plan.settings.environment.as_logged(pinned.world.share_shown_again)
            rules = repeats_line(environment, pinned.world)
            found = Found(request.study, plan, rows, reference_rows(outcomes), weights, judges, made_by, rules)
            paths = write_report(found, request.out, root)
        add_experiments(warehouse, experiment_rows(plan, request.study, outcomes, run.run_id, pinned.release.release_id))
        outcome.is_done = True
        return {
            "run_id": run.run_id,
            "study": request.study,
            "estimated_cpu_seconds": estimate,
            "files": [str(path) for path in paths],
            "variants": found.summary.to_dicts(),
            "references": found.references.to_dicts(),
            "judges": [] if judges is None else judges.to_dicts(),
            "skipped": [list(skipped) for skipped in plan.skipped],
            "seconds": run.seconds,
        }


def _done(workspace: Workspace, plan: StudyPlan, run: Run, workers: Workers) -> tuple[float, list[Outcome]]:
    """Tell what it will take, do what is not kept, and collect everything."""
    left = _left(workspace, plan)
    learning = [trial for trial in plan.trials if trial.seed is not None]
    n_left = sum(trial.seed is not None for trial in left)
    run.say(
        f"{len(plan.variants)} variants, {len(learning)} trainings of {plan.settings.learner.schedule.n_iterations:,} iterations, "
        f"{len(learning) - n_left} of them done already; {len(plan.simulators)} simulators"
    )
    for name, why in plan.skipped:
        run.say(f"{name} is left out: {why}")
    with run.stage("simulators") as tick:
        fit_missing(workspace, plan.simulators if left else [], workers, tick)
    with run.stage("estimate"):
        estimate = cpu_seconds(workspace, left)
    n_workers = min(n_at_once(workers), max(len(left), 1))
    run.say(f"about {estimate:,.0f} CPU seconds to go: {estimate / n_workers / 60:,.1f} minutes on {n_workers} free cores")
    with run.stage("trials") as tick:
        if left:
            workspace.lay_out()
            run_parallel(do, [(workspace, trial) for trial in left], workers, tick)
    return round(estimate, 1), [outcome_of(workspace, trial) for trial in plan.trials]


def _left(workspace: Workspace, plan: StudyPlan) -> list[Trial]:
    """Trials without a result; variants that come to the same thing are one."""
    store = workspace.artifacts
    named = {
        trial.name(store, workspace.world_under(trial.sids)): trial for trial in plan.trials if not is_kept(workspace, trial)
    }
    return list(named.values())
