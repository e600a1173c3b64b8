"""The ledgers: runs, audits, quarantine and experiments, each entry committed on its own, so that it outlives a refused release."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import polars as pl

from pipeline.contracts import REJECTS, check, rows_of
from pipeline.errors import WarehouseError
from pipeline.warehouse.audits import Finding
from pipeline.warehouse.lake import Lake
from pipeline.warehouse.lock import living
from pipeline.warehouse.result_tables import EXPERIMENTS
from pipeline.warehouse.tables import AUDITS, QUARANTINE, RUNS

_STATUSES = ("completed", "failed", "nothing new")


def start_run(lake: Lake, run_id: str, flow: str, code_version: str, config: Mapping[str, Any]) -> None:
    """Enter a run as running."""
    row = dict.fromkeys(RUNS.schema) | {
        "run_id": run_id,
        "flow": flow,
        "status": "running",
        "code_version": code_version,
        "config": json.dumps(config, sort_keys=True, default=str),
        "started_at": datetime.now(UTC),
    }
    with lake.transaction(f"run {run_id} started", {"run": run_id}):
        insert(lake, "runs", rows_of(RUNS, [row], "ledger"))


@dataclass(frozen=True)
class RunEnd:
    """How a run ended.

    Attributes:
        status: completed, failed, or nothing new.
        release_id: what it published.
        stage_seconds: wall seconds per stage.
        cpu_seconds: processor time.
        peak_memory_mb: largest resident memory.
        message: why it failed, or what the gate said of a policy, one line.
    """

    status: str
    release_id: int | None = None
    stage_seconds: Mapping[str, float] | None = None
    cpu_seconds: float | None = None
    peak_memory_mb: float | None = None
    message: str | None = None


def finish_run(lake: Lake, run_id: str, end: RunEnd) -> None:
    """Enter how a run ended.

    Raises:
        WarehouseError: its status is none of these, or no such run was started.
    """
    if end.status not in _STATUSES:
        raise WarehouseError(f"run {run_id}: status is {end.status!r}, expected one of {', '.join(_STATUSES)}")
    if not lake.connection.execute("SELECT 1 FROM runs WHERE run_id = ?", [run_id]).fetchone():
        raise WarehouseError(f"run {run_id} was never started, expected a row in runs; start it first")
    seconds = None if end.stage_seconds is None else json.dumps(end.stage_seconds)
    with lake.transaction(f"run {run_id} {end.status}", {"run": run_id}):
        lake.connection.execute(
            "UPDATE runs SET status = $status, release_id = $release_id, finished_at = $now, stage_seconds = $seconds, "
            "cpu_seconds = $cpu, peak_memory_mb = $memory, message = $message WHERE run_id = $run_id",
            {
                "status": end.status,
                "release_id": end.release_id,
                "now": datetime.now(UTC),
                "seconds": seconds,
                "cpu": end.cpu_seconds,
                "memory": end.peak_memory_mb,
                "message": end.message,
                "run_id": run_id,
            },
        )


def close_dead_runs(lake: Lake) -> list[str]:
    """Enter every run that died while it was running as killed; return their ids."""
    running = lake.query("SELECT run_id FROM runs WHERE status = 'running'")["run_id"].to_list()
    dead = sorted(set(running) - living(lake.root))
    if dead:
        with lake.transaction(f"{len(dead)} runs were killed", {}):
            lake.connection.execute("UPDATE runs SET status = 'killed' WHERE run_id IN (SELECT unnest(?))", [dead])
    return dead


def replace_messages(lake: Lake, run_id: str, messages: Mapping[str, str]) -> None:
    """Change what some runs said when they ended.

    The table is written whole: a row that is deleted stays in the file that DuckLake keeps it in.

    Args:
        lake: the warehouse.
        run_id: the run that changes them.
        messages: run → message.
    """
    with lake.transaction(f"{len(messages)} messages of runs", {"run": run_id}):
        rows = lake.read(RUNS, "FROM runs")
        message = pl.col("run_id").replace_strict(dict(messages), default=pl.col("message"), return_dtype=pl.String)
        lake.connection.execute("DELETE FROM runs")
        insert(lake, "runs", rows.with_columns(message=message))


def add_quarantine(lake: Lake, run_id: str, ingest_id: str, rejects: pl.DataFrame) -> None:
    """Keep every rejected row of an ingest; those of an earlier attempt at the same ingest make way.

    Args:
        lake: the warehouse.
        run_id: the run that rejected them.
        ingest_id: the ingest they came with.
        rejects: REJECTS.
    """
    rows = check(rejects, REJECTS, "quarantine").select(
        pl.lit(run_id).alias("run_id"), pl.lit(ingest_id).alias("ingest_id"), pl.all()
    )
    is_known = lake.connection.execute("SELECT 1 FROM quarantine WHERE ingest_id = ?", [ingest_id]).fetchone()
    if rows.is_empty() and not is_known:
        return
    with lake.transaction(f"quarantine of {ingest_id}", {"run": run_id}):
        lake.connection.execute("DELETE FROM quarantine WHERE ingest_id = ?", [ingest_id])
        insert(lake, "quarantine", check(rows, QUARANTINE, "quarantine"))


def add_experiments(lake: Lake, rows: pl.DataFrame) -> None:
    """Enter what a study found.

    Args:
        lake: the warehouse.
        rows: EXPERIMENTS, all of one run.
    """
    with lake.transaction("experiments", {"run": rows["run_id"][0]}):
        insert(lake, "experiments", check(rows, EXPERIMENTS, "experiments"))


def audit_rows(run_id: str, release_id: int, findings: Sequence[Finding]) -> pl.DataFrame:
    """AUDITS, a row for each finding."""
    now = datetime.now(UTC)
    rows = [(run_id, release_id, f.audit, f.severity, f.n_offenders, list(f.examples), now) for f in findings]
    return check(pl.DataFrame(rows, schema=AUDITS.schema, orient="row"), AUDITS, "audits")


def insert(lake: Lake, table: str, rows: pl.DataFrame) -> None:
    """Add rows that fit the table's contract, within the current transaction."""
    if rows.is_empty():
        return
    lake.connection.register("arriving", rows)
    lake.connection.execute(f"INSERT INTO {table} BY NAME SELECT * FROM arriving")
    lake.connection.unregister("arriving")
