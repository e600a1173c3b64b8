"""The simulators of a retrain: fitted once for the same records, settings and seed, found in the store after that."""

from dataclasses import asdict, dataclass
from typing import Any

import polars as pl
from safetensors.torch import load_file, save_file

from flows.artifacts import Artifact
from flows.run import Tick
from flows.settings import Settings
from flows.tensors import World
from hsrl_train.fit import FitOn, FittedSimulator, Quality, fit_response_model, quality
from pipeline.contracts import check
from pipeline.warehouse.artifacts import ArtifactStore, fingerprint
from pipeline.warehouse.tables import SIMULATORS

_KIND = "simulator"
_FILE = "model.safetensors"
# Evaluation simulators take seeds that no training simulator takes.
_EVALUATION_SEEDS_FROM = 100


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


def simulator_seeds(settings: Settings, fit_on: FitOn) -> list[int]:
    """Seeds of the simulators to fit; the two kinds share none."""
    if fit_on == "train":
        return [settings.seed + 1 + number for number in range(settings.simulator.n_training)]
    return [settings.seed + _EVALUATION_SEEDS_FROM + 1 + number for number in range(settings.evaluation.n_simulators)]


def find_or_fit(store: ArtifactStore, settings: Settings, world: World, fit_on: FitOn, seed: int, tick: Tick) -> Simulator:
    """The simulator of these records, settings and seed, judged on the test records."""
    config = settings.simulator
    made_by = config.model_dump(mode="json", exclude={"n_training"})
    simulator_id = store.unspoiled(fingerprint(_KIND, world.fingerprint, made_by, fit_on, seed))
    path = store.path(_KIND, simulator_id) / _FILE
    if path.exists():
        fitted = FittedSimulator.from_tensors(
            load_file(path), world.catalogue, world.records.profiles.shape[1], config, seed, fit_on
        )
    else:
        fitted = fit_response_model(world.records, world.catalogue, config, seed, fit_on, tick)
        with store.writing(_KIND, simulator_id) as folder:
            save_file(fitted.to_tensors(), folder / _FILE)
    judged = quality(fitted.model, world.records.select(~world.records.is_train))
    return Simulator(simulator_id, fitted, judged, Artifact(_KIND, simulator_id, (world.fingerprint,)))


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
    return check(pl.DataFrame(rows, schema=SIMULATORS.schema), SIMULATORS, "simulators")
