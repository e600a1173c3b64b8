"""What report prints without --html: the morning page in a few lines."""

from typing import Any

from rich.console import Console

from flows.cli.rendering.terminal import facts

_WORST = 3  # reasons of quarantine that are named


def report(console: Console, found: dict[str, Any]) -> None:
    """What was published or refused and why, and the figures of the last night; the page has the nights before."""
    release = found["release"]
    lines = [("release", "nothing is published yet" if release is None else f"{release['release_id']} ({release['kind']})")]
    for run in found["last"]:
        number = "" if run["release_id"] is None else f" release {run['release_id']}"
        is_said_below = run["outcome"] == "refused"  # by its audits
        why = f": {run['why']}" if run["why"] and not is_said_below else ""
        lines.append((run["flow"].rpartition("-")[2], f"{run['outcome']}{number}{why}"))
    lines += [
        ("audit" if audit["severity"] == "block" else "warning", f"{audit['audit']}: {audit['example']}")
        for audit in found["audits"]
    ]
    if found["deliveries"]:
        lines += _rows(found)
    lines += [("unusual", row["finding"]) for row in found["drift"] if row["level"] != "ok" and _is_last(row, found)]
    if found["sids"]:
        lines += _semantic_ids(found)
    lines += [("policy", _policy(row)) for row in found["judged"] if row["policy_id"] is not None]
    if found["disk"]:
        lines.append(("written", f"{sum(row['n_bytes'] for row in found['disk']):,} bytes in all"))
    lines.append(("page", "all of it with pictures: hsrl report --html FILE"))
    facts(console, tuple(lines))


def _is_last(row: dict[str, Any], found: dict[str, Any]) -> bool:
    return bool(row["release_id"] == found["deliveries"][-1]["release_id"])


def _rows(found: dict[str, Any]) -> list[tuple[str, str]]:
    """The deliveries of the last night that brought some, and why rows are in quarantine."""
    last = [row for row in found["deliveries"] if _is_last(row, found)]
    taken, refused, known = (sum(row[name] for row in last) for name in ("n_accepted", "n_rejected", "n_known"))
    days = ", ".join(row["delivery_id"] for row in last[:5]) + (" …" if len(last) > 5 else "")
    lines = [
        (
            "events",
            f"{taken:,} of {sum(row['n_rows'] for row in last):,} rows of {days}; {refused:,} in quarantine, {known:,} known",
        )
    ]
    ingests = {row["ingest_id"] for row in last}
    reasons = [row for row in found["quarantine"] if row["ingest_id"] in ingests or row["delivery_id"] is None]
    reasons = sorted(reasons, key=lambda row: -row["n_rows"])[:_WORST]
    return lines + [("quarantine", f"{row['n_rows']:,} {row['reason']} ({row['file']}, {row['first_line']})") for row in reasons]


def _semantic_ids(found: dict[str, Any]) -> list[tuple[str, str]]:
    sids = found["sids"][-1]
    counts = f"{sids['n_sids']:,} for {sids['n_items']:,} items; {sids['shared_items']:,} share one, at most {sids['largest_bucket']:,} the same"
    churn = next((row for row in reversed(found["churn"]) if row["release_id"] == sids["release_id"]), None)
    changes = {name.removeprefix("n_").replace("_", " "): n for name, n in (churn or {}).items() if name.startswith("n_") and n}
    listed = ", ".join(f"{n:,} {name}" for name, n in changes.items())
    return [("Semantic IDs", counts), ("changes", listed or "none")]


def _policy(row: dict[str, Any]) -> str:
    named = (("real AUC", "auc_in_slate"), ("real NDCG", "ndcg_in_slate"))
    real = ", ".join(f"{name} {row[metric]:.3f}" for name, metric in named if metric in row)
    reward = "" if row["mean"] is None else f" {row['mean']:.2f}, 95 % interval {row['ci_low']:.2f} … {row['ci_high']:.2f}"
    return f"{row['policy']}:{reward}{f'; {real}' if real else ''}"
