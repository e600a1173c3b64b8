"""The trainings of a retrain or a study: checkpointed while they run, resumed where they were killed, found once they are done."""

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl
import torch
from safetensors.torch import save_file
from torch import Tensor

from flows.retrain.simulators import SimulatorSpec, load_fitted
from flows.runtime.run import Tick
from flows.runtime.settings import Settings
from flows.runtime.workers import run_parallel
from flows.stores.artifacts import Artifact
from flows.stores.policies import CONFIG, COURSE, CURVES, KIND, WEIGHTS, course_of, load_policy, load_tensors
from flows.stores.tensors import World
from flows.stores.workspace import Workspace
from hsrl_train.data.starts import sample_starts
from hsrl_train.data.world import Policy, on_device
from hsrl_train.evaluation.rollouts import evaluate
from hsrl_train.learner.early_stopping import EarlyStopping
from hsrl_train.learner.loop import StoredPolicy, Training, train
from hsrl_train.learner.methods import fresh_method
from hsrl_train.learner.warm_start import start_from
from hsrl_train.simulator.environment import Environment
from pipeline.contracts import check
from pipeline.drafts import drafted
from pipeline.errors import TrainingError
from pipeline.warehouse.artifacts import ArtifactStore, fingerprint
from pipeline.warehouse.result_tables import TRAINING_CURVES

CHECKPOINT_EVERY = 500


@dataclass(frozen=True)
class TrainingJob:
    """A training to be done, in plain values.

    Attributes:
        settings: the learner's, the environment's and the course's are read.
        seed: of weights, exploration and answers.
        simulators: where it learns.
        starts_from: the policy whose weights it begins with; None = random ones.
    """

    settings: Settings
    seed: int
    simulators: tuple[SimulatorSpec, ...]
    starts_from: str | None = None

    def inputs(self, world: World) -> tuple[str, ...]:
        """Fingerprints of what it is made from."""
        before = () if self.starts_from is None else (self.starts_from,)
        return (world.fingerprint, world.sid_fingerprint, *(one.simulator_id for one in self.simulators), *before)

    def policy_id(self, store: ArtifactStore, world: World) -> str:
        """The name of what comes of it."""
        learner, course = self.settings.learner, self.settings.training
        made_by = [learner.model_dump(mode="json"), self.settings.environment.model_dump(mode="json"), self.seed]
        if course.judge_every:  # it adds points to the curves, and may end the training
            made_by.append([course.judge_every, course.judge_sessions, course.stop_after_flat])
        if course.device != "cpu":  # it rounds otherwise
            made_by.append(course.device)
        return store.not_withdrawn_id(fingerprint(learner.method, self.inputs(world), made_by))


@dataclass(frozen=True)
class Trained:
    """A policy under its fingerprint.

    Attributes:
        method: its name.
        seed: that it learned with.
        policy_id: of everything it was learned from.
        policy: over tonight's SIDs.
        curves: TRAINING_CURVES.
        n_iterations: that it took.
        cpu_seconds: of the training; 0 where it was found in the store.
        artifact: its place in the store.
    """

    method: str
    seed: int
    policy_id: str
    policy: StoredPolicy
    curves: pl.DataFrame
    n_iterations: int
    cpu_seconds: float
    artifact: Artifact


def find_or_train(place: Workspace, lessons: Sequence[TrainingJob], n_processes: int | None, tick: Tick) -> list[Trained]:
    """The policies of these lessons; those that are missing are learned side by side.

    Raises:
        TrainingError: a training cannot go on with an honest result; the last good checkpoint is kept.
    """
    store, world = place.artifacts, place.world
    missing = [one for one in lessons if not store.exists(KIND, one.policy_id(store, world))]
    seconds: list[float] = []
    if missing:
        place.lay_out()
        seconds = run_parallel(_learn_here, [(place, one) for one in missing], n_processes, tick)
    spent = dict(zip((one.policy_id(store, world) for one in missing), seconds, strict=True))
    return [_load_trained(place, one, spent.get(one.policy_id(store, world), 0.0)) for one in lessons]


def _learn_here(job: tuple[Workspace, TrainingJob], tick: Tick) -> float:
    place, lesson = job
    return learn(place, place.world, lesson, tick)


