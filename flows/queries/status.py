"""What `hsrl status` shows, read from the readers' copy: it waits for no writer."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb

from pipeline.warehouse.engine import open_readers
from pipeline.warehouse.lock import is_alive
from pipeline.warehouse.naming_damage import naming_damage
from pipeline.warehouse.statements import statement

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@naming_damage
def status(root: Path) -> dict[str, Any]:
    """The newest release, the rows of the main tables, the published policy and the last ten runs, all of one copy.

    Raises:
        WarehouseError: there is no warehouse at ``root``.
    """
    with open_readers(root) as connection:
        release = _rows(connection, "last_release")
        policy = _rows(connection, "published_policy")
        [sizes] = _rows(connection, "table_sizes")
        runs = _rows(connection, "last_runs")
    return {
        "warehouse": str(root),
        "release": release[0] if release else None,
        "policy": policy[0]["policy_id"] if policy else None,
        "rows": sizes,
        "runs": _with_dead(root, runs),
    }


def _with_dead(root: Path, runs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The last ten runs. The ledger shows a run that died as running until the next run; here it is shown as killed already."""
    dead = {run["run_id"] for run in runs if run["status"] == "running" and not is_alive(root, run["run_id"])}
    if dead:  # or it ended between the query and the check: a run enters its end before it removes its mark
        with open_readers(root) as connection:
            runs = _rows(connection, "last_runs")
    return [run | ({"status": "killed"} if run["run_id"] in dead and run["status"] == "running" else {}) for run in runs]


def _rows(connection: duckdb.DuckDBPyConnection, query: str) -> list[dict[str, Any]]:
    """The rows of a file of ``sql/queries`` as dicts; columns ``…_at`` arrive as microseconds since 1970 and leave as times."""
    answer = connection.execute(statement(query))
    names = [column[0] for column in answer.description or []]
    rows = [dict(zip(names, row, strict=True)) for row in answer.fetchall()]
    return [
        {name: _EPOCH + timedelta(microseconds=value) if name.endswith("_at") else value for name, value in row.items()}
        for row in rows
    ]
