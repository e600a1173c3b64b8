"""What the morning page tells, by SQL over one readers' copy: every figure is of the same moment, and a refresh at work is not seen."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from pathlib import Path
from statistics import median
from typing import Any

import duckdb
import polars as pl

from flows.report.judged import merged, pooled
from flows.runtime.run_outcome import REFUSED
from pipeline.warehouse.lake import Lake
from pipeline.warehouse.lock import is_alive
from pipeline.warehouse.naming_damage import naming_damage
from pipeline.warehouse.statements import SQL_ROOT, read_statement, statement

NIGHTS = 60
# Flows whose last run is told of: what makes releases.
FLOWS = ("daily-refresh", "nightly-retrain", "rollback")
_SINCE = (
    "report_releases",
    "report_runs",
    "report_deliveries",
    "report_quarantine",
    "report_drift",
    "report_churn",
    "report_sids",
    "report_evaluations",
    "report_policies",
    "report_real_answers",
)
_ALWAYS = ("report_simulators", "report_claims", "report_curves", "report_disk")


@dataclass(frozen=True)
class Ended:
    """How the last run of a flow ended.

    Attributes:
        flow: daily-refresh, nightly-retrain or rollback.
        run_id: of the run.
        outcome: published, refused (by an audit), failed, killed, running, nothing new, or policy refused (its figures are published,
            it is not).
        release_id: the release that it published; None if none.
        started_at: when it began, UTC.
        why: in a sentence, why it was refused or what the gate said; empty where there is nothing to say.
    """

    flow: str
    run_id: str
    outcome: str
    release_id: int | None
    started_at: datetime
    why: str


@dataclass(frozen=True)
class FailedAudit:
    """An audit of a last run that found something.

    Attributes:
        run_id: of the run.
        audit: its name.
        severity: block or warn.
        n_offenders: offending rows.
        doc: what it demands, a sentence.
        example: an offender in words.
        advice: what to do, a part of a sentence; empty where the audit gives none.
    """

    run_id: str
    audit: str
    severity: str
    n_offenders: int
    doc: str
    example: str
    advice: str


@dataclass(frozen=True)
class Facts:
    """Everything the page tells; tables are those of ``sql/queries/report_*.sql``, one row a grain, oldest first.

    Attributes:
        warehouse: its folder's name.
        release: the newest release; None before the first.
        since: the first release that is shown.
        last: how the last run of each flow ended, the latest first.
        audits: what audits of those runs found, those that refused first.
        judged: a row a policy of the last retrain, best first; see ``flows.report.judged.merged``; with auc_in_slate and ndcg_in_slate.
        over_releases: release_id, policy, mean, ci_low, ci_high, own of every retrain's policies and reference rows.
        stages: flow → a row a stage of its last run that ended: stage, last, and usual (median) and longest of the runs before, wall
            seconds.
        tables: name → frame.
    """

    warehouse: str
    release: dict[str, Any] | None
    since: int
    last: tuple[Ended, ...]
    audits: tuple[FailedAudit, ...]
    judged: tuple[dict[str, Any], ...]
    over_releases: tuple[dict[str, Any], ...]
    stages: dict[str, list[dict[str, Any]]]
    tables: dict[str, pl.DataFrame]

    def plain(self) -> dict[str, Any]:
        """The same facts as plain values, for JSON."""
        named = asdict(replace(self, tables={}))
        return {**named, **{name: frame.to_dicts() for name, frame in self.tables.items()}}


@naming_damage
def read_facts(root: Path, nights: int = NIGHTS) -> Facts:
    """Ask the readers' copy for everything that the page tells.

    Args:
        root: folder of the warehouse; it need not be writable.
        nights: how many of the last nights are shown.

    Raises:
        WarehouseError: there is no warehouse at ``root``, it is damaged, or of another layout.
    """
    with Lake.open_copy(root) as lake:
        connection = lake.connection
        [(since,)] = connection.execute(statement("report_since"), {"most": nights}).fetchall()
        tables = {name: _frame(connection, name, {"since": since}) for name in _SINCE}
        tables |= {name: _frame(connection, name, {}) for name in _ALWAYS}
        tables["report_runs"] = _with_dead(root, tables["report_runs"])
        last = _last_runs(tables)
        found = _frame(connection, "report_audits", {"runs": [run["run_id"] for run in last]})
    tables = {name.removeprefix("report_"): frame for name, frame in tables.items()}
    releases = tables["releases"].to_dicts()
    audits = tuple(_audit(row) for row in found.iter_rows(named=True))
    return Facts(
        root.name,
        releases[-1] if releases else None,
        since,
        tuple(_ended(run, audits, tables["policies"]) for run in last),
        audits,
        _judged(tables),
        _over_releases(tables),
        {flow: _stages(tables["runs"].filter(pl.col("flow") == flow)) for flow in FLOWS[:2]},
        tables,
    )


def _frame(connection: duckdb.DuckDBPyConnection, name: str, parameters: dict[str, Any]) -> pl.DataFrame:
    """The answer to a file of ``sql/queries``; columns ``…_at`` arrive as microseconds since 1970 and leave as times."""
    frame = connection.execute(statement(name), parameters).pl()
    times = [column for column in frame.columns if column.endswith("_at")]
    return frame.with_columns(pl.from_epoch(column, "us").dt.replace_time_zone("UTC") for column in times)


def _with_dead(root: Path, runs: pl.DataFrame) -> pl.DataFrame:
    """The runs; the ledger shows one that died as running until the next run, here it is shown as killed already."""
    running = runs.filter(pl.col("status") == "running")["run_id"]
    dead = [run_id for run_id in running if not is_alive(root, run_id)]
    return runs.with_columns(status=pl.when(pl.col("run_id").is_in(dead)).then(pl.lit("killed")).otherwise("status"))


def _last_runs(tables: dict[str, pl.DataFrame]) -> list[dict[str, Any]]:
    """The last run of each flow that makes releases, the latest first."""
    runs = tables["report_runs"]
    last = [runs.filter(pl.col("flow") == flow).tail(1) for flow in FLOWS]
    return pl.concat(last).sort("started_at", "run_id", descending=True).to_dicts()


def _ended(run: dict[str, Any], audits: Sequence[FailedAudit], policies: pl.DataFrame) -> Ended:
    """How a run ended, from its row, what its audits found, and whether its policy is published."""
    is_blocked = any(audit.run_id == run["run_id"] and audit.severity == "block" for audit in audits)
    why = run["message"] or ""
    outcome = {"failed": "refused" if is_blocked else "failed", "completed": "published"}.get(run["status"], run["status"])
    if outcome == "published" and run["flow"] == "nightly-retrain":
        mine = policies.filter(pl.col("release_id") == run["release_id"])
        # Runs of before hsrl noted the gate's words say it by their policy, which a later rollback may have taken back.
        is_refused = why.startswith(REFUSED) if why else not mine["is_published"].any()
        outcome = "policy refused" if is_refused else outcome
    return Ended(run["flow"], run["run_id"], str(outcome), run["release_id"], run["started_at"], why)


def _audit(row: dict[str, Any]) -> FailedAudit:
    """An audit's row with what its file says of it; one that a later version no longer has says its name alone."""
    path = SQL_ROOT / "audits" / f"{row['audit']}.sql"
    header = read_statement(path).header if path.is_file() else {"doc": row["audit"]}
    example = _in_words(row["examples"][0]) if row["examples"] else ""
    return FailedAudit(
        row["run_id"], row["audit"], row["severity"], row["n_offenders"], header["doc"], example, header.get("advice", "")
    )


