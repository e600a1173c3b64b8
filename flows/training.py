"""The training of a retrain: checkpointed while it runs, resumed where it was killed, found in the store once it is done."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import polars as pl
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from flows.artifacts import Artifact
from flows.run import Tick
from flows.settings import Settings
from flows.simulators import Simulator
from flows.tensors import World
from hsrl_train.environment import Environment
from hsrl_train.learner_config import LearnerConfig
from hsrl_train.loop import StoredPolicy, train
from hsrl_train.methods import fresh_method, read_policy
from hsrl_train.world import Catalogue
from pipeline.contracts import check
from pipeline.errors import TrainingError
from pipeline.warehouse.artifacts import ArtifactStore, fingerprint
from pipeline.warehouse.tables import TRAINING_CURVES
from pipeline.warehouse.warehouse import Warehouse

CHECKPOINT_EVERY = 500
_KIND = "policy"
_WEIGHTS, _CONFIG, _CURVES = "policy.safetensors", "learner.json", "curves.parquet"


@dataclass(frozen=True)
class Trained:
    """A policy under its fingerprint.

    Attributes:
        method: its name.
        policy_id: of everything it was learned from.
        policy: over tonight's SIDs.
        curves: TRAINING_CURVES.
        cpu_seconds: of the training; 0 where it was found in the store.
        artifact: its place in the store.
    """

    method: str
    policy_id: str
    policy: StoredPolicy
    curves: pl.DataFrame
    cpu_seconds: float
    artifact: Artifact


def find_or_train(warehouse: Warehouse, settings: Settings, world: World, simulators: list[Simulator], tick: Tick) -> Trained:
    """The policy of these records, SIDs, simulators, settings and seed.

    Raises:
        TrainingError: the training cannot go on with an honest result; the last good checkpoint is kept.
    """
    inputs = (world.fingerprint, world.sid_fingerprint, *(simulator.simulator_id for simulator in simulators))
    made_by = (settings.learner.model_dump(mode="json"), settings.environment.model_dump(mode="json"), settings.seed)
    store = warehouse.artifacts
    policy_id = store.unspoiled(fingerprint(settings.learner.method, inputs, made_by))
    cpu = 0.0
    if not store.exists(_KIND, policy_id):
        began = time.process_time()
        _train(warehouse, settings, world, simulators, policy_id, tick)
        cpu = time.process_time() - began
    warehouse.staging.discard("training", policy_id)
    policy = load_policy(store, policy_id, world.catalogue)
    curves = pl.read_parquet(store.path(_KIND, policy_id) / _CURVES)
    return Trained(settings.learner.method, policy_id, policy, curves, round(cpu, 3), Artifact(_KIND, policy_id, inputs))


def with_method(settings: Settings, method: str) -> Settings:
    """The same settings for another method."""
    return settings.model_copy(update={"learner": settings.learner.model_copy(update={"method": method})})


def load_policy(store: ArtifactStore, policy_id: str, catalogue: Catalogue) -> StoredPolicy:
    """A stored policy over the SIDs of ``catalogue``.

    Raises:
        TrainingError: it is missing, damaged, or of another vocabulary.
    """
    folder = store.path(_KIND, policy_id)
    tensors = _load(folder / _WEIGHTS)
    return read_policy(tensors, LearnerConfig.model_validate_json((folder / _CONFIG).read_text()), catalogue)


def _train(
    warehouse: Warehouse, settings: Settings, world: World, simulators: list[Simulator], policy_id: str, tick: Tick
) -> None:
    """Train, resuming from a checkpoint if there is one, and put the policy into the store."""
    records = world.records.select(world.records.is_train)
    environment = Environment([simulator.fitted.model for simulator in simulators], settings.environment)
    method = fresh_method(world.catalogue, records.profiles.shape[1], records.history.shape[1], settings.learner, settings.seed)
    checkpoint = warehouse.staging.path("training", policy_id) / "checkpoint.safetensors"
    checkpoint.parent.mkdir(parents=True, exist_ok=True)

    def save(tensors: dict[str, Tensor]) -> None:
        draft = checkpoint.with_suffix(".draft")
        save_file(tensors, draft)
        draft.rename(checkpoint)

    trained = train(
        method,
        environment,
        records,
        settings.learner,
        settings.seed,
        progress=lambda iteration, _: tick(iteration, settings.learner.n_iterations),
        save=save,
        save_every=CHECKPOINT_EVERY,
        resume=_load(checkpoint) if checkpoint.exists() else None,
    )
    curves = pl.DataFrame(trained.curves, schema=["iteration", "metric", "value"], orient="row")
    curves = curves.with_columns(policy_id=pl.lit(policy_id)).select(list(TRAINING_CURVES.schema)).cast(TRAINING_CURVES.schema)
    with warehouse.artifacts.writing(_KIND, policy_id) as folder:
        save_file(trained.policy.to_tensors(), folder / _WEIGHTS)
        (folder / _CONFIG).write_text(settings.learner.model_dump_json())
        check(curves, TRAINING_CURVES, "training").write_parquet(folder / _CURVES)


def _load(path: Path) -> Mapping[str, Tensor]:
    try:
        return load_file(path)
    except (OSError, SafetensorError) as error:
        raise TrainingError(f"{path}: {error}; remove {path.parent} and train again with: hsrl retrain") from error
