"""The trainings of a retrain or a study: checkpointed while they run, resumed where they were killed, found once they are done."""

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import polars as pl
import torch
from safetensors.torch import save_file
from torch import Tensor

from flows.retrain.event_files import drawing, require_tensorboard
from flows.retrain.simulators import SimulatorSpec, load_fitted
from flows.runtime.run import Tick
from flows.runtime.workers import Workers, run_parallel
from flows.stores.policies import CONFIG, COURSE, CURVES, KIND, WEIGHTS, course_of, load_policy, load_tensors
from flows.stores.workspace import Workspace
from hsrl_train.data.starts import sample_starts
from hsrl_train.data.tensors import World
from hsrl_train.data.world import Policy, on_device
from hsrl_train.evaluation.rollouts import SharedStarts, evaluate
from hsrl_train.learner.config import LearnerConfig, TrainingConfig
from hsrl_train.learner.early_stopping import EarlyStopping
from hsrl_train.learner.loop import Draw, Hooks, StoredPolicy, Training, train
from hsrl_train.learner.methods import method_named
from hsrl_train.simulator.config import EnvironmentConfig
from hsrl_train.simulator.environment import Environment
from pipeline.contracts import check
from pipeline.drafts import drafted
from pipeline.errors import TrainingError
from pipeline.warehouse.artifact_rows import Artifact
from pipeline.warehouse.artifacts import ArtifactStore, fingerprint
from pipeline.warehouse.result_tables import TRAINING_CURVES

CHECKPOINT_EVERY = 500
# Of the checkpoint's own, beside what the training put there.
_CPU_SECONDS = "cpu_seconds"


@dataclass(frozen=True)
class TrainingJob:
    """A training to be done, in plain values.

    Attributes:
        learner: what is learned.
        environment: the sessions it is learned in.
        training: device, judgements on the way and early stopping.
        run_seed: of the run; of the starts of judgements on the way.
        seed: of weights, exploration and answers.
        simulators: where it learns.
        starts_from: the policy whose weights it begins with; None = random ones.
    """

    learner: LearnerConfig
    environment: EnvironmentConfig
    training: TrainingConfig
    run_seed: int
    seed: int
    simulators: tuple[SimulatorSpec, ...]
    starts_from: str | None = None

    def with_method(self, method: str) -> "TrainingJob":
        """The same job for another method."""
        return replace(self, learner=self.learner.model_copy(update={"method": method}))

    def inputs(self, world: World) -> tuple[str, ...]:
        """Fingerprints of what it is made from."""
        before = () if self.starts_from is None else (self.starts_from,)
        return (world.fingerprint, world.sid_fingerprint, *(spec.simulator_id for spec in self.simulators), *before)

    def policy_id(self, store: ArtifactStore, world: World) -> str:
        """The fingerprint of the policy that comes of it."""
        # Slates that a method does not read make no other policy, and it was another one while they took room in its batches.
        log_share = method_named(self.learner.method).configured(self.learner).losses.log_share
        learner = self.learner.changed({"losses": {"log_share": log_share}})
        made_by = [learner.model_dump(mode="json"), self.environment.model_dump(mode="json"), self.seed]
        training = self.training
        if training.judge_every:  # it adds points to the curves, and may end the training
            made_by.append([training.judge_every, training.judge_sessions, training.stop_after_flat])
        if training.device != "cpu":  # other devices round differently
            made_by.append(training.device)
        return store.not_withdrawn_id(fingerprint(self.learner.method, self.inputs(world), made_by))


@dataclass(frozen=True)
class Trained:
    """A policy with its fingerprint.

    Attributes:
        method: its name.
        seed: that it learned with.
        policy_id: of everything it was learned from.
        policy: over the Semantic IDs of the release.
        curves: TRAINING_CURVES.
        n_iterations: that it took.
        cpu_seconds: of the training; 0 where it was found in the store.
        artifact: what it was made from.
    """

    method: str
    seed: int
    policy_id: str
    policy: StoredPolicy
    curves: pl.DataFrame
    n_iterations: int
    cpu_seconds: float
    artifact: Artifact


def decided_by_log(
    learner: LearnerConfig, environment: EnvironmentConfig, world: World
) -> tuple[LearnerConfig, EnvironmentConfig]:
    """The configuration where the log has decided what sessions may show again, and policies leave out alike."""
    decided = environment.as_logged(world.share_shown_again)
    return learner.for_sessions(decided.repeats), decided


def find_or_train(workspace: Workspace, jobs: Sequence[TrainingJob], workers: Workers, tick: Tick) -> list[Trained]:
    """The policies of these jobs; those that are missing are learned in parallel.

    Raises:
        TrainingError: a training cannot go on with an honest result; the last good checkpoint is kept.
    """
    store, world = workspace.artifacts, workspace.world
    missing = [job for job in jobs if not store.exists(KIND, job.policy_id(store, world))]
    seconds: list[float] = []
    if missing:
        workspace.lay_out()
        seconds = run_parallel(_learn_in_worker, [(workspace, job) for job in missing], workers, tick)
    spent = dict(zip((job.policy_id(store, world) for job in missing), seconds, strict=True))
    return [_load_trained(workspace, job, spent.get(job.policy_id(store, world), 0.0)) for job in jobs]


def _learn_in_worker(job: tuple[Workspace, TrainingJob], tick: Tick) -> float:
    workspace, training = job
    return learn(workspace, workspace.world, training, tick)


