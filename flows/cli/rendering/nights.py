"""What refresh, retrain and demo print."""

import shlex
import shutil
import sys
from pathlib import Path
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from flows.cli.demo_questions import QUESTIONS
from flows.cli.rendering.terminal import facts
from flows.report.judged import merged
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
        *_numbers(metrics),
        ("changes", ", ".join(f"{count:,} {reason}" for reason, count in changes.items() if count)),
        ("seconds", ", ".join(f"{name} {seconds:.1f}" for name, seconds in report["seconds"].items())),
    )
    facts(console, lines)


def _numbers(metrics: dict[str, float]) -> tuple[tuple[str, str], ...]:
    """After a rebuild: how many items have their old numbers, with and without the alignment."""
    if "kept_numbers_share" not in metrics or "kept_numbers_unaligned_share" not in metrics:
        return ()
    kept, plain = metrics["kept_numbers_share"], metrics["kept_numbers_unaligned_share"]
    return (
        ("numbers", f"{kept:.1%} of the items have all their old numbers, as new codes took old ones; {plain:.1%} without that"),
    )


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


_UNBOUNDED = 100_000  # characters
# Heads of columns for families of simulated users: short, or a panel of five does not fit a terminal.
_FAMILIES = {"frozen_attention": "frozen", "factorisation": "factors", "deep_sets": "deep\nsets"}
_REAL = {"auc_in_slate": "real\nAUC", "ndcg_in_slate": "real\nNDCG"}


def retrain(console: Console, report: dict[str, Any]) -> None:
    """What a retrain did: the judges, the policies and the reference rows they are compared with, and people's own answers."""
    for line in _judges(report["simulators"]):
        console.print(f"simulator     {line}", highlight=False)
    drawn = _judged(report)
    if console.measure(drawn, options=console.options.update(max_width=_UNBOUNDED)).maximum > console.width:
        drawn = _judged(report, has_families=False)
    console.print(drawn)
    for claimed in report["claims"]:
        console.print(_claimed(claimed, report), highlight=False)
    facts(console, (("policy", f"{report['policy_id']}: {report['status']}"), ("gate", report["gate"])))


def _judges(simulators: list[dict[str, Any]]) -> list[str]:
    """A line for the simulators of one family that were fitted on the same records."""
    groups: dict[tuple[str, str, str], list[dict[str, Any]]] = {}
    for simulator in simulators:
        groups.setdefault((simulator["family"], simulator["fit_on"], simulator["judged_on"]), []).append(simulator)
    lines = []
    for (family, fit_on, judged_on), group in groups.items():
        auc, ece = (", ".join(f"{simulator[name]:.3f}" for simulator in group) for name in ("auc", "ece"))
        seeds = ", ".join(str(simulator["seed"]) for simulator in group)
        lines.append(f"{family}, fitted on {fit_on}, seeds {seeds}: AUC {auc}, calibration error {ece} ({judged_on})")
    return lines


def _judged(report: dict[str, Any], *, has_families: bool = True) -> Table:
    """A row for each policy: the panel's mean and, where there is room, each family; the family learned in; real answers."""
    rows = merged(report["evaluation"])
    families = list(dict.fromkeys(family for row in rows for family in row["panel"]))
    real = {answers["policy_id"] or answers["policy"]: answers for answers in report["real_answers"]}
    has_real = any(row["policy_id"] in real for row in rows)
    is_whole = has_families or not families
    title = "total reward of whole sessions" + (" from held-out starts" if is_whole else " (each family: --json)")
    drawn = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0), show_edge=False, pad_edge=False, title=title, title_justify="left")
    drawn.add_column("policy", vertical="bottom")
    heads = ["panel" if families else "judged", "95 %"]
    families = families if has_families else []
    heads += [*(_FAMILIES.get(family, family) for family in families), "own\nfamily"]
    for head in (*heads, "no\nsupport", *(_REAL.values() if has_real else ())):
        drawn.add_column(head, justify="right", no_wrap=True, vertical="bottom")
    for row in rows:
        figures = [f"{row['mean']:.2f}", f"{row['ci_low']:.2f}…{row['ci_high']:.2f}"]
        figures += [f"{row['panel'][family]:.2f}" for family in families]
        figures += ["" if row["own"] is None else f"{row['own']:.2f}", f"{row['unsupported_share']:.0%}"]
        answers = real.get(row["policy_id"], {})
        figures += [f"{answers[metric]:.3f}" if metric in answers else "" for metric in _REAL] if has_real else []
        drawn.add_row(Text(printable(row["policy"])), *figures)
    for name in ("item like-rate", "item popularity"):
        if has_real and name in real:
            drawn.add_row(
                Text(name),
                *[""] * (len(heads) + 1),
                *(f"{real[name][metric]:.3f}" if metric in real[name] else "" for metric in _REAL),
            )
    return drawn


def _claimed(claimed: dict[str, Any], report: dict[str, Any]) -> str:
    """A claim in a line."""
    name = next(row["policy"] for row in report["evaluation"] if row["policy_id"] == claimed["policy_id"])
    gain = claimed["panel"] or claimed["own"]
    figures = "" if gain is None else f": {gain['mean']:+.2f}, 95 % interval {gain['low']:+.2f} … {gain['high']:+.2f}"
    worst = "" if claimed["worst_family"] is None else f"; worst family {claimed['worst_family']} {claimed['worst_share']:+.1%}"
    return f"claim         {printable(name)} beside {claimed['beside']}: {claimed['verdict']}{figures}{worst}"


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
