"""The morning page as one HTML file: no script, nothing fetched, every text escaped; light and dark, on a phone too."""

from datetime import datetime
from itertools import pairwise
from typing import Any

import polars as pl

from flows.report.facts import FLOWS, Ended, Facts, FailedAudit
from flows.report.html_parts import CSS, Column, badge, megabytes, picture_grid, section, table
from flows.report.pictures import (
    cost_pictures,
    curve_pictures,
    disk_pictures,
    drift_pictures,
    policy_pictures,
    sid_pictures,
)
from flows.report.policies import policy_section
from flows.runtime.html_text import as_html

# How an outcome looks, and what it is called for people.
_OUTCOMES = {
    "published": ("good", "published"),
    "nothing new": ("calm", "nothing new"),
    "running": ("calm", "still at work"),
    "policy refused": ("warn", "policy refused"),
    "refused": ("bad", "refused"),
    "failed": ("bad", "failed"),
    "killed": ("bad", "killed"),
}
_WENT = {"refused": "was refused", "failed": "failed", "killed": "was killed"}
_FLOWS = {"daily-refresh": "Refresh", "nightly-retrain": "Retrain", "rollback": "Rollback"}


def page(facts: Facts) -> str:
    """The page, with its pictures; the same facts give the same bytes."""
    title = f"{facts.warehouse}: the morning after"
    parts = (
        _last_night(facts),
        _rows(facts),
        _drift(facts),
        _semantic_ids(facts),
        policy_section(facts, policy_pictures(facts)),
        _training(facts),
        _costs(facts),
        _disk(facts),
    )
    return (
        "<!doctype html><html lang='en'><head><meta charset='utf-8'>"
        "<meta name='viewport' content='width=device-width, initial-scale=1'>"
        "<meta http-equiv='Content-Security-Policy' content=\"default-src 'none'; style-src 'unsafe-inline'\">"
        f"<title>{as_html(title)}</title><style>{CSS}</style></head>"
        f"<body><header><h1>{as_html(facts.warehouse)}</h1><p>{_standing(facts)}</p></header>"
        f"<main>{''.join(parts)}</main></body></html>\n"
    )


def _standing(facts: Facts) -> str:
    """What readers see now, in a sentence."""
    release = facts.release
    if release is None:
        return "Nothing is published yet."
    wrong = [run for run in facts.last if run.outcome in ("refused", "failed", "killed")]
    night = "".join(
        f"The last {run.flow.removeprefix('daily-').removeprefix('nightly-')} {_WENT[run.outcome]}. " for run in wrong
    )
    policy = facts.tables["policies"].filter(pl.col("is_published"))["policy_id"]
    served = f"policy {as_html(policy[0])}" if policy.len() else "no policy"
    return f"{night}Readers see release {release['release_id']} ({as_html(release['kind'])}, {_time(release['created_at'])}) with {served}."


def _last_night(facts: Facts) -> str:
    """How the last runs ended and why; what their audits found; other nights that went wrong."""
    if not facts.last:
        return section("Last night", "", "<p>No run yet. Begin with: <code>hsrl refresh</code></p>")
    runs = "".join(_run(run, [audit for audit in facts.audits if audit.run_id == run.run_id]) for run in facts.last)
    shown = [run.run_id for run in facts.last]
    wrong = facts.tables["runs"].filter(pl.col("status").is_in(["failed", "killed"]) & ~pl.col("run_id").is_in(shown))
    columns = (
        Column("began", "started_at", _time),
        Column("flow", "flow"),
        Column("ended", "status"),
        Column("why", "message"),
    )
    earlier = ""
    if wrong.height:
        body = table(wrong.reverse().to_dicts(), columns)
        earlier = f"<details><summary>Earlier runs that went wrong: {wrong.height}</summary>{body}</details>"
    return section("Last night", "", runs + earlier + _besides(facts))


def _besides(facts: Facts) -> str:
    """What else changed the warehouse in the nights that are shown: upkeep, what persons did, and new versions of hsrl."""
    own = facts.tables["runs"].filter(~pl.col("flow").is_in(list(FLOWS[:2]))).to_dicts()
    found = [{"at": run["started_at"], "what": run["flow"], "more": _did(run)} for run in own]
    releases = facts.tables["releases"].select("release_id", "code_version", "created_at").to_dicts()
    for before, after in pairwise(releases):
        if before["code_version"] != after["code_version"]:
            more = f"{after['code_version']} makes release {after['release_id']}, {before['code_version']} made those before"
            found.append({"at": after["created_at"], "what": "another version", "more": more})
    rows = sorted(found, key=lambda row: row["at"], reverse=True)
    columns = (Column("began", "at", _time), Column("what", "what"), Column("how it ended", "more"))
    return f"<h3>Also in these nights</h3>{table(rows, columns)}" if rows else ""


