"""What a refresh adds to the last release, as rows and files."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import polars as pl

from flows.refresh.changed_rows import changed_rows
from flows.refresh.release_inputs import ReleaseInputs
from flows.refresh.semantic_ids import SemanticIds
from flows.refresh.staging import StagedDelivery, live_files, no_longer_refused
from pipeline.contracts import CODEBOOKS, EVENTS, RECORD_ROWS
from pipeline.warehouse.artifact_rows import Artifact, artifact_rows, records_up_to
from pipeline.warehouse.artifacts import fingerprint
from pipeline.warehouse.release import Changes
from pipeline.warehouse.tables import QUARANTINE
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
    events, records = (_files_to_register(warehouse, staged, kind) for kind in ("events", "records"))
    rebuilt = _rebuilt(staged)
    embeddings = _stage_embeddings(warehouse, sids, release_id)
    # Vectors fold in the records of all releases up to this one. Named are the records, not a release, which holds what comes of them.
    learned_from = f"records:{release_id}" if staged else records_up_to(warehouse, release_id)
    artifacts = [replace(artifact, inputs=(*artifact.inputs, learned_from)) for artifact in sids.artifacts]
    if staged:
        artifacts.append(_keep_state(warehouse, staged))
    gone = incumbent.tables.splits.join(inputs.tables.splits, on="user_id", how="anti").select("user_id")
    return Changes(
        delete={
            "events": rebuilt.select("user_id"),
            "record_rows": rebuilt.select("user_id"),
            "splits": gone,
            "quarantine": pl.concat([QUARANTINE.empty(), *(no_longer_refused(warehouse, delivery) for delivery in staged)])
            .select("ingest_id", "file", "line", "reason")
            .unique(),
        },
        replace_files={"embeddings": [embeddings]},
        register={"events": list(events), "record_rows": list(records)},
        replace={
            "sid_missing": decision.changes.missing.with_columns(release_id=pl.lit(release_id, pl.Int64)),
            "sid_waiting": decision.changes.waiting,
        },
        upsert={
            "items": changed_rows(inputs.tables.items, incumbent.tables.items, "item_id"),
            "users": changed_rows(inputs.tables.users, incumbent.tables.users, "user_id"),
            "splits": changed_rows(inputs.tables.splits, incumbent.tables.splits, "user_id"),
            "sid_history": decision.changes.upserts,
            # By key, as a rebuild from the same inputs gives the codebook that is there already.
            "codebooks": decision.codebook.to_frame() if decision.is_new else CODEBOOKS.empty(),
        },
        append={
            "sid_metrics": decision.metrics,
            "rebuilt_users": rebuilt.with_columns(release_id=pl.lit(release_id, pl.Int64)),
            **deliveries,
            "artifacts": artifact_rows(warehouse, artifacts, run_id, release_id),
        },
        file_inputs={**events, **records, embeddings: (sids.models.embedding_id, *inputs.external_inputs, learned_from)},
    )


def _files_to_register(warehouse: Warehouse, staged: Sequence[StagedDelivery], kind: str) -> dict[Path, tuple[str, ...]]:
    """Files of ``events`` or ``records``, and the delivery of each; without users whose rows are all in a later delivery's."""
    found: dict[Path, tuple[str, ...]] = {}
    deliveries = [delivery for delivery in staged for _ in delivery.files(kind)]
    for file, delivery in zip(live_files((), staged, kind), deliveries, strict=True):
        path = file.path
        if not file.is_whole:
            name = fingerprint(kind, str(path), *map(str, file.rebuilt))
            warehouse.staging.discard("rest", name)  # of a run that was killed
            with warehouse.staging.writing("rest", name) as folder:
                file.rows(EVENTS if kind == "events" else RECORD_ROWS).collect().write_parquet(folder / path.name)
            path = warehouse.staging.path("rest", name) / path.name
        found[path] = (delivery.new.ingest_id,)
    return found


def _rebuilt(staged: Sequence[StagedDelivery]) -> pl.DataFrame:
    """REBUILT_USERS, but for the release: of each user the last delivery that had all the events and records laid out anew."""
    users = [delivery.frame("rebuilt").with_columns(ingest_id=pl.lit(delivery.new.ingest_id)) for delivery in staged]
    empty = pl.DataFrame(schema={"user_id": pl.Int64, "ingest_id": pl.String})
    return pl.concat([empty, *users]).unique("user_id", keep="last").sort("user_id")


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
