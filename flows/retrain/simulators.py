"""The simulators of a retrain: fitted the first time, then found in the store by records, settings and seed."""

from collections.abc import Sequence
from dataclasses import dataclass

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from flows.runtime.run import Tick
from flows.runtime.workers import Workers, run_parallel
from flows.stores.workspace import Workspace
from hsrl_train.data.tensors import World
from hsrl_train.evaluation.config import EvaluationConfig
from hsrl_train.evaluation.judge import NamedSimulator
from hsrl_train.simulator.config import SimulatorConfig
from hsrl_train.simulator.families import family_named
from hsrl_train.simulator.fit import FitOn, FittedSimulator, Quality, fit_response_model, quality
from pipeline.errors import TrainingError, reason_of
from pipeline.warehouse.artifact_rows import Artifact
from pipeline.warehouse.artifacts import ArtifactStore, fingerprint, refuse_unreadable

KIND = "simulator"
_FILE = "model.safetensors"
POSITIVES_ONLY = (
    "the log has positives only, no event that a user refused, and simulators and policies learn from both; Semantic IDs work without: "
    "hsrl refresh, hsrl sids export, hsrl encode, hsrl sql (docs/sources.md)"
)
# Evaluation simulators take seeds that no training simulator takes.
_EVALUATION_SEEDS_FROM = 100


@dataclass(frozen=True)
class SimulatorSpec:
    """What a simulator is made from.

    Attributes:
        simulator_id: of the simulator, with how it answers.
        weights_id: under which its tensors are found in the store once they are fitted; families that only answer otherwise share them.
        config: family, preset, sizes and optimisation.
        fit_on: the records it is fitted on.
        seed: of the fit.
    """

    simulator_id: str
    weights_id: str
    config: SimulatorConfig
    fit_on: FitOn
    seed: int


@dataclass(frozen=True)
class Simulator:
    """A fitted simulator with its fingerprint, and how well it predicts answers; ``artifact`` holds its tensors."""

    simulator_id: str
    fitted: FittedSimulator
    quality: Quality
    artifact: Artifact

    @property
    def named(self) -> NamedSimulator:
        """As the results name it."""
        return NamedSimulator(self.simulator_id, self.fitted.config.family, self.fitted.model)

    @property
    def judged_on(self) -> str:
        """``test``, or ``in-sample`` where it was fitted on all records and so has seen the test records."""
        return "test" if self.fitted.fit_on == "train" else "in-sample"


def training_specs(store: ArtifactStore, world: World, config: SimulatorConfig, seed: int) -> list[SimulatorSpec]:
    """The simulators that policies learn in, fitted on the training records; ``seed`` is the run's."""
    return _specs(store, world, config, "train", range(seed + 1, seed + 1 + config.n_training))


def judging_specs(
    store: ArtifactStore, world: World, config: SimulatorConfig, seed: int, evaluation: EvaluationConfig
) -> list[SimulatorSpec]:
    """The simulators that judge policies, fitted on all records: some of each family of the panel, then of the family learned in.

    They share no seed with those that policies learn in. Presets other than calibrated are families of their own: nobody else judges
    there.
    """
    first = seed + _EVALUATION_SEEDS_FROM + 1
    seeds = range(first, first + evaluation.n_simulators)
    families = [*evaluation.panel_without(config.family), config.family] if config.preset == "calibrated" else [config.family]
    return [
        spec for family in families for spec in _specs(store, world, config.model_copy(update={"family": family}), "all", seeds)
    ]


def _specs(store: ArtifactStore, world: World, config: SimulatorConfig, fit_on: FitOn, seeds: range) -> list[SimulatorSpec]:
    def made(family: str, seed: int) -> str:
        made_by = {**config.model_dump(mode="json", exclude={"n_training"}), "family": family}
        return store.not_withdrawn_id(fingerprint(KIND, world.fingerprint, made_by, fit_on, seed))

    fitted_as = family_named(config.family).fitted_as
    return [SimulatorSpec(made(config.family, seed), made(fitted_as, seed), config, fit_on, seed) for seed in seeds]


def fit_missing(workspace: Workspace, wanted: Sequence[SimulatorSpec], workers: Workers, tick: Tick) -> int:
    """Fit the simulators that the store does not hold, in parallel; return how many they were.

    Raises:
        TrainingError: the records hold no refusal.
    """
    if bool(workspace.world.records.feedback.all()):
        raise TrainingError(POSITIVES_ONLY)
    by_weights = {spec.weights_id: spec for spec in wanted}
    missing = [(workspace, spec) for name, spec in by_weights.items() if not workspace.artifacts.exists(KIND, name)]
    if missing:
        workspace.lay_out()
        run_parallel(_fit, missing, workers, tick)
    return len(missing)


def _fit(job: tuple[Workspace, SimulatorSpec], tick: Tick) -> None:
    workspace, spec = job
    world = workspace.world
    fitted = fit_response_model(world.records, world.catalogue, spec.config, spec.seed, spec.fit_on, tick)
    with workspace.artifacts.writing(KIND, spec.weights_id) as folder:
        save_file({name: tensor.contiguous() for name, tensor in fitted.tensors.items()}, folder / _FILE)


def load_fitted(store: ArtifactStore, world: World, spec: SimulatorSpec) -> FittedSimulator:
    """A fitted simulator.

    Raises:
        TrainingError: it is missing or damaged.
    """
    path = store.path(KIND, spec.weights_id) / _FILE
    refuse_unreadable(path)
    try:
        tensors = load_file(path)
    except (OSError, SafetensorError) as error:
        raise TrainingError(f"{path}: {reason_of(error)}; remove {path.parent} and run it again, which fits it anew") from error
    width = world.records.profiles.shape[1]
    return FittedSimulator.from_tensors(tensors, world.catalogue, width, spec.config, spec.seed, spec.fit_on)


def load_simulator(store: ArtifactStore, world: World, spec: SimulatorSpec) -> Simulator:
    """A fitted simulator, judged on the test records."""
    fitted = load_fitted(store, world, spec)
    judged = quality(fitted.model, world.records.select(~world.records.is_train))
    return Simulator(spec.simulator_id, fitted, judged, Artifact(KIND, spec.weights_id, (world.fingerprint,)))
