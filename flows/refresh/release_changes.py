"""What a refresh adds to the last release, as rows and files."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import polars as pl

from flows.refresh.release_inputs import ReleaseInputs
from flows.refresh.semantic_ids import SemanticIds
from flows.refresh.staging import StagedDelivery
from pipeline.contracts import CODEBOOKS
from pipeline.warehouse.artifact_rows import Artifact, artifact_rows, records_up_to
from pipeline.warehouse.artifacts import fingerprint
from pipeline.warehouse.release import Changes
from pipeline.warehouse.warehouse import Warehouse


def changes_of(
    warehouse: Warehouse, run_id: str, inputs: ReleaseInputs, sids: SemanticIds, deliveries: Mapping[str, pl.DataFrame]
) -> Changes:
    """Everything the release adds to the last release; rows that are as they were are left alone.

    Args:
        warehouse: its stores take the vectors and the user states.
        run_id: the run that publishes.
        inputs: what the release is made from.
        sids: its Semantic IDs.
        deliveries: rows that describe its deliveries, by the names of their tables.
    """
    release_id, staged, incumbent, decision = inputs.release_id, inputs.staged, inputs.incumbent, sids.decision
    events = {file: (delivery.new.ingest_id,) for delivery in staged for file in delivery.files("events")}
    records = {file: (delivery.new.ingest_id,) for delivery in staged for file in delivery.files("records")}
    embeddings = _stage_embeddings(warehouse, sids, release_id)
    # Vectors fold in the records of all releases up to this one. Named are the records, not a release, which holds what comes of them.
    learned_from = f"records:{release_id}" if staged else records_up_to(warehouse, release_id)
    artifacts = [replace(artifact, inputs=(*artifact.inputs, learned_from)) for artifact in sids.artifacts]
    if staged:
        artifacts.append(_keep_state(warehouse, staged))
    return Changes(
        replace_files={"embeddings": [embeddings]},
        register={"events": list(events), "record_rows": list(records)},
        replace={
            "sid_missing": decision.changes.missing.with_columns(release_id=pl.lit(release_id, pl.Int64)),
            "sid_waiting": decision.changes.waiting,
        },
        upsert={
            "items": _changed(inputs.tables.items, incumbent.tables.items),
            "users": _changed(inputs.tables.users, incumbent.tables.users),
            "splits": _changed(inputs.tables.splits, incumbent.tables.splits),
            "sid_history": decision.changes.upserts,
            # By key, as a rebuild from the same inputs gives the codebook that is there already.
            "codebooks": decision.codebook.to_frame() if decision.is_new else CODEBOOKS.empty(),
        },
        append={
            "sid_metrics": decision.metrics,
            **deliveries,
            "artifacts": artifact_rows(warehouse, artifacts, run_id, release_id),
        },
        file_inputs={**events, **records, embeddings: (sids.models.embedding_id, *inputs.external_inputs, learned_from)},
    )


def _changed(now: pl.DataFrame, before: pl.DataFrame) -> pl.DataFrame:
    """Rows that are new or not as they were."""
    return now.join(before, on=now.columns, how="anti", nulls_equal=True)


def _stage_embeddings(warehouse: Warehouse, sids: SemanticIds, release_id: int) -> Path:
    """Write the release's vectors; the file in the staging area."""
    name = fingerprint(sids.models.embedding_id, release_id)
    warehouse.staging.discard("embeddings", name)  # of a run that was killed: cheap to write again, and perhaps not the same
    with warehouse.staging.writing("embeddings", name) as folder:
        sids.embeddings.write_parquet(folder / "embeddings.parquet")
    return warehouse.staging.path("embeddings", name) / "embeddings.parquet"


def _keep_state(warehouse: Warehouse, staged: Sequence[StagedDelivery]) -> Artifact:
    """Keep the user states after the last delivery, from which the next night goes on."""
    name = staged[-1].folder.name
    with warehouse.artifacts.writing("user_state", name) as folder:
        for file in staged[-1].files("state"):
            os.link(file, folder / file.name)
    return Artifact("user_state", name, tuple(delivery.new.ingest_id for delivery in staged))
