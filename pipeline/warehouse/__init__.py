"""The warehouse: a DuckLake of releases, with one writer, audits, ledgers and a copy for readers."""

from pipeline.warehouse.adhoc import run_sql
from pipeline.warehouse.artifacts import ArtifactStore, fingerprint, sha256_of
from pipeline.warehouse.config import WarehouseConfig
from pipeline.warehouse.ledger import add_quarantine, finish_run, start_run
from pipeline.warehouse.release import Changes, Release, ReleaseDraft
from pipeline.warehouse.warehouse import Warehouse

__all__ = [
    "ArtifactStore",
    "Changes",
    "Release",
    "ReleaseDraft",
    "Warehouse",
    "WarehouseConfig",
    "add_quarantine",
    "fingerprint",
    "finish_run",
    "run_sql",
    "sha256_of",
    "start_run",
]
