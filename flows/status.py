"""What `hsrl status` tells, read from the readers' copy: it waits for nobody."""

from pathlib import Path
from typing import Any

from pipeline.warehouse.adhoc import run_sql

_COUNTED = ("events", "records", "items", "users", "sids", "quarantine")


def status(root: Path) -> dict[str, Any]:
    """The newest release, the rows of the main tables, the published policy and the last ten runs.

    Raises:
        WarehouseError: there is no warehouse at ``root``.
    """
    release = run_sql(root, "SELECT release_id, kind, run_id, created_at FROM releases ORDER BY release_id DESC LIMIT 1")
    policy = run_sql(root, "SELECT policy_id FROM policies WHERE is_published")
    runs = run_sql(
        root,
        "SELECT run_id, status, release_id, started_at, round(epoch(finished_at - started_at), 1) AS seconds, "
        "round(cpu_seconds, 1) AS cpu_seconds, peak_memory_mb, message FROM runs ORDER BY started_at DESC LIMIT 10",
    )
    return {
        "warehouse": str(root),
        "release": release.row(0, named=True) if release.height else None,
        "policy": policy.item() if policy.height else None,
        "rows": {name: run_sql(root, f"SELECT count(*) FROM {name}").item() for name in _COUNTED},
        "runs": runs.to_dicts(),
    }