def _did(run: dict[str, Any]) -> str:
    """How a run ended, its release and its words."""
    release = "" if run["release_id"] is None else f", release {run['release_id']}"
    return f"{run['status']}{release}{': ' + run['message'] if run['message'] else ''}"


def _run(run: Ended, audits: list[FailedAudit]) -> str:
    """A run as a card."""
    look, name = _OUTCOMES.get(run.outcome, ("calm", run.outcome))
    release = "" if run.release_id is None else f" release {run.release_id}"
    head = f"<h3>{_FLOWS[run.flow]} {badge(look, name + release)}</h3>"
    why = f"<p>{as_html(run.why)}</p>" if run.why and not (run.outcome == "refused" and audits) else ""
    found = "".join(_finding(audit) for audit in audits)
    return (
        f"<div class='card {look}'>{head}<p class='small'>{_time(run.started_at)} · {as_html(run.run_id)}</p>{why}{found}</div>"
    )


def _finding(audit: FailedAudit) -> str:
    look, does = ("bad", "refuses the release") if audit.severity == "block" else ("warn", "warns")
    rows = f"{audit.n_offenders:,} {'row' if audit.n_offenders == 1 else 'rows'}"
    advice = f" To do: {as_html(audit.advice)}." if audit.advice else ""
    return (
        f"<div class='finding'><p>{badge(look, does)} <b>{as_html(audit.audit)}</b>, {rows}: {as_html(audit.example)}.{advice}</p>"
        f"<p class='small'>What it checks: {as_html(audit.doc)}</p></div>"
    )


def _rows(facts: Facts) -> str:
    """What each delivery brought, and why rows were not taken."""
    columns = (
        Column("delivery", "delivery_id"),
        Column("release", "release_id"),
        Column("rows", "n_rows"),
        Column("taken", "n_accepted"),
        Column("quarantined", "n_rejected"),
        Column("known already", "n_known"),
        Column("late", "n_late"),
        Column("positives", "share", lambda value: f"{value:.1%}"),
        Column("new items", "n_new_items"),
        Column("new users", "n_new_users"),
    )
    deliveries = facts.tables["deliveries"].with_columns(
        share=pl.when(pl.col("n_accepted") > 0).then(pl.col("n_positives") / pl.col("n_accepted"))
    )
    if deliveries.is_empty():
        return section("Rows in", "", "<p>No delivery has been taken in.</p>")
    quarantine = facts.tables["quarantine"].reverse().to_dicts()
    reasons = (
        Column("delivery", "delivery_id", lambda value: str(value), missing="of a refused night"),
        Column("rows", "n_rows"),
        Column("why", "reason"),
        Column("file", "file"),
        Column("line", "first_line"),
        Column("example", "example"),
    )
    refused = table(quarantine, reasons) if quarantine else "<p>No row is in quarantine.</p>"
    last = deliveries["n_rejected"].sum()
    text = f"{deliveries.height:,} deliveries, {deliveries['n_accepted'].sum():,} rows taken, {last:,} in quarantine."
    return section("Rows in", text, table(deliveries.reverse().to_dicts(), columns) + "<h3>Quarantine by reason</h3>" + refused)


def _drift(facts: Facts) -> str:
    """Every delivery beside those before it."""
    unusual = facts.tables["drift"].filter(pl.col("level") != "ok").reverse().to_dicts()
    listed = "".join(
        f"<li>{badge('bad' if row['level'] == 'block' else 'warn', row['level'])} {as_html(row['finding'])}</li>"
        for row in unusual
    )
    text = "Usual is the median of the nights before. A ring marks what the settings call unusual."
    if facts.tables["drift"].is_empty():
        return section("Drift of the log", "", "<p>No delivery has been taken in.</p>")
    body = picture_grid(drift_pictures(facts))
    return section(
        "Drift of the log", text, body + (f"<ul>{listed}</ul>" if unusual else "<p>No published delivery was unusual.</p>")
    )


