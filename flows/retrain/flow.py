"""The flow nightly-retrain: simulators → policy → evaluation → gate → publish, on one pinned release."""

from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import polars as pl
import torch

from flows.retrain.judging import Judge, Row, evaluation_rows
from flows.retrain.simulators import Simulator, fit_missing, load_simulator, simulator_rows, simulator_specs
from flows.retrain.training import Trained, TrainingJob, find_or_train, usable_device, with_method
from flows.runtime.resources import code_version
from flows.runtime.run import Run
from flows.runtime.run_outcome import RunOutcome, record_run
from flows.runtime.settings import Settings
from flows.runtime.steps import Steps
from flows.stores.artifacts import Artifact, artifact_rows, records_up_to
from flows.stores.incumbent import current_codebook
from flows.stores.pinned import Pinned, pin_latest
from flows.stores.policies import load_policy, started_from
from flows.stores.workspace import Workspace
from hsrl_train.evaluation.rollouts import paired_difference, summarise
from pipeline.contracts import check
from pipeline.errors import WarehouseError
from pipeline.warehouse.naming_damage import naming_damage
from pipeline.warehouse.release import Changes, ReleaseDraft
from pipeline.warehouse.tables import POLICIES
from pipeline.warehouse.warehouse import Warehouse

_SHOWN = ("n_simulators", "n_sessions", "total_reward", "ci95_low", "ci95_high", "sd", "depth", "distinct_items", "gini")


@dataclass(frozen=True)
class Results:
    """Everything a retrain has to publish; ``beside`` are the other seeds and the other methods."""

    training: list[Simulator]
    judging: list[Simulator]
    trained: Trained
    beside: list[Trained]
    rows: list[Row]
    is_published: bool
    verdict: str

    @property
    def simulators(self) -> list[Simulator]:
        """All of them."""
        return [*self.training, *self.judging]


@naming_damage
def retrain(settings: Settings, root: Path, run: Run, steps: Steps) -> dict[str, Any]:
    """Train on the newest release, judge, and publish the policy if it is not worse than the incumbent.

    Holds the writer's lock only to publish, and refuses if the codebook was changed meanwhile.

    Returns:
        What was done, as plain values.

    Raises:
        HsrlError: whatever a person can mend; nothing was published then.
    """
    torch.set_num_threads(1)  # two threads on shared cores are slower than one, and another count gives other last digits
    usable_device(settings.training.device)
    with (
        Warehouse.open(root, settings.engine.memory_limit_mb) as warehouse,
        record_run(warehouse, run, settings.model_dump(mode="json")) as ending,
    ):
        with run.stage("read the release"):
            pinned = steps.run("read the release", pin_latest, warehouse, settings)
        results = _learn_and_judge(warehouse, settings, pinned, run, steps)
        with run.stage("audits and publish"), warehouse.writer(run.run_id, settings.engine.lock_timeout_seconds, run.say):
            steps.run("audits and publish", _publish, warehouse, settings, pinned, results, run, ending)
        return _report(run, ending, pinned, results)


def _learn_and_judge(warehouse: Warehouse, settings: Settings, pinned: Pinned, run: Run, steps: Steps) -> Results:
    place = Workspace.of(warehouse, pinned.world)
    try:
        training, judging = _simulators(place, settings, run, steps)
        lessons = _lessons(place, settings, pinned)
        with run.stage("training") as tick:
            trained = steps.run("training", find_or_train, place, lessons, settings.training.n_processes, tick)
    finally:
        place.clear()
    with run.stage("evaluation") as tick:
        judge = Judge(pinned.world, settings, tick)
        return steps.run("evaluation", _judge, warehouse, judge, pinned, training, judging, trained)


def _simulators(place: Workspace, settings: Settings, run: Run, steps: Steps) -> tuple[list[Simulator], list[Simulator]]:
    """Those that teach, and those that judge."""
    store, world = place.artifacts, place.world
    wanted = {fit_on: simulator_specs(store, settings, world, fit_on) for fit_on in ("train", "all")}
    with run.stage("simulators") as tick:
        steps.run("simulators", fit_missing, place, [*wanted["train"], *wanted["all"]], settings.training.n_processes, tick)
        found = {fit_on: [load_simulator(store, world, one) for one in ones] for fit_on, ones in wanted.items()}
    for one in (*found["train"], *found["all"]):
        quality = f"AUC {one.quality.auc:.3f}, calibration error {one.quality.ece:.4f} ({one.judged_on})"
        run.say(f"simulator {one.fitted.fit_on} {one.fitted.seed}: {quality}")
    return found["train"], found["all"]