def learn(workspace: Workspace, world: World, job: TrainingJob, tick: Tick) -> float:
    """Do a job, from its checkpoint if there is one, and put the policy into the store; return the CPU seconds that all attempts took."""
    policy_id = job.policy_id(workspace.artifacts, world)
    folder = workspace.staging.path("training", policy_id)
    folder.mkdir(parents=True, exist_ok=True)
    checkpoint = CheckpointFile(folder / "checkpoint.safetensors")
    with drawing(job.training.tensorboard, policy_id) as draw:
        trained = _trained(workspace.artifacts, world, job, checkpoint, draw, tick)
    curves = pl.DataFrame(trained.curves, schema=["iteration", "metric", "value"], orient="row")
    curves = curves.with_columns(policy_id=pl.lit(policy_id)).select(list(TRAINING_CURVES.schema)).cast(TRAINING_CURVES.schema)
    with workspace.artifacts.writing(KIND, policy_id) as written:
        save_file(trained.policy.to_tensors(), written / WEIGHTS)
        (written / CONFIG).write_text(job.learner.model_dump_json())
        (written / COURSE).write_text(json.dumps({"n_iterations": trained.n_iterations, "starts_from": job.starts_from}))
        check(curves, TRAINING_CURVES, "training").write_parquet(written / CURVES)
    workspace.staging.discard("training", policy_id)
    return checkpoint.cpu_seconds


class CheckpointFile:
    """The file that a training goes on from where it was killed, and the CPU seconds that all its attempts took.

    What an attempt did after its last checkpoint is done again, and not counted.

    Args:
        path: of the file; an attempt begins with this call.
    """

    def __init__(self, path: Path) -> None:
        self._path, self._began = path, time.process_time()

    @property
    def cpu_seconds(self) -> float:
        """Of this attempt and, once ``resumed`` was called, of those before it."""
        return time.process_time() - self._began

    def resumed(self) -> Mapping[str, Tensor] | None:
        """What a killed training left; None where there is nothing, or another run that learns the same has just cleared it.

        Raises:
            TrainingError: the file is damaged.
        """
        try:
            kept = dict(load_tensors(self._path)) if self._path.exists() else None
        except TrainingError:
            if self._path.exists():
                raise
            return None
        if kept and _CPU_SECONDS in kept:
            self._began -= float(kept.pop(_CPU_SECONDS))
        return kept

    def save(self, tensors: dict[str, Tensor]) -> None:
        """Take the place of the last checkpoint."""
        # Another run that learns the same may have published it meanwhile, and cleared this folder.
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with drafted(self._path) as draft:
            save_file({**tensors, _CPU_SECONDS: torch.tensor(self.cpu_seconds, dtype=torch.float64)}, draft)


def _trained(
    store: ArtifactStore, world: World, job: TrainingJob, checkpoint: CheckpointFile, draw: Draw | None, tick: Tick
) -> Training:
    method, device = method_named(job.learner.method), usable_device(job.training.device)
    config = method.configured(job.learner)
    records = on_device(world.records.select(world.records.is_train), device)
    models = [load_fitted(store, world, spec).model for spec in job.simulators]
    for model in models:
        model.to(device)
    environment = Environment(models, job.environment)
    catalogue = on_device(world.catalogue, device)
    learner = method.fresh(catalogue, records.profiles.shape[1], records.history_length, config, job.seed)
    if job.starts_from is not None:
        learner.start_from(load_tensors(store.path(KIND, job.starts_from) / WEIGHTS))

    n_units = method.n_units(config)
    return train(
        learner,
        environment,
        records,
        config,
        job.seed,
        Hooks(
            progress=lambda iteration, _: tick(iteration, n_units),
            save=checkpoint.save,
            save_every=CHECKPOINT_EVERY,
            resume=checkpoint.resumed(),
            early_stopping=_early_stopping(store, job, world) if job.training.judge_every else None,
            draw=draw,
        ),
    )


def require_usable(training: TrainingConfig) -> None:
    """Refuse, before anything is learned, what this machine cannot do.

    Raises:
        TrainingError: torch cannot compute on the device.
        ConfigError: event files are asked for, and the extra tensorboard is not installed.
    """
    usable_device(training.device)
    require_tensorboard(training.tensorboard)


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


def _early_stopping(store: ArtifactStore, job: TrainingJob, world: World) -> EarlyStopping:
    """Judges in the training simulators, from starts of the training records: nothing that judges a policy is seen."""
    environment = Environment([load_fitted(store, world, spec).model for spec in job.simulators], job.environment)
    states = sample_starts(world.records, job.training.judge_sessions, job.run_seed, "train")
    starts = SharedStarts(states, world.records.k, world.catalogue, job.run_seed)

    def mean_reward(policy: Policy) -> float:
        return float(evaluate("judgement", [policy], [environment], starts).rewards.mean())

    return EarlyStopping(mean_reward, job.training.judge_every, job.training.stop_after_flat)


def _load_trained(workspace: Workspace, job: TrainingJob, cpu_seconds: float) -> Trained:
    store, world = workspace.artifacts, workspace.world
    policy_id = job.policy_id(store, world)
    workspace.staging.discard("training", policy_id)  # of a process that died between the two
    return Trained(
        job.learner.method,
        job.seed,
        policy_id,
        load_policy(store, policy_id, world.catalogue),
        pl.read_parquet(store.path(KIND, policy_id) / CURVES),
        course_of(store, policy_id)["n_iterations"],
        round(cpu_seconds, 3),
        Artifact(KIND, policy_id, job.inputs(world)),
    )
