"""What refresh, retrain and demo print."""

import shlex
import shutil
import sys
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from flows.cli.demo_questions import QUESTIONS
from flows.cli.rendering.terminal import facts
from pipeline.printable import printable


def refresh(console: Console, report: dict[str, Any]) -> None:
    """What a refresh did."""
    if report["status"] == "planned":
        days = [*report["deliveries"], *(f"{day} (to be generated)" for day in report["to_generate"])]
        text = f"{', '.join(days) or 'nothing'} ({report['bytes']:,} bytes)"
        brought = report["external"]
        vectors = (("vectors", f"{brought['file']}: {'new' if brought['is_new'] else 'as before'}"),) if brought else ()
        facts(console, (("would ingest", text), *vectors, ("tokenizer", report["tokenizer"]), *_foretold(report["forecast"])))
        return
    if report["status"] == "nothing new":
        return
    metrics, changes, days = report["sid_metrics"], report["sid_changes"], report["deliveries"]
    used = ", ".join(f"{share:.0%}" for share in report["used_codes_share"])
    shared, largest = int(metrics["shared_items"]), int(metrics["largest_bucket"])
    lines = (
        (
            "release",
            f"{report['release_id']}" + (f" ({', '.join(days[:5])}{' …' if len(days) > 5 else ''})" if days else ""),
        ),
        (
            "events",
            f"{report['n_accepted']:,} of {report['n_rows']:,} rows; {report['n_rejected']:,} in quarantine, {report['n_known']:,} known",
        ),
        *(("quarantine", f"{n:,} {reason}") for reason, n in report["rejected"].items()),
        *(("warning", finding) for finding in report["warnings"]),
        (
            "records",
            f"{report['n_records']:,} new, {report['records_in_all']:,} in all; {report['train_records']:,} for training",
        ),
        ("items, users", f"{report['n_items']:,} and {report['n_users']:,}"),
        ("Semantic IDs", f"{int(metrics['n_sids']):,} for {int(metrics['n_items']):,} items; codes used by level: {used}"),
        (
            "collisions",
            f"{shared:,} items share a Semantic ID, at most {largest:,} one; {int(metrics['excess_collisions']):,} more items than IDs",
        ),
        ("tokenizer", f"{report['tokenizer']['mode']}: {'; '.join(report['tokenizer']['why'])}"),
        ("changes", ", ".join(f"{count:,} {reason}" for reason, count in changes.items() if count)),
        ("seconds", ", ".join(f"{name} {seconds:.1f}" for name, seconds in report["seconds"].items())),
    )
    facts(console, lines)


def _foretold(forecast: dict[str, Any] | None) -> tuple[tuple[str, str], ...]:
    """Rows, time and churn to expect, where there is a release to tell from."""
    if forecast is None:
        return (("expect", "every item gets its first Semantic ID; no night yet to tell rows and time from"),)
    churn, unknown = forecast["churn"], "unknown"
    rows, seconds = forecast["rows"], forecast["seconds"]
    new, closed = (unknown if churn[name] is None else f"{churn[name]:,}" for name in ("new", "closed"))
    moved = f"at most {churn['moved_at_most']:,} moved" if not churn["renamed"] else f"all {churn['renamed']:,} renamed"
    return (
        ("because", "; ".join(forecast["why"])),
        (
            "expect",
            f"{unknown if rows is None else f'{rows:,}'} rows, {unknown if seconds is None else f'{seconds:,.0f}'} seconds",
        ),
        ("churn", f"{new} items new, {closed} closed, {moved}"),
    )


def retrain(console: Console, report: dict[str, Any]) -> None:
    """What a retrain did: the policy and the reference rows it is compared with."""
    for simulator in report["simulators"]:
        fitted = f"fitted on {simulator['fit_on']}, seed {simulator['seed']}"
        quality = f"AUC {simulator['auc']:.3f}, calibration error {simulator['ece']:.4f} ({simulator['judged_on']})"
        console.print(f"simulator     {fitted}: {quality}", highlight=False)
    drawn = Table(show_edge=False, title="total reward of whole sessions from held-out starts", title_justify="left")
    for name in ("policy", "judged", "total reward", "95 % interval", "depth", "distinct items", "Gini"):
        drawn.add_column(name, justify="left" if name in ("policy", "judged") else "right")
    for row in report["evaluation"]:
        interval = f"{row['ci_low']:.2f} … {row['ci_high']:.2f}"
        figures = (
            f"{row['total_reward']:.2f}",
            interval,
            f"{row['depth']:.2f}",
            f"{row['distinct_items']:,}",
            f"{row['gini']:.2f}",
        )
        drawn.add_row(Text(printable(row["policy"])), row["kind"], *figures)
    console.print(drawn)
    facts(console, (("policy", f"{report['policy_id']}: {report['status']}"), ("gate", report["gate"])))


def demo(console: Console, report: dict[str, Any]) -> None:
    """Everything a demo made, and questions to go on with."""
    refresh(console, report["refresh"])
    retrain(console, report["retrain"])
    console.print("\nAsk it:", highlight=False)
    for question in QUESTIONS:
        # The questions hold nothing that a shell reads inside double quotes.
        asked = f'{shlex.quote(program())} sql --warehouse {shlex.quote(report["warehouse"])} "{question}"'
        console.print(f"  {asked}", markup=False, highlight=False, soft_wrap=True)


def program() -> str:
    """How this command is typed again: by its name where the shell finds it, else by its path, as in a fresh clone."""
    called = Path(sys.argv[0])
    if called.name != "hsrl":
        return "hsrl"
    found = shutil.which("hsrl")
    return "hsrl" if found and Path(found).resolve() == called.resolve() else str(called)