def _lessons(place: Workspace, settings: Settings, pinned: Pinned) -> list[TrainingJob]:
    """The configured method in every seed, then the methods beside it, in the first."""
    simulators = tuple(simulator_specs(place.artifacts, settings, place.world, "train"))
    own = [TrainingJob(settings, settings.seed + number, simulators) for number in range(settings.training.n_seeds)]
    if settings.training.warm_start and pinned.published_policy is not None:
        own = _warm(place, own, pinned.published_policy)
    return [*own, *(TrainingJob(with_method(settings, other), settings.seed, simulators) for other in settings.evaluation.beside)]


def _warm(place: Workspace, lessons: list[TrainingJob], published: str) -> list[TrainingJob]:
    """Begin at the published policy, unless one of these very lessons made it: a second retrain has nothing new to learn."""
    again = [replace(one, starts_from=started_from(place.artifacts, published)) for one in lessons]
    if published in [one.policy_id(place.artifacts, place.world) for one in again]:
        return again
    return [replace(one, starts_from=published) for one in lessons]


def _judge(
    warehouse: Warehouse,
    judge: Judge,
    pinned: Pinned,
    training: list[Simulator],
    judging: list[Simulator],
    trained: list[Trained],
) -> Results:
    """The rows of the results, and the gate: a policy that is worse than the incumbent beyond the interval is not published."""
    taught_in, judged_in = ({one.simulator_id: one.fitted.model for one in ones} for ones in (training, judging))
    best_of = trained[: judge.settings.training.n_seeds]
    judge.expect(len(trained) * (len(training) + len(judging)))
    rows = judge.references(tuple(taught_in.values()), judged_in)

    def play(one: Trained, kind: str) -> Row:
        return judge.play(one.method, one.policy, taught_in if kind == "own" else judged_in, kind, one.policy_id, one.seed)

    own = {one.policy_id: play(one, "own") for one in trained}
    best = max(best_of, key=lambda one: float(own[one.policy_id].together.rewards.mean()))
    beside = [one for one in trained if one is not best]
    for one in (*beside, best):  # the policy itself stands last
        rows += [own[one.policy_id], play(one, "transferred")]
    if pinned.published_policy in (None, best.policy_id):
        lost = f"published policy {pinned.lost_policy} is gone from artifacts/, so that nothing was compared with it"
        verdict = lost if pinned.lost_policy else "no other policy is published on this codebook"
        return Results(training, judging, best, beside, rows, True, verdict)
    judge.expect(len(judging))
    incumbent = load_policy(warehouse.artifacts, pinned.published_policy, pinned.world.catalogue)
    shown_now = judge.play("incumbent", incumbent, judged_in, "transferred", pinned.published_policy)
    difference = paired_difference(rows[-1].together, shown_now.together)
    verdict = f"{difference.mean:+.3f} beside the incumbent, 95 % interval {difference.low:+.3f} … {difference.high:+.3f}"
    return Results(training, judging, best, beside, [*rows, shown_now], difference.high >= 0, verdict)


def _publish(warehouse: Warehouse, settings: Settings, pinned: Pinned, results: Results, run: Run, ending: RunOutcome) -> None:
    now = current_codebook(warehouse)
    if now is None or now.numbering_id != pinned.codebook.numbering_id:
        raise WarehouseError(
            f"the codebook changed from {pinned.codebook.codebook_id} while the policy learned, which does not fit the new Semantic IDs; "
            "train again with: hsrl retrain"
        )
    if pinned.release.release_id in warehouse.query("SELECT release_id FROM withdrawn")["release_id"]:
        raise WarehouseError(
            f"release {pinned.release.release_id}, which the policy learned from, was taken back meanwhile; "
            "train again with: hsrl retrain"
        )
    known = warehouse.query("SELECT policy_id FROM policies WHERE policy_id = $id", {"id": results.trained.policy_id})
    if known.height:
        run.say(f"nothing new: policy {results.trained.policy_id} of the same inputs is in the warehouse already")
        return
    release_id = warehouse.next_release_id()
    inputs = (
        f"release:{pinned.release.release_id}",
        pinned.codebook.codebook_id,
        *(one.simulator_id for one in results.simulators),
    )
    draft = ReleaseDraft(run.run_id, "retrain", code_version(), settings.model_dump(mode="json"), settings.seed, inputs)
    warehouse.publish(draft, _changes(warehouse, settings, pinned, results, run, release_id))
    ending.release_id = release_id


