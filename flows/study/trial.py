"""A trial of a study: a variant learned with a seed and judged; kept by its fingerprint, so that none is done twice."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from safetensors import safe_open
from safetensors.numpy import save_file

from flows.retrain.judging import real_answers_of, real_answers_of_items
from flows.retrain.simulators import SimulatorSpec, load_fitted
from flows.retrain.training import TrainingJob, decided_by_log, learn
from flows.runtime.run import Tick
from flows.runtime.settings import Settings
from flows.stores.policies import load_policy, parameters_of
from flows.stores.workspace import Workspace
from flows.study.study import Stage
from hsrl_train.data.tensors import World
from hsrl_train.data.turnover import Turnover
from hsrl_train.evaluation.judge import Judge, NamedPolicy, NamedSimulator, PolicyResult, by_kind
from hsrl_train.evaluation.real_answers import METRICS, RealAnswers
from hsrl_train.evaluation.rollouts import Rollouts
from pipeline.warehouse.artifacts import ArtifactStore, fingerprint

_KIND = "trial"
# Iterations on the new catalogue, as a share of those that the policy has learned for.
TUNED_SHARE = 0.1
_ROWS, _COURSE = "rows.safetensors", "course.json"
_ARRAYS = ("rewards", "depths", "exposure")
_COUNT = "n_unsupported"


@dataclass(frozen=True)
class Trial:
    """What is to be learned and judged, in plain values.

    Attributes:
        variant: its name.
        settings: of the variant.
        learned_in: the training simulators.
        judged_by: the evaluation simulators.
        seed: that it learns with; None for the reference rows, which learn nothing.
        sids: its own Semantic IDs by their name in the workspace; None = those of the release.
        stage: of the catalogue test; None = the catalogue stays.
    """

    variant: str
    settings: Settings
    learned_in: tuple[SimulatorSpec, ...]
    judged_by: tuple[SimulatorSpec, ...]
    seed: int | None
    sids: str | None = None
    stage: Stage | None = None

    def learned_on(self, world: World) -> World:
        """The world that its policy learns in; ``world`` is under the trial's Semantic IDs, here and below."""
        if self.stage is None:
            return world
        return self._turnover.then(world) if self.stage.learns_on else self._turnover.first(world)

    def judged_on(self, world: World) -> World:
        """The world that judges it."""
        return world if self.stage is None else self._turnover.then(world)

    @property
    def _turnover(self) -> Turnover:
        return Turnover(0.0 if self.stage is None else self.stage.share, self.settings.seed)

    def job(self, store: ArtifactStore, world: World) -> TrainingJob | None:
        """What it learns."""
        if self.seed is None:
            return None
        settings = self.settings
        learner, environment = decided_by_log(settings.learner, settings.environment, world)
        job = TrainingJob(learner, environment, settings.training, settings.seed, self.seed, self.learned_in)
        if self.stage is None or not self.stage.learns_on:
            return job
        before = job.policy_id(store, self._turnover.first(world))
        n_iterations = max(1, round(TUNED_SHARE * learner.schedule.n_iterations))
        return replace(job, learner=learner.shortened(n_iterations), starts_from=before)

    def policy_id(self, store: ArtifactStore, world: World) -> str | None:
        """The id of the policy."""
        job = self.job(store, world)
        return None if job is None else job.policy_id(store, self.learned_on(world))

    def name(self, store: ArtifactStore, world: World) -> str:
        """The fingerprint of its result."""
        settings, evaluation = self.settings, self.settings.evaluation
        judged_on = self.judged_on(world)
        return fingerprint(
            _KIND,
            self.policy_id(store, world),
            (judged_on.fingerprint, judged_on.sid_fingerprint),
            [spec.simulator_id for spec in (*self.learned_in, *self.judged_by)],
            settings.environment.as_logged(world.share_shown_again).model_dump(mode="json"),
            [evaluation.n_sessions, evaluation.look_ahead.model_dump(mode="json"), settings.seed],
        )


@dataclass(frozen=True)
class Outcome:
    """What came of a trial.

    Attributes:
        trial: which.
        policy_id: None for the reference rows.
        results: own, transferred and panel, or the reference rows.
        real: people's own answers to the policy, or to rankings by items alone.
        cpu_seconds: of learning, over all attempts where one was killed; None where the policy was there before the trial.
        n_parameters: of the stored policy, networks that only learning needs included; None for the reference rows.
    """

    trial: Trial
    policy_id: str | None
    results: tuple[PolicyResult, ...]
    real: tuple[RealAnswers, ...]
    cpu_seconds: float | None
    n_parameters: int | None = None


def is_kept(workspace: Workspace, trial: Trial) -> bool:
    """Whether its result is in the store."""
    return workspace.artifacts.exists(_KIND, trial.name(workspace.artifacts, workspace.world_under(trial.sids)))


