"""The checks of `hsrl doctor` that ask a Prefect server: is it there, are nights scheduled, does a worker take them."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from flows.service.checks import Check, is_installed
from flows.service.server import DEPLOYMENTS, found_by, is_healthy, warehouses_of

_UP = "start it, with deployments and worker: hsrl up"


def prefect(api: str, root: Path) -> list[Check]:
    """Everything that a server at ``api`` tells of the nights of the warehouse at ``root``; where cron begins the nights there is none."""
    if not is_healthy(api):
        return [Check("Prefect server", "WARN", f"none answers at {api}, so no night is scheduled", _UP)]
    try:
        deployments = found_by(api, "deployments", {"limit": 200})
        runs = found_by(api, "flow_runs", {"limit": 200, "flow_runs": {"state": {"type": {"any_": ["SCHEDULED"]}}}})
        automations = found_by(api, "automations", {"limit": 200})
        pools = {pool["name"]: pool for pool in found_by(api, "work_pools", {"limit": 200})}
        workers = {name: found_by(api, f"work_pools/{name}/workers", {"limit": 200}) for name in pools}
    except (OSError, ValueError) as error:
        return [Check("Prefect server", "FAIL", f"{api} answers, but not what was asked: {error}", "restart it: hsrl up")]
    found = [Check("Prefect server", "OK", f"answers at {api}"), *nights(deployments, runs, automations)]
    if others := [other for other in warehouses_of(deployments) if other != str(root.resolve())]:
        finding = f"its nights are those of {', '.join(others)}, not of {root.resolve()}"
        found.append(
            Check("warehouse of the nights", "WARN", finding, "hsrl up with the --warehouse that is meant, or look at that one")
        )
    for name in sorted(
        {deployment["work_pool_name"] for deployment in deployments if deployment["name"] in DEPLOYMENTS} & set(pools)
    ):
        found.append(worker(pools[name], workers[name]))
    return [*found, bare_names(os.environ)]


def worker(pool: dict[str, Any], workers: list[dict[str, Any]]) -> Check:
    """Whether anyone takes the runs of a pool."""
    name = pool["name"]
    if pool.get("is_paused"):
        return Check("worker", "WARN", f"work pool {name} is paused: its runs wait", f"prefect work-pool resume {name}")
    online = [worker["name"] for worker in workers if worker.get("status") == "ONLINE"]
    if not online:
        return Check("worker", "WARN", f"none is at work in pool {name}, so its runs wait", _UP)
    return Check("worker", "OK", f"{len(online)} in pool {name}: {', '.join(online)}")


def nights(deployments: list[dict[str, Any]], scheduled: list[dict[str, Any]], automations: list[dict[str, Any]]) -> list[Check]:
    """Whether the deployments are there, and each is scheduled or follows another."""
    ids = {deployment["name"]: deployment["id"] for deployment in deployments}
    missing = [name for name in DEPLOYMENTS if name not in ids]
    if missing:
        return [Check("deployments", "FAIL", f"missing: {', '.join(missing)}", "deploy them: hsrl up")]
    paused = [deployment["name"] for deployment in deployments if deployment["name"] in DEPLOYMENTS and deployment.get("paused")]
    found = [
        Check("deployments", "WARN", f"paused: {', '.join(paused)}", f"prefect deployment resume {paused[0]}/{paused[0]}")
        if paused
        else Check("deployments", "OK", f"{', '.join(DEPLOYMENTS)}")
    ]
    due = {run["deployment_id"] for run in scheduled}
    triggered = {
        action.get("deployment_id") for automation in automations if automation["enabled"] for action in automation["actions"]
    }
    idle = [name for name in DEPLOYMENTS if ids[name] not in due | triggered and name not in paused]
    if idle:
        mend = "hsrl up; if it stays so, see the version of sqlalchemy (constraints.txt): 2.1 breaks Prefect's scheduler without a word"
        found.append(Check("scheduled runs", "FAIL", f"none ahead of {', '.join(idle)}, and no trigger", mend))
    else:
        found.append(
            Check("scheduled runs", "OK", f"{len(scheduled)} ahead; {len(triggered - {None})} deployments follow another")
        )
    late = [run["name"] for run in scheduled if run.get("state_name") == "Late"]
    if late:
        found.append(Check("late runs", "WARN", f"{len(late)} runs are late: no worker takes them, or one is at work", _UP))
    return found


def bare_names(environment: Mapping[str, str]) -> Check:
    """Whether `prefect deployment run daily-refresh` works from this folder, as it does from the project's."""
    if not is_installed("prefect"):
        return Check("bare names", "OK", "not looked at: Prefect is not installed here")
    from prefect.settings import get_current_settings

    if get_current_settings().plugins.enabled or environment.get("PREFECT_PLUGINS_ENABLED") == "true":
        return Check("bare names", "OK", "prefect deployment run daily-refresh works from this folder")
    finding = "from this folder Prefect wants FLOW/DEPLOYMENT: hsrl's plugin is enabled by the project's pyproject.toml alone"
    return Check("bare names", "WARN", finding, "for every folder, once: prefect config set PREFECT_PLUGINS_ENABLED=true")