def learn(place: Workspace, world: World, lesson: TrainingJob, tick: Tick) -> float:
    """Learn one lesson, from its checkpoint if there is one, and put the policy into the store; return the CPU seconds it took."""
    began = time.process_time()
    policy_id = lesson.policy_id(place.artifacts, world)
    folder = place.staging.path("training", policy_id)
    folder.mkdir(parents=True, exist_ok=True)
    trained = _trained(place, world, lesson, folder / "checkpoint.safetensors", tick)
    curves = pl.DataFrame(trained.curves, schema=["iteration", "metric", "value"], orient="row")
    curves = curves.with_columns(policy_id=pl.lit(policy_id)).select(list(TRAINING_CURVES.schema)).cast(TRAINING_CURVES.schema)
    with place.artifacts.writing(KIND, policy_id) as written:
        save_file(trained.policy.to_tensors(), written / WEIGHTS)
        (written / CONFIG).write_text(lesson.settings.learner.model_dump_json())
        (written / COURSE).write_text(json.dumps({"n_iterations": trained.n_iterations, "starts_from": lesson.starts_from}))
        check(curves, TRAINING_CURVES, "training").write_parquet(written / CURVES)
    place.staging.discard("training", policy_id)
    return time.process_time() - began


def _trained(place: Workspace, world: World, lesson: TrainingJob, checkpoint: Path, tick: Tick) -> Training:
    settings, config, device = lesson.settings, lesson.settings.learner, usable_device(lesson.settings.training.device)
    records = on_device(world.records.select(world.records.is_train), device)
    models = [load_fitted(place.artifacts, world, one).model.to(device) for one in lesson.simulators]
    environment = Environment(models, settings.environment)
    catalogue = on_device(world.catalogue, device)
    method = fresh_method(catalogue, records.profiles.shape[1], records.history.shape[1], config, lesson.seed)
    if lesson.starts_from is not None:
        start_from(method, load_tensors(place.artifacts.path(KIND, lesson.starts_from) / WEIGHTS))

    def save(tensors: dict[str, Tensor]) -> None:
        # Another run that learns the same may have published it meanwhile, and cleared this folder.
        checkpoint.parent.mkdir(parents=True, exist_ok=True)
        with drafted(checkpoint) as draft:
            save_file(tensors, draft)

    return train(
        method,
        environment,
        records,
        config,
        lesson.seed,
        progress=lambda iteration, _: tick(iteration, config.n_units),
        save=save,
        save_every=CHECKPOINT_EVERY,
        resume=_resumed(checkpoint),
        plateau=_plateau(place.artifacts, lesson, world) if settings.training.judge_every else None,
    )


def usable_device(name: str) -> str:
    """The device itself, where torch can compute on it.

    Raises:
        TrainingError: it cannot.
    """
    try:
        torch.zeros(1, device=name)
    except (RuntimeError, AssertionError) as error:
        n_seen = torch.cuda.device_count()
        raise TrainingError(
            f"training: torch cannot compute on the device {name!r}, it sees {n_seen} CUDA devices; use --device cpu, or a build of torch for it"
        ) from error
    return name


def _plateau(store: ArtifactStore, lesson: TrainingJob, world: World) -> EarlyStopping:
    """Judges in the training simulators, from starts of the training records: nothing that judges a policy is seen."""
    settings = lesson.settings
    environment = Environment([load_fitted(store, world, one).model for one in lesson.simulators], settings.environment)
    starts = sample_starts(world.records, settings.training.judge_sessions, settings.seed, "train")
    k = world.records.exposed.shape[1]

    def judge(policy: Policy) -> float:
        played = evaluate("judgement", [policy], [environment], starts, k, world.catalogue, settings.seed)
        return float(played.rewards.mean())

    return EarlyStopping(judge, settings.training.judge_every, settings.training.stop_after_flat)


def _load_trained(place: Workspace, lesson: TrainingJob, cpu_seconds: float) -> Trained:
    store, world = place.artifacts, place.world
    policy_id = lesson.policy_id(store, world)
    place.staging.discard("training", policy_id)  # of a process that died between the two
    policy = load_policy(store, policy_id, world.catalogue)
    curves = pl.read_parquet(store.path(KIND, policy_id) / CURVES)
    course = course_of(store, policy_id)
    method = lesson.settings.learner.method
    artifact = Artifact(KIND, policy_id, lesson.inputs(world))
    return Trained(method, lesson.seed, policy_id, policy, curves, course["n_iterations"], round(cpu_seconds, 3), artifact)


def with_method(settings: Settings, method: str) -> Settings:
    """The same settings for another method."""
    return settings.model_copy(update={"learner": settings.learner.model_copy(update={"method": method})})


def _resumed(checkpoint: Path) -> Mapping[str, Tensor] | None:
    """What a killed training left; None where there is nothing, or another run that learns the same has just cleared it."""
    try:
        return load_tensors(checkpoint) if checkpoint.exists() else None
    except TrainingError:
        if checkpoint.exists():
            raise
        return None
