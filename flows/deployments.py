"""The Prefect flows behind the deployments in prefect.yaml; what they do stands in ``refresh`` and ``retrain``."""

from pathlib import Path
from typing import Any

from prefect import flow

from flows.refresh.flow import refresh
from flows.refresh.request import RefreshRequest
from flows.report.write import reported
from flows.retrain.flow import retrain
from flows.runtime.locations import warehouse_path
from flows.runtime.run import Run
from flows.runtime.settings import load_settings
from flows.runtime.steps import PrefectSteps


@flow(name="daily-refresh", log_prints=True)
def daily_refresh(config: str, warehouse: str | None = None, accept: tuple[str, ...] = ()) -> dict[str, Any]:
    """Ingest, records, embeddings, SIDs, audits, publish: `hsrl refresh` as a flow run, each step a task run."""
    root = warehouse_path(Path(warehouse) if warehouse else None)
    with reported(root):
        return refresh(
            load_settings(Path(config), root), root, Run("daily-refresh"), PrefectSteps(), RefreshRequest(accept=tuple(accept))
        )


@flow(name="nightly-retrain", log_prints=True)
def nightly_retrain(config: str, warehouse: str | None = None) -> dict[str, Any]:
    """Simulators, policy, evaluation, gate, publish: `hsrl retrain` as a flow run, each step a task run."""
    root = warehouse_path(Path(warehouse) if warehouse else None)
    with reported(root):
        return retrain(load_settings(Path(config), root), root, Run("nightly-retrain"), PrefectSteps())
