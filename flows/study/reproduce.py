"""`hsrl reproduce`: a study from the newest release to Markdown, CSV, a picture and rows of the warehouse."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import polars as pl
import torch

from flows.retrain.judging import repeats_line
from flows.retrain.simulators import POSITIVES_ONLY, fit_missing
from flows.retrain.training import require_usable
from flows.runtime.cluster import Cluster
from flows.runtime.run import Run, Tick
from flows.runtime.run_outcome import record_run
from flows.runtime.settings import Settings
from flows.runtime.workers import Workers, n_at_once, run_parallel
from flows.stores.pinned import Pinned, pin_latest
from flows.stores.workspace import Workspace
from flows.study.curves import curves_of
from flows.study.estimate import Speeds, cpu_seconds, measured_speeds, on_budget
from flows.study.judges import judge_rows
from flows.study.lawful import temper_line
from flows.study.made_by import made_by
from flows.study.plan import N_BEST, StudyPlan, StudyRequest, of_variant, plan_study, with_more_seeds
from flows.study.report import Found, write_report
from flows.study.results import best_where_learned, experiment_rows, level_weights, reference_rows, summary
from flows.study.stages import stage_rows, write_stages
from flows.study.study import BASE
from flows.study.trial import Outcome, Trial, do, is_kept, outcome_of
from flows.study.tuning import N_SEARCHED, Searched, left_to_do, tuned
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
            pinned = pin_latest(
                warehouse, settings.source.name, settings.engine.memory_limit_mb, settings.training.newest_records
            )
            workspace = Workspace.of(warehouse, pinned.world)
            plan = plan_study(warehouse, workspace, pinned, settings, request)
        try:
            plan, searched, estimate, outcomes = _done(workspace, plan, run, cluster or settings.training.n_processes, request)
        finally:
            workspace.clear(*plan.sids)
        with run.stage("report") as tick:
            pages = _reported(workspace, plan, outcomes, pinned, request, root, tick)
        for name, entered, its in _entered(request.study, plan, outcomes, searched):
            add_experiments(warehouse, experiment_rows(entered, name, its, run.run_id, pinned.release.release_id))
        outcome.is_done = True
        return {
            "run_id": run.run_id,
            "study": request.study,
            "estimated_cpu_seconds": estimate,
            "skipped": [list(skipped) for skipped in plan.skipped],
            "seconds": run.seconds,
            **pages,
        }


def _reported(
    workspace: Workspace,
    plan: StudyPlan,
    outcomes: Sequence[Outcome],
    pinned: Pinned,
    request: StudyRequest,
    root: Path,
    tick: Tick,
) -> dict[str, Any]:
    """Write the pages; what they say as plain values."""
    made = made_by(f"reproduce {request.words}", pinned.release.release_id)
    pages: dict[str, Any] = {"variants": [], "references": [], "judges": [], "stages": []}
    if plan.study.stages:
        stages = stage_rows(plan, outcomes)
        paths = write_stages(request.study, plan, stages, made, request.out, root)
        return {**pages, "stages": stages.to_dicts(), "files": [str(path) for path in paths]}
    judges = judge_rows(workspace, plan, tick) if request.study == "panel" else None
    weights = level_weights(workspace, outcomes) if request.study == "weights" else None
    curves = _renamed(curves_of(workspace, outcomes), plan) if plan.study.is_tuned else None
    rows = _renamed(summary(plan, outcomes), plan)
    repeats = repeats_line(plan.settings.environment.as_logged(pinned.world.share_shown_again), pinned.world)
    rules = f"{repeats}; {temper_line(outcomes)}"
    found = Found(request.study, plan, rows, reference_rows(outcomes), weights, judges, made, rules, curves)
    return {
        **pages,
        "files": [str(path) for path in write_report(found, request.out, root)],
        "variants": found.summary.to_dicts(),
        "references": found.references.to_dicts(),
        "judges": [] if judges is None else judges.to_dicts(),
    }


def _renamed(rows: pl.DataFrame, plan: StudyPlan) -> pl.DataFrame:
    """The rows with the configured variant called as pages call it."""
    return rows.with_columns(pl.col("variant").replace(BASE, plan.study.first_name))


def _entered(
    study: str, plan: StudyPlan, outcomes: Sequence[Outcome], searched: Sequence[Searched]
) -> Iterator[tuple[str, StudyPlan, Sequence[Outcome]]]:
    """Names under which judgements are entered: of the study, of its stages, and of the rounds of its search."""
    for stage in plan.study.stages or (None,):
        own = [outcome for outcome in outcomes if outcome.trial.stage == stage]
        yield (study if stage is None else f"{study}, {stage.name}"), plan, own
    for rung in searched:
        yield f"{study}, search {rung.rung}", rung.plan, rung.outcomes


def _done(
    workspace: Workspace, plan: StudyPlan, run: Run, workers: Workers, request: StudyRequest
) -> tuple[StudyPlan, list[Searched], float, list[Outcome]]:
    """Tell what it will take, tune, do what is not kept, and collect everything; the plan as it was carried out comes first."""
    left = _left(workspace, plan)
    for name, why in plan.skipped:
        run.say(f"{name} is left out: {why}")
    # Lengths that a budget decides are not known before there are simulators to measure speeds in.
    with run.stage("simulators") as tick:
        fit_missing(workspace, plan.simulators if left or request.budget or plan.study.is_tuned else [], workers, tick)
    with run.stage("speeds"):
        speeds = Speeds({})
        if left or request.budget or plan.study.is_tuned:
            speeds = measured_speeds(workspace, plan.trials, decide_lengths=request.budget is not None)
    if request.budget:
        plan = on_budget(plan, request.budget, speeds)
        left = _left(workspace, plan)
    searched, searching = list[Searched](), list[Trial]()
    if plan.study.is_tuned:
        run.say(f"{len(plan.variants)} variants, each tuned by {N_SEARCHED} shorter trainings in the training simulators")
        searching = left_to_do(workspace, plan)
        if not searching:
            plan, searched = tuned(workspace, plan, run, workers)
            left = _left(workspace, plan)
    if not searching:
        _say_what_is_there(plan, left, run)
    with run.stage("estimate"):
        to_do = searching or left
        estimate = cpu_seconds(workspace, [*to_do, *_of_the_best(workspace, plan, request, is_known=not to_do)], speeds)
    n_workers = min(n_at_once(workers), max(len(left), 1))
    run.say(f"about {estimate:,.0f} CPU seconds to go: {estimate / n_workers / 60:,.1f} minutes on {n_workers} free cores")
    if searching:
        plan, searched = tuned(workspace, plan, run, workers)
        left = _left(workspace, plan)
        _say_what_is_there(plan, left, run)
    _carry_out(workspace, left, run, workers)
    if request.n_best_seeds:
        plan = _with_seeds_of_the_best(workspace, plan, request.n_best_seeds)
        more = [variant.name for variant in plan.variants if len(list(of_variant(plan, variant))) > request.n_seeds]
        more = [plan.study.first_name if name == BASE else name for name in more]
        run.say(f"{request.n_best_seeds} seeds of what reaches most where it learned: {'; '.join(more)}")
        _carry_out(workspace, _left(workspace, plan), run, workers)
    return plan, searched, round(estimate, 1), [outcome_of(workspace, trial) for trial in plan.trials]


def _carry_out(workspace: Workspace, left: Sequence[Trial], run: Run, workers: Workers) -> None:
    for pass_ in _passes(left):
        with run.stage("trials") as tick:
            workspace.lay_out()
            run_parallel(do, [(workspace, trial) for trial in pass_], workers, tick)


def _of_the_best(workspace: Workspace, plan: StudyPlan, request: StudyRequest, *, is_known: bool) -> list[Trial]:
    """Trials of the seeds that the best are to have beside the others'; others stand for them while it is not known which they are."""
    if not request.n_best_seeds:
        return []
    if is_known:
        return _left(workspace, _with_seeds_of_the_best(workspace, plan, request.n_best_seeds))
    firsts = [trial for trial in plan.trials if trial.seed == plan.settings.seed]
    return firsts[: N_BEST + 1] * (request.n_best_seeds - request.n_seeds)


