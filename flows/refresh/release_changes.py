"""What a refresh adds to the last release, as rows and files."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import polars as pl

from flows.refresh.ingest_rows import ingest_rows, meaning_rows
from flows.refresh.semantic_ids import SemanticIds
from flows.refresh.staging import StagedDelivery
from flows.runtime.run import Run
from flows.runtime.settings import Settings
from flows.stores.artifacts import Artifact, artifact_rows, records_up_to
from flows.stores.incumbent import Incumbent
from pipeline.ingest.meaning import Meaning, meaning_of
from pipeline.warehouse.artifacts import fingerprint
from pipeline.warehouse.release import Changes
from pipeline.warehouse.warehouse import Warehouse


@dataclass(frozen=True)
class Tables:
    """The small tables of the release to come, whole."""

    items: pl.DataFrame
    users: pl.DataFrame
    splits: pl.DataFrame


def changes_of(
    warehouse: Warehouse,
    source: str,
    run: Run,
    incumbent: Incumbent,
    staged: Sequence[StagedDelivery],
    tables: Tables,
    sids: SemanticIds,
    release_id: int,
    files: Sequence[str],
) -> Changes:
    """Everything the release adds to the last one; rows that are as they were are left alone."""
    events = {file: (one.new.ingest_id,) for one in staged for file in one.files("events")}
    records = {file: (one.new.ingest_id,) for one in staged for file in one.files("records")}
    embeddings = _stage_embeddings(warehouse, sids, release_id)
    # Vectors fold in the records of all releases up to this one. Named are the records, not a release, which holds what comes of them.
    learned_from = f"records:{release_id}" if staged else records_up_to(warehouse, release_id)
    learned = [replace(one, inputs=(*one.inputs, learned_from)) for one in (*sids.simulators, sids.artifact)]
    artifacts = [*learned, *([_keep_state(warehouse, staged)] if staged else [])]
    return Changes(
        replace_files={"embeddings": [embeddings]},
        register={"events": list(events), "record_rows": list(records)},
        replace={
            "sid_missing": sids.missing.with_columns(release_id=pl.lit(release_id, pl.Int64)),
            "sid_waiting": sids.waiting,
        },
        upsert={
            "items": _changed(tables.items, incumbent.items),
            "users": _changed(tables.users, incumbent.users),
            "splits": _changed(tables.splits, incumbent.splits),
            "sid_history": sids.upserts,
            "codebooks": sids.new_codes,  # by key: a rebuild of what is there gives the same codebook
        },
        append={
            "sid_metrics": sids.metrics,
            **ingest_rows(staged, source, release_id, incumbent.n_ingests),
            "artifacts": artifact_rows(warehouse, artifacts, run, release_id),
        },
        file_inputs={**events, **records, embeddings: (sids.models.embedding_id, *files, learned_from)},
    )


def _changed(now: pl.DataFrame, before: pl.DataFrame) -> pl.DataFrame:
    """Rows that are new or not as they were."""
    return now.join(before, on=now.columns, how="anti", nulls_equal=True)


def _embeddings_name(sids: SemanticIds, release_id: int) -> str:
    return fingerprint(sids.models.embedding_id, release_id)


def _stage_embeddings(warehouse: Warehouse, sids: SemanticIds, release_id: int) -> Path:
    name = _embeddings_name(sids, release_id)
    warehouse.staging.discard("embeddings", name)  # of a run that was killed: cheap to write again, and perhaps not the same
    with warehouse.staging.writing("embeddings", name) as folder:
        sids.embeddings.write_parquet(folder / "embeddings.parquet")
    return warehouse.staging.path("embeddings", name) / "embeddings.parquet"


def _keep_state(warehouse: Warehouse, staged: Sequence[StagedDelivery]) -> Artifact:
    """The user states after the last delivery, from where the next night goes on."""
    name = staged[-1].folder.name
    with warehouse.artifacts.writing("user_state", name) as folder:
        for file in staged[-1].files("state"):
            os.link(file, folder / file.name)
    return Artifact("user_state", name, tuple(one.new.ingest_id for one in staged))


def with_meaning(
    changes: Changes, settings: Settings, stored: Mapping[str, Meaning], staged: Sequence[StagedDelivery], release_id: int
) -> Changes:
    """The changes, with what gives the rows their meaning from this release on."""
    own_time = next((one.counts_own_time for one in staged if one.counts_own_time is not None), None)
    kinds = staged[-1].kinds if staged else None
    now = meaning_of(settings.source, kinds, counts_own_time=own_time)
    rows = meaning_rows(stored, now, settings.source.name, release_id)
    return replace(changes, append={**changes.append, "source_meanings": rows})
