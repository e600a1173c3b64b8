"""One trial of a study: a variant learned with one seed and judged; kept by its fingerprint, so that none is done twice."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from safetensors import safe_open
from safetensors.numpy import save_file

from flows.retrain.judging import Judge, Publics, Row
from flows.retrain.simulators import SimulatorSpec, load_fitted
from flows.retrain.training import TrainingJob, learn
from flows.runtime.run import Tick
from flows.runtime.settings import Settings
from flows.stores.policies import load_policy
from flows.stores.workspace import Workspace
from hsrl_train.data.tensors import World
from hsrl_train.evaluation.rollouts import Rollouts
from pipeline.warehouse.artifacts import ArtifactStore, fingerprint

_KIND = "trial"
_ROWS, _COURSE = "rows.safetensors", "course.json"
_ARRAYS = ("rewards", "depths", "exposure")


@dataclass(frozen=True)
class Trial:
    """What is to be learned and judged, in plain values.

    Attributes:
        variant: its name.
        settings: of the variant.
        taught_in: the training simulators.
        judged_by: the evaluation simulators.
        seed: that it learns with; None for the reference rows, which learn nothing.
        sids: its own Semantic IDs by their name at the workplace; None = the release's.
    """

    variant: str
    settings: Settings
    taught_in: tuple[SimulatorSpec, ...]
    judged_by: tuple[SimulatorSpec, ...]
    seed: int | None
    sids: str | None = None

    @property
    def lesson(self) -> TrainingJob | None:
        """What it learns."""
        return None if self.seed is None else TrainingJob(self.settings, self.seed, self.taught_in)

    def policy_id(self, store: ArtifactStore, world: World) -> str | None:
        """The name of the policy; ``world`` is under the trial's Semantic IDs."""
        return None if self.lesson is None else self.lesson.policy_id(store, world)

    def name(self, store: ArtifactStore, world: World) -> str:
        """The fingerprint of its result."""
        settings, evaluation = self.settings, self.settings.evaluation
        return fingerprint(
            _KIND,
            self.policy_id(store, world),
            (world.fingerprint, world.sid_fingerprint),
            [one.simulator_id for one in (*self.taught_in, *self.judged_by)],
            settings.environment.model_dump(mode="json"),
            [evaluation.n_sessions, evaluation.look_ahead.model_dump(mode="json"), settings.seed],
        )


@dataclass(frozen=True)
class Outcome:
    """What came of a trial.

    Attributes:
        trial: which.
        policy_id: None for the reference rows.
        rows: own and transferred, or the reference rows.
        cpu_seconds: of learning, of the last attempt where one was killed; None where the policy was there before the trial.
    """

    trial: Trial
    policy_id: str | None
    rows: tuple[Row, ...]
    cpu_seconds: float | None


def is_kept(place: Workspace, trial: Trial) -> bool:
    """Whether its result is in the store."""
    return place.artifacts.exists(_KIND, trial.name(place.artifacts, place.world_under(trial.sids)))


def do(job: tuple[Workspace, Trial], tick: Tick) -> None:
    """Learn, unless the policy is there already, judge, and keep the result."""
    place, trial = job
    world, store = place.world_under(trial.sids), place.artifacts
    policy_id, cpu_seconds = trial.policy_id(store, world), None
    if trial.lesson is not None and not store.exists("policy", str(policy_id)):
        cpu_seconds = learn(place, world, trial.lesson, tick)
    rows = _judged(store, world, trial, policy_id, tick)
    with store.writing(_KIND, trial.name(store, world)) as folder:
        _write(folder, rows, cpu_seconds)


def outcome(place: Workspace, trial: Trial) -> Outcome:
    """The kept result of a trial that was done."""
    world, store = place.world_under(trial.sids), place.artifacts
    rows, cpu_seconds = _read(store.path(_KIND, trial.name(store, world)))
    return Outcome(trial, trial.policy_id(store, world), rows, cpu_seconds)


def models(store: ArtifactStore, world: World, simulator_specs: Sequence[SimulatorSpec]) -> Publics:
    """Fitted simulators by their ids."""
    return {one.simulator_id: load_fitted(store, world, one).model for one in simulator_specs}


def _judged(store: ArtifactStore, world: World, trial: Trial, policy_id: str | None, tick: Tick) -> list[Row]:
    judge = Judge(world, trial.settings, None if trial.lesson else tick)  # a lesson has told how far it is in a count of its own
    taught_in, judged_by = models(store, world, trial.taught_in), models(store, world, trial.judged_by)
    if policy_id is None:
        return judge.references(tuple(taught_in.values()), judged_by)
    policy = load_policy(store, policy_id, world.catalogue)
    return [
        judge.play(trial.variant, policy, simulator_specs, kind, policy_id, trial.seed)
        for kind, simulator_specs in (("own", taught_in), ("transferred", judged_by))
    ]


def _write(folder: Path, rows: Sequence[Row], cpu_seconds: float | None) -> None:
    arrays = {
        f"{number}/{place}/{name}": getattr(played, name)
        for number, row in enumerate(rows)
        for place, played in enumerate(row.played)
        for name in _ARRAYS
    }
    told = [
        {
            "name": row.name,
            "k": row.played[0].k,
            "simulator_ids": row.simulator_ids,
            "kind": row.kind,
            "policy_id": row.policy_id,
            "seed": row.seed,
        }
        for row in rows
    ]
    save_file(arrays, folder / _ROWS)
    (folder / _COURSE).write_text(json.dumps({"rows": told, "cpu_seconds": cpu_seconds}))


def _read(folder: Path) -> tuple[tuple[Row, ...], float | None]:
    course = json.loads((folder / _COURSE).read_text())
    rows = []
    with safe_open(folder / _ROWS, framework="numpy") as stored:
        for number, told in enumerate(course["rows"]):
            played = tuple(
                Rollouts(told["name"], told["k"], *(stored.get_tensor(f"{number}/{place}/{name}") for name in _ARRAYS))
                for place in range(len(told["simulator_ids"]))
            )
            rows.append(Row(played, tuple(told["simulator_ids"]), told["kind"], told["policy_id"], told["seed"]))
    return tuple(rows), course["cpu_seconds"]
