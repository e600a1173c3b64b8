"""The simulators of a retrain: fitted once for the same records, settings and seed, found in the store after that."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import polars as pl
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from flows.runtime.run import Tick
from flows.runtime.settings import Settings
from flows.runtime.workers import run_parallel
from flows.stores.artifacts import Artifact
from flows.stores.tensors import World
from flows.stores.workspace import Workspace
from hsrl_train.simulator.config import SimulatorConfig
from hsrl_train.simulator.fit import FitOn, FittedSimulator, Quality, fit_response_model, quality
from pipeline.contracts import rows_of
from pipeline.errors import TrainingError, reason_of
from pipeline.warehouse.artifacts import ArtifactStore, fingerprint, refuse_unreadable
from pipeline.warehouse.result_tables import SIMULATORS

KIND = "simulator"
_FILE = "model.safetensors"
# Evaluation simulators take seeds that no training simulator takes.
_EVALUATION_SEEDS_FROM = 100


@dataclass(frozen=True)
class SimulatorSpec:
    """A simulator by what it is made from; found under ``simulator_id`` once it is fitted."""

    simulator_id: str
    config: SimulatorConfig
    fit_on: FitOn
    seed: int


@dataclass(frozen=True)
class Simulator:
    """A fitted simulator under its fingerprint, and how well it foretells answers."""

    simulator_id: str
    fitted: FittedSimulator
    quality: Quality
    artifact: Artifact

    @property
    def judged_on(self) -> str:
        """The test records, which one fitted on all records has seen."""
        return "test" if self.fitted.fit_on == "train" else "in-sample"


def simulator_specs(store: ArtifactStore, settings: Settings, world: World, fit_on: FitOn) -> list[SimulatorSpec]:
    """The simulators that the settings ask for; those that teach and those that judge share no seed."""
    if fit_on == "train":
        first, n = settings.seed + 1, settings.simulator.n_training
    else:
        first, n = settings.seed + _EVALUATION_SEEDS_FROM + 1, settings.evaluation.n_simulators
    made_by = settings.simulator.model_dump(mode="json", exclude={"n_training"})
    return [
        SimulatorSpec(
            store.not_withdrawn_id(fingerprint(KIND, world.fingerprint, made_by, fit_on, seed)), settings.simulator, fit_on, seed
        )
        for seed in range(first, first + n)
    ]


def fit_missing(place: Workspace, wanted: Sequence[SimulatorSpec], n_processes: int | None, tick: Tick) -> int:
    """Fit those that the store does not hold, side by side; return how many they were."""
    missing = [(place, one) for one in wanted if not place.artifacts.exists(KIND, one.simulator_id)]
    if missing:
        place.lay_out()
        run_parallel(_fit, missing, n_processes, tick)
    return len(missing)


def _fit(job: tuple[Workspace, SimulatorSpec], tick: Tick) -> None:
    place, public = job
    world = place.world
    fitted = fit_response_model(world.records, world.catalogue, public.config, public.seed, public.fit_on, tick)
    with place.artifacts.writing(KIND, public.simulator_id) as folder:
        save_file(fitted.to_tensors(), folder / _FILE)


def load_fitted(store: ArtifactStore, world: World, public: SimulatorSpec) -> FittedSimulator:
    """One that was fitted.

    Raises:
        TrainingError: it is missing or damaged.
    """
    path = store.path(KIND, public.simulator_id) / _FILE
    refuse_unreadable(path)
    try:
        tensors = load_file(path)
    except (OSError, SafetensorError) as error:
        raise TrainingError(f"{path}: {reason_of(error)}; remove {path.parent} and run it again, which fits it anew") from error
    width = world.records.profiles.shape[1]
    return FittedSimulator.from_tensors(tensors, world.catalogue, width, public.config, public.seed, public.fit_on)


def load_simulator(store: ArtifactStore, world: World, public: SimulatorSpec) -> Simulator:
    """One that was fitted, judged on the test records."""
    fitted = load_fitted(store, world, public)
    judged = quality(fitted.model, world.records.select(~world.records.is_train))
    return Simulator(public.simulator_id, fitted, judged, Artifact(KIND, public.simulator_id, (world.fingerprint,)))


def simulator_rows(simulators: list[Simulator], world: World, release_id: int) -> pl.DataFrame:
    """SIMULATORS, a row each."""
    rows: list[dict[str, Any]] = []
    for one in simulators:
        n_records = int(world.records.is_train.sum()) if one.fitted.fit_on == "train" else len(world.records.user)
        figures = {name: value for name, value in asdict(one.quality).items() if name != "n"}
        rows.append(
            {
                "simulator_id": one.simulator_id,
                "preset": one.fitted.config.preset,
                "fit_on": one.fitted.fit_on,
                "seed": one.fitted.seed,
                "n_records": n_records,
                **figures,
                "judged_on": one.judged_on,
                "artifact_id": one.simulator_id,
                "config": one.fitted.config.model_dump_json(),
                "release_id": release_id,
            }
        )
    return rows_of(SIMULATORS, rows, "simulators")
