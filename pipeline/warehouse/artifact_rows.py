"""Rows of the table ``artifacts`` for what lies in the warehouse's artifact store."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import polars as pl

from pipeline.contracts import rows_of
from pipeline.warehouse.artifacts import bytes_of, sha256_of
from pipeline.warehouse.statements import statement
from pipeline.warehouse.tables import ARTIFACTS
from pipeline.warehouse.warehouse import Warehouse


@dataclass(frozen=True)
class Artifact:
    """A folder of the store, and the fingerprints of what it was made from."""

    kind: str
    name: str
    inputs: tuple[str, ...]


def records_up_to(warehouse: Warehouse, release_id: int) -> str:
    """How ``lineage`` names all deliveries and records of a release: by the last release up to it that took some in."""
    last = warehouse.query(statement("last_release_with_deliveries"), {"id": release_id}).item()
    return f"records:{last}"


def artifact_rows(warehouse: Warehouse, artifacts: Sequence[Artifact], run_id: str, release_id: int) -> pl.DataFrame:
    """ARTIFACTS for those that no release has entered yet, with their bytes and hashes as they lie in the store.

    Where they belong into S3, all that lack there are uploaded; the writer's lock is held.
    """
    known = set(warehouse.query(statement("artifact_ids"))["artifact_id"])
    now, store, rows = datetime.now(UTC), warehouse.artifacts, []
    for artifact in artifacts:
        path = store.path(artifact.kind, artifact.name)
        if store.remote:
            store.remote.upload(path)
        if artifact.name in known:
            continue
        rows.append(
            {
                "artifact_id": artifact.name,
                "kind": artifact.kind,
                "path": str(path.relative_to(warehouse.root)),
                "rows": None,
                "bytes": bytes_of(path),
                "sha256": sha256_of(path),
                "inputs": list(artifact.inputs),
                "run_id": run_id,
                "release_id": release_id,
                "created_at": now,
            }
        )
    return rows_of(ARTIFACTS, rows, "artifacts")
