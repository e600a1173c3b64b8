"""The Prefect flows behind the deployments in prefect.yaml; what they do stands in ``refresh``, ``retrain`` and ``maintenance``."""

from pathlib import Path
from typing import Annotated, Any

from prefect import flow
from pydantic import Field

from flows.maintenance.gc import collect_garbage
from flows.maintenance.verify import verify as verify_warehouse
from flows.nights.night import begun_name, night, notify_of_crash
from flows.nights.writer_slot import writer_slot
from flows.refresh.flow import refresh
from flows.refresh.request import RefreshRequest
from flows.report.write import reported
from flows.runtime.locations import warehouse_path
from flows.runtime.run import Run
from flows.runtime.runner import cluster_of
from flows.runtime.settings import load_settings
from flows.runtime.steps import PrefectSteps
from pipeline.warehouse.config import RetentionConfig

# A flow run that takes longer has hung; attempts and the waits between them count.
REFRESH_SECONDS, RETRAIN_SECONDS, UPKEEP_SECONDS = 6 * 3600.0, 12 * 3600.0, 4 * 3600.0


@flow(
    name="daily-refresh",
    flow_run_name=begun_name,
    timeout_seconds=REFRESH_SECONDS,
    on_crashed=[notify_of_crash],
    log_prints=True,
)
def daily_refresh(config: str, warehouse: str | None = None, accept: tuple[str, ...] = ()) -> dict[str, Any]:
    """Ingest, records, embeddings, SIDs, audits, publish: `hsrl refresh` as a flow run, each step a task run."""
    root = warehouse_path(Path(warehouse) if warehouse else None)

    def attempt(run: Run) -> dict[str, Any]:
        request, settings = RefreshRequest(accept=tuple(accept)), load_settings(Path(config), root)
        with cluster_of(settings.engine.runner, root) as cluster:
            return refresh(settings, root, run, PrefectSteps(cluster), request)

    with writer_slot(), reported(root):
        return night("daily-refresh", Path(config), root, attempt)


@flow(
    name="nightly-retrain",
    flow_run_name=begun_name,
    timeout_seconds=RETRAIN_SECONDS,
    on_crashed=[notify_of_crash],
    log_prints=True,
)
def nightly_retrain(config: str, warehouse: str | None = None) -> dict[str, Any]:
    """Simulators, policy, evaluation, gate, publish: `hsrl retrain` as a flow run, each step a task run."""
    from flows.retrain.flow import retrain  # brings torch, which every other deployment does without

    root = warehouse_path(Path(warehouse) if warehouse else None)

    def attempt(run: Run) -> dict[str, Any]:
        settings = load_settings(Path(config), root)
        with cluster_of(settings.engine.runner, root) as cluster:
            return retrain(settings, root, run, PrefectSteps(cluster))

    with reported(root):
        return night("nightly-retrain", Path(config), root, attempt)


@flow(name="gc", flow_run_name=begun_name, timeout_seconds=UPKEEP_SECONDS, on_crashed=[notify_of_crash], log_prints=True)
def gc(
    config: str,
    warehouse: str | None = None,
    keep_days: Annotated[float, Field(ge=0)] = 30.0,  # Prefect refuses others when a run is asked for
    keep_releases: Annotated[int, Field(ge=1)] = 7,
    resume_days: Annotated[float, Field(ge=0)] = 7.0,
    dry_run: bool = False,
) -> dict[str, Any]:
    """Delete what no kept release needs: `hsrl gc` as a flow run."""
    root = warehouse_path(Path(warehouse) if warehouse else None)

    def attempt(run: Run) -> dict[str, Any]:
        retention = RetentionConfig(keep_days=keep_days, keep_releases=keep_releases, resume_days=resume_days)
        engine = load_settings(Path(config), root).engine
        return collect_garbage(root, run, retention, dry_run=dry_run, engine=engine)

    with writer_slot():
        return night("gc", Path(config), root, attempt)


@flow(name="verify", flow_run_name=begun_name, timeout_seconds=UPKEEP_SECONDS, on_crashed=[notify_of_crash], log_prints=True)
def verify(config: str, warehouse: str | None = None) -> dict[str, Any]:
    """Compare every stored file with its hash: `hsrl verify` as a flow run."""
    root = warehouse_path(Path(warehouse) if warehouse else None)

    def attempt(run: Run) -> dict[str, Any]:
        with run.stage("verify"):
            return verify_warehouse(root) | {"run_id": run.run_id}

    return night("verify", Path(config), root, attempt)
