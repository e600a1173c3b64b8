"""What `hsrl status` tells, read from the readers' copy: it waits for nobody."""

from pathlib import Path
from typing import Any

import polars as pl

from pipeline.warehouse.adhoc import run_sql
from pipeline.warehouse.lock import is_alive

_COUNTED = ("events", "records", "items", "users", "sids", "quarantine")

_RUNS = (
    "SELECT run_id, status, release_id, started_at, round(epoch(finished_at - started_at), 1) AS seconds, "
    "round(cpu_seconds, 1) AS cpu_seconds, peak_memory_mb, message FROM runs ORDER BY started_at DESC LIMIT 10"
)


def status(root: Path) -> dict[str, Any]:
    """The newest release, the rows of the main tables, the published policy and the last ten runs.

    Raises:
        WarehouseError: there is no warehouse at ``root``.
    """
    release = run_sql(root, "SELECT release_id, kind, run_id, created_at FROM releases ORDER BY release_id DESC LIMIT 1")
    policy = run_sql(root, "SELECT policy_id FROM policies WHERE is_published")
    return {
        "warehouse": str(root),
        "release": release.row(0, named=True) if release.height else None,
        "policy": policy.item() if policy.height else None,
        "rows": {name: run_sql(root, f"SELECT count(*) FROM {name}").item() for name in _COUNTED},
        "runs": _runs(root),
    }


def _runs(root: Path) -> list[dict[str, Any]]:
    """The last ten runs. One that died while it was running stands so in the ledger until the next run; here it is told already."""
    runs = run_sql(root, _RUNS)
    dead = [one for one in runs.filter(pl.col("status") == "running")["run_id"] if not is_alive(root, one)]
    if dead:  # or it ended between the two looks: its end is entered before its mark goes
        runs = run_sql(root, _RUNS)
    is_dead = (pl.col("status") == "running") & pl.col("run_id").is_in(dead)
    return runs.with_columns(status=pl.when(is_dead).then(pl.lit("killed")).otherwise("status")).to_dicts()
