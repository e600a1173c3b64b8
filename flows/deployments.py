"""The Prefect flows behind the deployments in prefect.yaml; what they do stands in ``refresh`` and ``retrain``."""

from pathlib import Path
from typing import Any

from prefect import flow

from flows.refresh.flow import refresh
from flows.refresh.request import RefreshRequest
from flows.retrain.flow import retrain
from flows.runtime.locations import warehouse_path
from flows.runtime.run import Run
from flows.runtime.runner import cluster_of
from flows.runtime.settings import load_settings
from flows.runtime.steps import PrefectSteps


@flow(name="daily-refresh", log_prints=True)
def daily_refresh(config: str, warehouse: str | None = None, accept: tuple[str, ...] = ()) -> dict[str, Any]:
    """Ingest, records, embeddings, SIDs, audits, publish: `hsrl refresh` as a flow run, each step a task run."""
    root = warehouse_path(Path(warehouse) if warehouse else None)
    settings = load_settings(Path(config), root)
    with cluster_of(settings.engine.runner, root) as cluster:
        return refresh(settings, root, Run("daily-refresh"), PrefectSteps(cluster), RefreshRequest(accept=tuple(accept)))


@flow(name="nightly-retrain", log_prints=True)
def nightly_retrain(config: str, warehouse: str | None = None) -> dict[str, Any]:
    """Simulators, policy, evaluation, gate, publish: `hsrl retrain` as a flow run, each step a task run."""
    root = warehouse_path(Path(warehouse) if warehouse else None)
    settings = load_settings(Path(config), root)
    with cluster_of(settings.engine.runner, root) as cluster:
        return retrain(settings, root, Run("nightly-retrain"), PrefectSteps(cluster))