def _semantic_ids(facts: Facts) -> str:
    """Churn and collisions over the releases."""
    churn, sids = facts.tables["churn"], facts.tables["sids"]
    if sids.is_empty():
        return section("Semantic IDs", "", "<p>No Semantic IDs are published.</p>")
    last = sids.row(-1, named=True)
    text = (
        f"{last['n_sids']:,} Semantic IDs for {last['n_items']:,} items in release {last['release_id']}: "
        f"{last['shared_items']:,} items share one, at most {last['largest_bucket']:,} the same; "
        f"{last['n_without'] or 0:,} active items have none."
    )
    columns = (
        Column("release", "release_id"),
        Column("new", "n_new"),
        Column("moved", "n_moved"),
        Column("returned", "n_returned"),
        Column("closed", "n_closed"),
        Column("rebuilt", "n_rebuilt"),
        Column("rolled back", "n_rolled_back"),
        Column("items", "n_items"),
        Column("share an ID", "shared_items"),
        Column("kept", "kept_share", lambda value: f"{value:.1%}"),
        Column("explained variance", "explained_variance", lambda value: f"{value:.3f}"),
    )
    rows = churn.join(sids, on="release_id", how="full", coalesce=True).sort("release_id", descending=True).to_dicts()
    return section("Semantic IDs", text, picture_grid(sid_pictures(facts)) + table(rows, columns))


def _training(facts: Facts) -> str:
    """Training curves of the newest policy."""
    curves = facts.tables["curves"]
    if curves.is_empty():
        return section("Training", "", "<p>No policy has been trained.</p>")
    policy_id = curves["policy_id"][0]
    trained = facts.tables["policies"].filter(pl.col("policy_id") == policy_id)
    text = f"Policy {policy_id}"
    if trained.height:
        row = trained.row(0, named=True)
        text += f" of release {row['release_id']}: {row['method']}, {row['n_iterations']:,} iterations, {row['cpu_seconds']:,.0f} CPU seconds"
    return section("Training", f"{text}.", picture_grid(curve_pictures(facts)))


def _costs(facts: Facts) -> str:
    """CPU and memory of the runs, and the wall seconds of the stages of the last ones beside what was usual."""
    runs = facts.tables["runs"]
    if runs.is_empty():
        return section("Costs", "", "<p>No run yet.</p>")
    columns = (
        Column("began", "started_at", _time),
        Column("flow", "flow"),
        Column("ended", "status"),
        Column("release", "release_id"),
        Column("seconds", "seconds", lambda value: f"{value:,.1f}"),
        Column("CPU seconds", "cpu_seconds", lambda value: f"{value:,.1f}"),
        Column("peak memory, MB", "peak_memory_mb", lambda value: f"{value:,.0f}"),
    )
    stages = (
        Column("stage", "stage"),
        Column("last, wall seconds", "last", lambda value: f"{value:,.1f}"),
        Column("median before", "usual", lambda value: f"{value:,.1f}"),
        Column("longest before", "longest", lambda value: f"{value:,.1f}"),
    )
    tables = "".join(f"<h3>Stages of {as_html(flow)}</h3>{table(rows, stages)}" for flow, rows in facts.stages.items() if rows)
    return section("Costs", "", picture_grid(cost_pictures(facts)) + tables + table(runs.reverse().to_dicts(), columns))


def _disk(facts: Facts) -> str:
    """Bytes by table or kind."""
    disk = facts.tables["disk"]
    if disk.is_empty():
        return section("Disk", "", "<p>Nothing is stored.</p>")
    kinds = (
        disk.group_by("kind")
        .agg(pl.col("n_bytes").sum(), pl.col("n_files").sum(), pl.col("n_rows").sum(), pl.col("release_id").max())
        .sort("n_bytes", "kind", descending=[True, False])
    )
    columns = (
        Column("table or kind", "kind"),
        Column("MB", "n_bytes", megabytes),
        Column("files", "n_files"),
        Column("rows", "n_rows"),
        Column("last release", "release_id"),
    )
    latest = max(disk["release_id"].to_list())
    total = int(disk["n_bytes"].sum())
    added = int(disk.filter(pl.col("release_id") == latest)["n_bytes"].sum())
    text = (
        f"{megabytes(total)} MB written in all, {megabytes(added)} MB by release {latest}; by the ledger of artifacts, "
        "which also names what hsrl gc has deleted since. Rows of small tables lie in the catalogue and are not counted."
    )
    return section("Disk", text, picture_grid(disk_pictures(facts)) + table(kinds.to_dicts(), columns))


def _time(at: Any) -> str:
    return f"{at:%Y-%m-%d %H:%M} UTC" if isinstance(at, datetime) else ""