def do(work: tuple[Workspace, Trial], tick: Tick) -> None:
    """Learn, unless the policy is there already, judge, and keep the result."""
    workspace, trial = work
    world, store = workspace.world_under(trial.sids), workspace.artifacts
    policy_id, cpu_seconds = trial.policy_id(store, world), None
    job = trial.job(store, world)
    if job is not None and not store.exists("policy", str(policy_id)):
        cpu_seconds = learn(workspace, trial.learned_on(world), job, tick)
    results = _judged(store, trial.judged_on(world), trial, policy_id, tick)
    real = _real(store, world, trial, policy_id) if trial.stage is None else []
    with store.writing(_KIND, trial.name(store, world)) as folder:
        _write(folder, results, real, cpu_seconds)


def outcome_of(workspace: Workspace, trial: Trial) -> Outcome:
    """The kept result of a trial that was done."""
    world, store = workspace.world_under(trial.sids), workspace.artifacts
    results, real, cpu_seconds = _read(store.path(_KIND, trial.name(store, world)))
    policy_id = trial.policy_id(store, world)
    return Outcome(trial, policy_id, results, real, cpu_seconds, None if policy_id is None else parameters_of(store, policy_id))


def models(store: ArtifactStore, world: World, specs: Sequence[SimulatorSpec]) -> list[NamedSimulator]:
    """Fitted simulators by their names."""
    return [NamedSimulator(spec.simulator_id, spec.config.family, load_fitted(store, world, spec).model) for spec in specs]


def _judged(store: ArtifactStore, world: World, trial: Trial, policy_id: str | None, tick: Tick) -> list[PolicyResult]:
    settings = trial.settings
    # A training has reported its progress in a count of its own already.
    environment = settings.environment.as_logged(world.share_shown_again)
    judge = Judge(world, settings.evaluation, environment, settings.seed, tick if trial.seed is None else None)
    learned_in, judged_by = models(store, world, trial.learned_in), models(store, world, trial.judged_by)
    groups = by_kind(judged_by, settings.simulator.family)
    if policy_id is None:
        training = tuple(simulator.model for simulator in learned_in)
        return [row for _, group in groups for row in judge.references(training, group)]
    policy = NamedPolicy(trial.variant, load_policy(store, policy_id, world.catalogue), policy_id, trial.seed)
    return [judge.play(policy, group, kind) for kind, group in (("own", learned_in), *groups)]


def _real(store: ArtifactStore, world: World, trial: Trial, policy_id: str | None) -> list[RealAnswers]:
    if policy_id is None:
        return real_answers_of_items(world, trial.settings.environment.memory)
    policy = load_policy(store, policy_id, world.catalogue)
    return [real_answers_of(world, trial.variant, policy, trial.settings.environment.memory, trial.settings.learner)]


def _write(folder: Path, results: Sequence[PolicyResult], real: Sequence[RealAnswers], cpu_seconds: float | None) -> None:
    arrays = {
        f"{number}/{simulator}/{name}": np.asarray(getattr(played, name))
        for number, result in enumerate(results)
        for simulator, played in enumerate(result.rollouts)
        for name in (*_ARRAYS, _COUNT)
    }
    arrays |= {
        f"real/{number}/{metric}": found for number, answers in enumerate(real) for metric, found in answers.figures.items()
    }
    heads = [
        {
            "name": result.name,
            "k": result.rollouts[0].k,
            "simulator_ids": result.simulator_ids,
            "families": result.families,
            "kind": result.kind,
            "policy_id": result.policy_id,
            "seed": result.seed,
        }
        for result in results
    ]
    save_file(arrays, folder / _ROWS)
    answers_heads = [{"name": answers.name, "ece": answers.ece, "n_slates": answers.n_slates} for answers in real]
    (folder / _COURSE).write_text(json.dumps({"rows": heads, "real": answers_heads, "cpu_seconds": cpu_seconds}))


def _read(folder: Path) -> tuple[tuple[PolicyResult, ...], tuple[RealAnswers, ...], float | None]:
    course = json.loads((folder / _COURSE).read_text())
    results = []
    with safe_open(folder / _ROWS, framework="numpy") as stored:
        for number, head in enumerate(course["rows"]):
            rollouts = tuple(
                Rollouts(
                    head["name"],
                    head["k"],
                    *(stored.get_tensor(f"{number}/{simulator}/{name}") for name in _ARRAYS),  # type: ignore[misc]
                    n_unsupported=int(stored.get_tensor(f"{number}/{simulator}/{_COUNT}")),
                )
                for simulator in range(len(head["simulator_ids"]))
            )
            names = (tuple(head["simulator_ids"]), tuple(head["families"]))
            results.append(PolicyResult(rollouts, *names, head["kind"], head["policy_id"], head["seed"]))
        real = tuple(
            RealAnswers(
                head["name"],
                {metric: stored.get_tensor(f"real/{number}/{metric}") for metric in METRICS},
                head["ece"],
                head["n_slates"],
            )
            for number, head in enumerate(course["real"])
        )
    return tuple(results), real, course["cpu_seconds"]