def _changes(warehouse: Warehouse, settings: Settings, pinned: Pinned, results: Results, run: Run, release_id: int) -> Changes:
    known = warehouse.query("SELECT simulator_id FROM simulators")["simulator_id"].to_list()
    simulators = {one.simulator_id for one in results.simulators}
    new = [one for one in results.simulators if one.simulator_id not in known]
    evaluations = [evaluation_rows(row, settings, release_id, pinned.embedding_id) for row in results.rows]
    # What they learned from, in place of the fingerprints of its tensors, which lead nowhere; and no release, which holds what comes of it.
    records = records_up_to(warehouse, pinned.release.release_id)
    policies = [
        _policy_artifact(warehouse, pinned, one.artifact, simulators, records) for one in (*results.beside, results.trained)
    ]
    artifacts = [*(_simulator_artifact(warehouse, pinned, one.artifact, records) for one in new), *policies]
    return Changes(
        upsert={"policies": _policy_rows(warehouse, settings, pinned, results, release_id)},
        append={
            "simulators": simulator_rows(new, pinned.world, release_id),
            "evaluations": pl.concat(evaluations),
            "training_curves": results.trained.curves,
            "artifacts": artifact_rows(warehouse, artifacts, run, release_id),
        },
    )


def _simulator_artifact(warehouse: Warehouse, pinned: Pinned, artifact: Artifact, records: str) -> Artifact:
    """With what it saw: the records and the model of items and users; not where the codes' part of that model was made from it."""
    model = pinned.codebook.embedding_id
    made_from = warehouse.query("SELECT unnest(inputs) AS name FROM artifacts WHERE artifact_id = $id", {"id": model})["name"]
    return replace(artifact, inputs=(records,) if artifact.name in made_from else (records, model))


def _policy_artifact(warehouse: Warehouse, pinned: Pinned, artifact: Artifact, simulators: set[str], records: str) -> Artifact:
    """With what it learned from: the records, the codebook, the simulators and the policy that it began with."""
    starts_from = started_from(warehouse.artifacts, artifact.name)
    taught_by = (name for name in artifact.inputs if name in simulators)
    return replace(
        artifact, inputs=(records, pinned.codebook.codebook_id, *taught_by, *([] if starts_from is None else [starts_from]))
    )


def _policy_rows(warehouse: Warehouse, settings: Settings, pinned: Pinned, results: Results, release_id: int) -> pl.DataFrame:
    """POLICIES: the new one and, where it is published, those that make way."""
    row = {
        "policy_id": results.trained.policy_id,
        "method": settings.learner.method,
        "preset": settings.learner.preset,
        "seed": results.trained.seed,
        "codebook_id": pinned.codebook.codebook_id,
        "simulator_ids": [one.simulator_id for one in results.training],
        "n_iterations": results.trained.n_iterations,
        "cpu_seconds": results.trained.cpu_seconds,
        "artifact_id": results.trained.policy_id,
        "config": settings.learner.model_dump_json(),
        "is_published": results.is_published,
        "release_id": release_id,
    }
    rows = pl.DataFrame([row], schema=POLICIES.schema)
    if results.is_published:
        before = warehouse.read(POLICIES, "FROM policies WHERE is_published")
        rows = pl.concat([before.with_columns(is_published=pl.lit(value=False)), rows])
    return check(rows, POLICIES, "policies")


def _report(run: Run, ending: RunOutcome, pinned: Pinned, results: Results) -> dict[str, Any]:
    table = []
    for row in results.rows:
        result = summarise(row.together)
        table.append({"policy": row.name, "kind": row.kind, "seed": row.seed, **{name: getattr(result, name) for name in _SHOWN}})
    return {
        "status": "nothing new" if ending.release_id is None else "published" if results.is_published else "policy refused",
        "run_id": run.run_id,
        "release_id": ending.release_id,
        "learned_from_release": pinned.release.release_id,
        "policy_id": results.trained.policy_id,
        "gate": results.verdict,
        "simulators": [
            {"fit_on": one.fitted.fit_on, "seed": one.fitted.seed, "judged_on": one.judged_on, **asdict(one.quality)}
            for one in results.simulators
        ],
        "evaluation": table,
        "training_cpu_seconds": results.trained.cpu_seconds,
        "seconds": run.seconds,
    }