def _in_words(example: str) -> str:
    """An offender, a JSON object: its sentence where it has one, else its fields."""
    fields = json.loads(example)
    for sentence in ("says", "finding"):
        if fields.get(sentence):
            return str(fields[sentence])
    return ", ".join(f"{name} {value}" for name, value in fields.items() if value is not None)


def _judged(tables: dict[str, pl.DataFrame]) -> tuple[dict[str, Any], ...]:
    """The table that the last retrain printed: policies and reference rows, and people's own answers; the best first."""
    evaluations = tables["evaluations"]
    if evaluations.is_empty():
        return ()
    latest = evaluations["release_id"].max()
    rows = merged(pooled(evaluations.filter(pl.col("release_id") == latest).iter_rows(named=True)))
    rows.sort(key=lambda row: (-(row["mean"] or 0.0), row["policy"], row["policy_id"] or ""))
    answers: dict[str, dict[str, Any]] = {}
    for row in tables["real_answers"].filter(pl.col("release_id") == latest).iter_rows(named=True):
        known = answers.setdefault(row["policy_id"] or row["policy"], {"policy": row["policy"], "policy_id": row["policy_id"]})
        known |= {row["metric"]: row["value"], f"{row['metric']}_low": row["ci_low"], f"{row['metric']}_high": row["ci_high"]}
    shown = {row["policy_id"] for row in rows}
    rows = [{**row, **answers.get(row["policy_id"] or "", {})} for row in rows]
    return (*rows, *(row for name, row in answers.items() if name not in shown))


def _over_releases(tables: dict[str, pl.DataFrame]) -> tuple[dict[str, Any], ...]:
    """The panel's figures of every retrain, a row a policy or reference row."""
    found = []
    for (release_id,), rows in tables["evaluations"].partition_by("release_id", as_dict=True, maintain_order=True).items():
        for row in merged(pooled(rows.iter_rows(named=True))):
            if row["mean"] is not None:
                kept = {name: row[name] for name in ("policy", "policy_id", "mean", "ci_low", "ci_high", "own")}
                found.append({"release_id": release_id, **kept})
    return tuple(found)


def _stages(runs: pl.DataFrame) -> list[dict[str, Any]]:
    """The stages of the last run of a flow that has some, beside those of the runs before it."""
    timed = [json.loads(text) for text in runs["stage_seconds"].drop_nulls()]
    timed = [stages for stages in timed if stages]
    if not timed:
        return []
    rows = []
    for stage, seconds in timed[-1].items():
        before = [earlier[stage] for earlier in timed[:-1] if stage in earlier]
        rows.append(
            {
                "stage": stage,
                "last": seconds,
                "usual": median(before) if before else None,
                "longest": max(before, default=None),
            }
        )
    return rows
