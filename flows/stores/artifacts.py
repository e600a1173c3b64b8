"""Rows of the table ``artifacts`` for what lies in the warehouse's artifact store."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import polars as pl

from flows.runtime.run import Run
from pipeline.contracts import rows_of
from pipeline.warehouse.artifacts import bytes_of, sha256_of
from pipeline.warehouse.tables import ARTIFACTS
from pipeline.warehouse.warehouse import Warehouse


@dataclass(frozen=True)
class Artifact:
    """Something in the store, and the fingerprints of what it was made from."""

    kind: str
    name: str
    inputs: tuple[str, ...]


def records_up_to(warehouse: Warehouse, release_id: int) -> str:
    """The name in ``lineage`` of all deliveries and records that a release has: of the last one up to it that took some in."""
    last = warehouse.query("SELECT max(release_id) FROM ingests WHERE release_id <= $id", {"id": release_id}).item()
    return f"records:{last}"


def artifact_rows(warehouse: Warehouse, artifacts: Sequence[Artifact], run: Run, release_id: int) -> pl.DataFrame:
    """ARTIFACTS for those that no release has entered yet."""
    known = set(warehouse.query("SELECT artifact_id FROM artifacts")["artifact_id"])
    now, rows = datetime.now(UTC), []
    for artifact in artifacts:
        if artifact.name in known:
            continue
        path = warehouse.artifacts.path(artifact.kind, artifact.name)
        rows.append(
            {
                "artifact_id": artifact.name,
                "kind": artifact.kind,
                "path": str(path.relative_to(warehouse.root)),
                "rows": None,
                "bytes": bytes_of(path),
                "sha256": sha256_of(path),
                "inputs": list(artifact.inputs),
                "run_id": run.run_id,
                "release_id": release_id,
                "created_at": now,
            }
        )
    return rows_of(ARTIFACTS, rows, "artifacts")
