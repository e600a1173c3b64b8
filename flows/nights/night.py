"""A night as a Prefect flow run: tried again where that may help, with its lines, progress, name, tags, artifacts and notices."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
from prefect import runtime
from prefect.artifacts import create_markdown_artifact, create_table_artifact
from prefect.cache_policies import NO_CACHE
from prefect.client.orchestration import get_client
from prefect.events import emit_event
from prefect.tasks import Task

from flows.nights.artifacts import evaluation_table, page, run_name, run_tags
from flows.nights.outlet import PrefectOutlet
from flows.nights.retries import DELAYS, retry_condition
from flows.runtime.alerts import attended, notice_of_error, notify
from flows.runtime.locations import warehouse_path
from flows.runtime.run import Run
from flows.runtime.settings import load_alerts

# What a night that ended well tells Prefect's automations; prefect.yaml begins the retrain by it. Prefect's own "Completed" would do, but
# of a run that a schedule made it reaches automations a quarter of an hour late: its first event waits for one that is never sent.
SUCCEEDED = "hsrl.night.succeeded"
# Stages of each flow in their order, for its progress.
STAGES = {
    "daily-refresh": (
        "raw logs", "look for new files", "check stored files", "read the last release", "ingest and records", "splits",
        "semantic ids", "audits and publish",
    ),
    "nightly-retrain": ("read the release", "simulators", "training", "evaluation", "audits and publish"),
    "gc": ("look for what may go", "delete"),
    "verify": ("verify",),
}  # fmt: skip


def begun_name() -> str:
    """What a flow run is called while it works: the day for which it was scheduled, UTC."""
    return _day()


def night(flow: str, config: Path, root: Path, attempt: Callable[[Run], dict[str, Any]]) -> dict[str, Any]:
    """Run a flow to its end inside a flow run, and leave in Prefect what a person wants to see of it.

    The whole night is one task that is tried again, not each of its steps: a refresh goes on from what is staged, a retrain from what
    is stored, and only the beginning of a night sees whether a commit whose answer was lost had been made.

    Args:
        flow: one of ``STAGES``.
        config: the configuration's file; it says where notices go.
        root: the warehouse's folder.
        attempt: does the work as a run, which is a new one at each attempt.

    Returns:
        The report.

    Raises:
        HsrlError: whatever a person can mend; nothing was published then.
    """
    outlet = PrefectOutlet(flow, STAGES[flow])
    runs: list[Run] = []

    def try_it() -> dict[str, Any]:
        runs.append(Run(flow, outlet=outlet))
        return attempt(runs[-1])

    task: Task[[], dict[str, Any]] = Task(
        try_it,
        name=flow,
        task_run_name=f"{flow} as a whole",
        retries=len(DELAYS),
        retry_delay_seconds=list(DELAYS),
        retry_condition_fn=retry_condition,
        cache_policy=NO_CACHE,
        persist_result=False,
    )
    report = attended(load_alerts(config, root), lambda: runs[-1] if runs else Run(flow, outlet=outlet), root, task)
    try:
        _show(flow, report)
    except httpx.HTTPError as error:  # what is published stays so
        runs[-1].say(f"warning: Prefect did not take the artifacts of this run ({type(error).__name__})")
    emit_event(
        SUCCEEDED,
        resource={"prefect.resource.id": f"hsrl.flow.{flow}", "prefect.resource.name": flow},
        payload={"status": report["status"], "run_id": runs[-1].run_id, "release_id": report.get("release_id")},
    )
    return report


def notify_of_crash(flow: Any, flow_run: Any, state: Any) -> None:
    """Notify of a flow run whose process died: it could not do so itself. Called by the worker."""
    parameters = flow_run.parameters
    root = warehouse_path(Path(parameters["warehouse"]) if parameters.get("warehouse") else None)
    run = Run(flow.name)
    notify(load_alerts(Path(parameters["config"]), root), notice_of_error(run, root, f"crashed: {state.message}"), run.say)


def _show(flow: str, report: dict[str, Any]) -> None:
    """The artifacts of a report, and the flow run's name and tags."""
    create_markdown_artifact(page(flow, report), key=flow, description=f"{flow}, {_day()}")
    if table := evaluation_table(report):
        create_table_artifact(table, key=f"{flow}-evaluation", description=f"Total reward of whole sessions, {_day()}")
    flow_run_id, tags = runtime.flow_run.id, _tags()
    with get_client(sync_client=True) as client:
        client.update_flow_run(flow_run_id, name=run_name(_day(), report), tags=[*tags, *run_tags(report)])


def _tags() -> Sequence[str]:
    """The tags that the flow run has from its deployment."""
    return list(runtime.flow_run.tags or [])


def _day() -> str:
    """The day of the flow run, UTC, ISO 8601."""
    scheduled: datetime | None = runtime.flow_run.scheduled_start_time
    return f"{scheduled or datetime.now(UTC):%Y-%m-%d}"
