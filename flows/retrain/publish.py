"""What a retrain publishes, in one transaction: simulators, policies, evaluations, curves, and what they were made from."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from flows.retrain.results import Results
from flows.retrain.rows import (
    claim_rows,
    evaluation_rows,
    policy_row,
    published_policies,
    real_answer_rows,
    simulator_rows,
)
from flows.runtime.resources import code_version
from flows.runtime.run import Run
from flows.stores.incumbent import current_codebook
from flows.stores.pinned import Pinned
from flows.stores.policies import started_from
from pipeline.errors import WarehouseError
from pipeline.warehouse.artifact_rows import Artifact, artifact_rows, records_up_to
from pipeline.warehouse.release import Changes, ReleaseDraft
from pipeline.warehouse.result_tables import POLICIES
from pipeline.warehouse.warehouse import Warehouse


def publish(warehouse: Warehouse, run: Run, pinned: Pinned, results: Results, config: Mapping[str, Any]) -> int | None:
    """Publish what was learned, unless the warehouse has it already.

    Args:
        warehouse: whose writer's lock is held.
        run: which run publishes.
        pinned: the release that was learned from.
        results: what was learned, judged.
        config: the settings of the run as plain values.

    Returns:
        The new release; None where there is nothing new.

    Raises:
        WarehouseError: the codebook changed or the release was withdrawn while the policy learned.
    """
    _require_unchanged(warehouse, pinned)
    release_id, policy_id = warehouse.next_release_id(), results.policy.policy_id
    # Also where all is known: what was lost in S3 and made anew is uploaded again.
    artifacts = artifact_rows(warehouse, _artifacts(warehouse, pinned, results), run.run_id, release_id)
    if warehouse.query("SELECT policy_id FROM policies WHERE policy_id = $id", {"id": policy_id}).height:
        run.say(f"nothing new: policy {policy_id} of the same inputs is in the warehouse already")
        return None
    inputs = (
        f"release:{pinned.release.release_id}",
        pinned.codebook.codebook_id,
        *(simulator.simulator_id for simulator in results.simulators),
    )
    draft = ReleaseDraft(run.run_id, "retrain", code_version(), config, results.job.run_seed, inputs)
    known = warehouse.query("SELECT simulator_id FROM simulators")["simulator_id"].to_list()
    new = [simulator for simulator in results.simulators if simulator.simulator_id not in known]
    policy = policy_row(results.policy, results.job.learner, pinned.codebook.codebook_id, results.training)
    published = warehouse.read(POLICIES, "FROM policies WHERE is_published")
    changes = Changes(
        upsert={"policies": published_policies(policy, published, is_published=results.is_published, release_id=release_id)},
        append={
            "simulators": simulator_rows(new, pinned.world, release_id),
            "evaluations": evaluation_rows(
                results.rows,
                results.training[0].fitted.config.preset,
                results.job.environment,
                release_id,
                pinned.embedding_id,
            ),
            "real_answers": real_answer_rows(results.real, release_id),
            "claims": claim_rows(results.claims, release_id),
            "training_curves": results.policy.curves,
            "artifacts": artifacts,
        },
    )
    warehouse.publish(draft, changes)
    return release_id


def _require_unchanged(warehouse: Warehouse, pinned: Pinned) -> None:
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


def _artifacts(warehouse: Warehouse, pinned: Pinned, results: Results) -> list[Artifact]:
    """Simulators and policies with what they were made from.

    That is the records in place of the fingerprints of their tensors, which lead nowhere; and no release, since a release holds
    what comes of them.
    """
    records, codebook_id = records_up_to(warehouse, pinned.release.release_id), pinned.codebook.codebook_id
    weights_of = {simulator.simulator_id: simulator.artifact.name for simulator in results.simulators}
    # Families that only answer otherwise share an artifact.
    fitted = {simulator.artifact.name: simulator.artifact for simulator in results.simulators}
    artifacts = [
        _simulator_artifact(warehouse, pinned.codebook.embedding_id, simulator, records) for simulator in fitted.values()
    ]
    for trained in (*results.others, results.policy):
        learned_in = (weights_of[name] for name in trained.artifact.inputs if name in weights_of)
        starts_from = started_from(warehouse.artifacts, trained.policy_id)
        began = [] if starts_from is None else [starts_from]
        artifacts.append(replace(trained.artifact, inputs=(records, codebook_id, *learned_in, *began)))
    return artifacts


def _simulator_artifact(warehouse: Warehouse, model: str, artifact: Artifact, records: str) -> Artifact:
    """With what it saw: the records and the model of items and users; not where the codes' part of that model was made from it."""
    made_from = warehouse.query("SELECT unnest(inputs) AS name FROM artifacts WHERE artifact_id = $id", {"id": model})["name"]
    return replace(artifact, inputs=(records,) if artifact.name in made_from else (records, model))
