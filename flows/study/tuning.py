"""Fair tuning: as many configurations and iterations for every method, halved by what they reach where they learned."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from flows.runtime.run import Run
from flows.runtime.workers import Workers, run_parallel
from flows.stores.workspace import Workspace
from flows.study.plan import StudyPlan, of_variant
from flows.study.study import Variant
from flows.study.trial import Outcome, Trial, do, is_kept, outcome_of
from flows.study.variants import applied

# Slates of the log teach values that bootstrap for ever, since nobody knows where their sessions end: what a critic of any action can
# live with, a policy gradient leaves out, and HAC's paper has none. So every method chooses whether it has them.
# HAC A.3 searches actor rates from 1e-6 to 5e-4 and critic rates from 1e-5 to 1e-3 for 50,000 iterations; a tenth of the iterations
# takes rates that are as much higher. There are as many rates as configurations, so that those of a method that reads one rate and
# nothing else of this differ all the same.
_RATES = (1e-4, 2e-4, 3e-4, 5e-4, 1e-3, 2e-3, 3e-3, 5e-3)
_SHARED: Mapping[str, Sequence[Any]] = {
    "learner.schedule.actor_lr": _RATES,
    "learner.schedule.critic_lr": _RATES,
    "learner.losses.log_share": (0.0, 0.5),
}


@dataclass(frozen=True)
class Rung:
    """A round of the search: so many configurations are left, and each learns this share of the iterations."""

    n_configurations: int
    share: float


# Whole sessions that a configuration is judged by, in each training simulator.
SESSIONS = 300
# Judgements on the way of a last training, points of its curve.
POINTS = 8
RUNGS = (Rung(8, 1 / 8), Rung(4, 1 / 4), Rung(2, 1 / 2))
N_SEARCHED = sum(rung.n_configurations for rung in RUNGS)


# Variant → configurations that are still in the search.
_Left = Mapping[str, Sequence[dict[str, Any]]]


@dataclass(frozen=True)
class Searched:
    """A rung as it was done: the plan whose variants are the configurations, and what came of each."""

    rung: int
    plan: StudyPlan
    outcomes: tuple[Outcome, ...]


def configurations(own: Mapping[str, Sequence[Any]], seed: int) -> list[dict[str, Any]]:
    """What a method tries: 8 configurations, in which every value of a setting comes equally often, or once more (a Latin hypercube).

    The shared settings are the same eight for every method, so that none is offered a rate that others are not; its own are drawn
    beside them.

    Args:
        own: setting → values that the method adds to the search.
        seed: of the draw.
    """
    draw, n = np.random.default_rng(seed), RUNGS[0].n_configurations
    columns = {
        setting: [values[number % len(values)] for number in draw.permutation(n)]
        for setting, values in {**_SHARED, **own}.items()
    }
    return [{setting: column[number] for setting, column in columns.items()} for number in range(n)]


def tuned(workspace: Workspace, plan: StudyPlan, run: Run, workers: Workers) -> tuple[StudyPlan, list[Searched]]:
    """The plan with every variant as its best configuration, chosen in the training simulators alone; judges see none of the search.

    Args:
        workspace: whose training simulators are fitted.
        plan: with the iterations of each variant's last training.
        run: says what is done.
        workers: that learn.
    """
    left, done = _all_of(plan), list[Searched]()
    for number, rung in enumerate(RUNGS, start=1):
        searching = _rung(plan, left, number, rung)
        missing = [trial for trial in searching.trials if not is_kept(workspace, trial)]
        run.say(
            f"search, round {number}: {len(searching.trials)} trainings, {len(searching.trials) - len(missing)} of them done already"
        )
        with run.stage(f"search {number}") as tick:
            if missing:
                workspace.lay_out()
                run_parallel(do, [(workspace, trial) for trial in missing], workers, tick)
        done.append(Searched(number, searching, _outcomes(workspace, searching)))
        left = _best_of(left, number, done[-1].outcomes)
    return _as_chosen(plan, {name: candidates[0] for name, candidates in left.items()}), done


def left_to_do(workspace: Workspace, plan: StudyPlan) -> list[Trial]:
    """Trainings of a search that are not kept, and then the last ones, under the names of their variants; nothing where it is over.

    Who goes on after a round that is not over is not known: its first configurations stand for them.
    """
    left, missing = _all_of(plan), list[Trial]()
    for number, rung in enumerate(RUNGS, start=1):
        searching = _rung(plan, left, number, rung)
        names = [name for name, candidates in left.items() for _ in candidates]
        missing += [
            replace(trial, variant=name)
            for name, trial in zip(names, searching.trials, strict=True)
            if missing or not is_kept(workspace, trial)
        ]
        if missing:
            left = {name: candidates[: _n_after(number)] for name, candidates in left.items()}
        else:
            left = _best_of(left, number, _outcomes(workspace, searching))
    return [*missing, *_as_chosen(plan, {name: {} for name in left}).trials] if missing else []


def _all_of(plan: StudyPlan) -> dict[str, list[dict[str, Any]]]:
    return {variant.name: configurations(variant.searched, plan.settings.seed) for variant in plan.variants}


def _n_after(number: int) -> int:
    """Configurations that are left after a round."""
    return RUNGS[number].n_configurations if number < len(RUNGS) else 1


def _best_of(left: _Left, number: int, outcomes: Sequence[Outcome]) -> dict[str, list[dict[str, Any]]]:
    """Those that reached most in a round."""
    reached = {outcome.trial.variant: _reward(outcome) for outcome in outcomes}
    return {
        name: sorted(candidates, key=lambda changes: -reached[_named(name, number, changes)])[: _n_after(number)]
        for name, candidates in left.items()
    }


def _outcomes(workspace: Workspace, plan: StudyPlan) -> tuple[Outcome, ...]:
    return tuple(outcome_of(workspace, trial) for trial in plan.trials)


def _rung(plan: StudyPlan, left: _Left, number: int, rung: Rung) -> StudyPlan:
    """Its configurations as variants, each with one training that only the simulators judge where it learned."""
    variants, trials = [], []
    for variant in plan.variants:
        first = next(of_variant(plan, variant))
        n_iterations = max(1, round(first.settings.learner.schedule.n_iterations * rung.share))
        for changes in left[variant.name]:
            name = _named(variant.name, number, changes)
            variants.append(Variant(name, {**variant.changes, **changes}))
            rules = {"evaluation.n_sessions": SESSIONS, "training.judge_every": 0}
            settings = applied(first.settings, {**changes, **rules})
            settings = settings.model_copy(update={"learner": settings.learner.shortened(n_iterations)})
            trials.append(replace(first, variant=name, settings=settings, judged_by=()))
    return replace(plan, variants=tuple(variants), trials=tuple(trials))


def _as_chosen(plan: StudyPlan, chosen: Mapping[str, Mapping[str, Any]]) -> StudyPlan:
    def trial(of: Trial) -> Trial:
        if of.variant not in chosen:
            return of
        every = max(1, of.settings.learner.schedule.n_iterations // POINTS)
        return replace(of, settings=applied(of.settings, {**chosen[of.variant], **_drawn(every)}))

    variants = tuple(replace(variant, chosen=chosen[variant.name]) for variant in plan.variants)
    return replace(plan, variants=variants, trials=tuple(trial(of) for of in plan.trials))


def _drawn(every: int) -> dict[str, int]:
    """Settings of a training whose curve is drawn: a judgement and a point every so many iterations."""
    return {"training.judge_every": every, "learner.schedule.curve_every": every}


def _named(variant: str, number: int, changes: Mapping[str, Any]) -> str:
    values = ", ".join(f"{setting.rpartition('.')[2]} {value}" for setting, value in sorted(changes.items()))
    return f"{variant}, round {number}: {values}"


def _reward(outcome: Outcome) -> float:
    """Mean total reward where it learned."""
    return float(np.mean([result.pooled.rewards.mean() for result in outcome.results]))
