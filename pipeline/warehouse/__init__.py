"""The warehouse: a DuckLake of releases, with one writer, audits, ledgers and a copy for readers."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pipeline.warehouse.adhoc import run_sql
    from pipeline.warehouse.artifacts import ArtifactStore, fingerprint, sha256_of
    from pipeline.warehouse.config import WarehouseConfig
    from pipeline.warehouse.ledger import add_quarantine, finish_run, start_run
    from pipeline.warehouse.release import Changes, Release, ReleaseDraft
    from pipeline.warehouse.warehouse import Warehouse

# Each name is imported when it is first asked for: a question in SQL needs a fraction of what a refresh does.
_HOMES = {
    "run_sql": "adhoc",
    "ArtifactStore": "artifacts",
    "fingerprint": "artifacts",
    "sha256_of": "artifacts",
    "WarehouseConfig": "config",
    "add_quarantine": "ledger",
    "finish_run": "ledger",
    "start_run": "ledger",
    "Changes": "release",
    "Release": "release",
    "ReleaseDraft": "release",
    "Warehouse": "warehouse",
}

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


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
