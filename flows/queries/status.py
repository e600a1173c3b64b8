"""What `hsrl status` tells, read from the readers' copy: it waits for nobody."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb

from pipeline.warehouse.lake import open_readers
from pipeline.warehouse.lock import is_alive

# A record has a split, and a Semantic ID is open, without a look at the other table that the views join.
_COUNTED = {
    "events": "events",
    "records": "record_rows",
    "items": "items",
    "users": "users",
    "sids": "sid_history WHERE valid_to IS NULL",
    "quarantine": "quarantine",
}
_RELEASE = "SELECT release_id, kind, run_id, epoch_us(created_at) AS created_at FROM releases ORDER BY release_id DESC LIMIT 1"
_RUNS = (
    "SELECT run_id, status, release_id, epoch_us(started_at) AS started_at, round(epoch(finished_at - started_at), 1) AS seconds, "
    "round(cpu_seconds, 1) AS cpu_seconds, peak_memory_mb, message FROM runs ORDER BY runs.started_at DESC LIMIT 10"
)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def status(root: Path) -> dict[str, Any]:
    """The newest release, the rows of the main tables, the published policy and the last ten runs, all of one copy.

    Raises:
        WarehouseError: there is no warehouse at ``root``.
    """
    with open_readers(root) as connection:
        release = _rows(connection, _RELEASE)
        policy = connection.execute("SELECT policy_id FROM policies WHERE is_published").fetchone()
        counts = ", ".join(f"(SELECT count(*) FROM {table})" for table in _COUNTED.values())
        counted = connection.execute(f"SELECT {counts}").fetchone() or ()
        runs = _rows(connection, _RUNS)
    return {
        "warehouse": str(root),
        "release": release[0] if release else None,
        "policy": policy[0] if policy else None,
        "rows": dict(zip(_COUNTED, counted, strict=True)),
        "runs": _with_dead(root, runs),
    }


def _with_dead(root: Path, runs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The last ten runs. One that died while it was running stands so in the ledger until the next run; here it is told already."""
    dead = {run["run_id"] for run in runs if run["status"] == "running" and not is_alive(root, run["run_id"])}
    if dead:  # or it ended between the two looks: its end is entered before its mark goes
        with open_readers(root) as connection:
            runs = _rows(connection, _RUNS)
    return [run | ({"status": "killed"} if run["run_id"] in dead and run["status"] == "running" else {}) for run in runs]


def _rows(connection: duckdb.DuckDBPyConnection, sql: str) -> list[dict[str, Any]]:
    """Rows by name; times come as microseconds since 1970."""
    answer = connection.execute(sql)
    names = [column[0] for column in answer.description or []]
    rows = [dict(zip(names, row, strict=True)) for row in answer.fetchall()]
    return [
        {name: _EPOCH + timedelta(microseconds=value) if name.endswith("_at") else value for name, value in row.items()}
        for row in rows
    ]