def _with_seeds_of_the_best(workspace: Workspace, plan: StudyPlan, n_seeds: int) -> StudyPlan:
    """The plan with so many seeds of the first variant and of those that reach most; all that it has is done."""
    return with_more_seeds(plan, best_where_learned(plan, [outcome_of(workspace, trial) for trial in plan.trials]), n_seeds)


def _passes(trials: Sequence[Trial]) -> list[list[Trial]]:
    """Trials that may be done at once; stages after the first read what the first has learned."""
    first = [trial for trial in trials if trial.stage is None or not trial.stage.share]
    later = [trial for trial in trials if trial not in first]
    return [part for part in (first, later) if part]


def _say_what_is_there(plan: StudyPlan, left: list[Trial], run: Run) -> None:
    learning = [trial for trial in plan.trials if trial.seed is not None]
    lengths = sorted({trial.settings.learner.schedule.n_iterations for trial in learning})
    length = f"{lengths[0]:,}" if len(lengths) == 1 else f"{lengths[0]:,} to {lengths[-1]:,}"
    n_left = sum(trial.seed is not None for trial in left)
    run.say(
        f"{len(plan.variants)} variants, {len(learning)} trainings of {length} iterations, "
        f"{len(learning) - n_left} of them done already; {len(plan.simulators)} simulators"
    )


def _left(workspace: Workspace, plan: StudyPlan) -> list[Trial]:
    """Trials without a result; variants that come to the same thing are one."""
    store = workspace.artifacts
    named = {
        trial.name(store, workspace.world_under(trial.sids)): trial for trial in plan.trials if not is_kept(workspace, trial)
    }
    return list(named.values())
