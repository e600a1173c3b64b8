"""What rollback, forget, migrate, gc and verify print."""

from typing import Any

from rich.console import Console

from flows.cli.rendering.terminal import facts, table


def rollback(console: Console, report: dict[str, Any]) -> None:
    """What a rollback brought back."""
    lines = (
        ("release", f"{report['release_id']}: as release {report['restores']} was"),
        ("withdrawn", ", ".join(str(number) for number in report["withdrawn"])),
        ("Semantic IDs", f"{report['sids_closed']:,} closed, {report['sids_opened']:,} opened again"),
        (
            "without",
            f"{report['items_without_sid']:,} items have none until the next refresh" if report["items_without_sid"] else "",
        ),
        ("policy", report["policy"] or "none"),
    )
    facts(console, tuple(line for line in lines if line[1]))


def forget(console: Console, report: dict[str, Any]) -> None:
    """What went, or would go, and what holds it still."""
    who, is_planned = f"{report['kind']} {report['id']}", report["status"] == "planned"
    if report["status"] == "forgotten already":
        console.print(f"{who}: forgotten already since release {report['since']}", highlight=False, markup=False, soft_wrap=True)
    held, policies, label = report["held_by_releases"], report["held_by_policies"], "would go" if is_planned else "gone"
    lines = (
        ("release", f"{report['release_id']}: without {who}" if report["status"] == "published" else ""),
        (label, f"{report['n_events']:,} events of {who}" if report["status"] != "forgotten already" else ""),
        ("in quarantine", _in_quarantine(report, label)),
        ("messages of runs", f"the id is out of {report['n_messages']:,}" if report.get("n_messages") else ""),
        ("morning pages", f"{report['n_pages']:,} that hold the id were deleted" if report.get("n_pages") else ""),
        ("still held by", f"releases {some(held)}, until hsrl gc expires them (hsrl gc --keep-days 0 --keep-releases 1: now)"),
        ("learned from it", f"policy {some(policies)}; learn without it: hsrl retrain" if policies else ""),
    )
    facts(console, tuple(line for line in lines if line[1]))


def _in_quarantine(report: dict[str, Any], label: str) -> str:
    """Rows of the quarantine that go, and those that only lose the id, as it is not known whose they are."""
    n_gone, n_blanked = report["n_quarantined"], report["n_blanked"]
    parts = [f"{n_gone:,} rows of it {label}"] if n_gone else []
    if n_blanked:
        parts.append(f"{n_blanked:,} rows that may be another's stay, the id in them blanked")
    return "; ".join(parts)


def migrate(console: Console, report: dict[str, Any]) -> None:
    """The steps that were, or would be, taken."""
    if not report["steps"]:
        console.print(
            "nothing to do: the warehouse is of this version's layout; its views and macros are made anew", highlight=False
        )
    label = "would take" if report["status"] == "planned" else "taken"
    facts(console, tuple((f"{label} {step['name']}", step["doc"]) for step in report["steps"]))


def gc(console: Console, report: dict[str, Any]) -> None:
    """What was, or would be, deleted."""
    label = "would go" if report["status"] == "planned" else "gone"
    sizes = f"{report['n_files']:,} data files, {len(report['orphans'])} orphans, {len(report['folders'])} folders"
    merging = "would merge" if report["status"] == "planned" else "merged"
    lines = (
        (
            "releases",
            f"{len(report['releases'])} no longer open as they were{': ' if report['releases'] else ''}{some(report['releases'])}",
        ),
        (label, f"{report['bytes']:,} bytes: {sizes}"),
        ("orphans", some(report["orphans"])),
        ("folders", some(report["folders"])),
        ("snapshots", f"{report['n_snapshots']:,}"),
        ("from the catalogue into files", some(report["flushed"])),
        (merging, f"{report['n_merged']:,} small files into {report['n_merged_into']:,}" if report["n_merged"] else ""),
    )
    facts(console, tuple(line for line in lines if line[1]))


def some(values: list[Any], at_most: int = 10) -> str:
    """The first of some values, and an ellipsis where there are more."""
    return ", ".join(str(value) for value in values[:at_most]) + (" …" if len(values) > at_most else "")


def verify(console: Console, report: dict[str, Any]) -> None:
    """That everything is as it was written, and what was not looked at."""
    console.print(
        f"release {report['release_id']}: the catalogue and {report['n']:,} stored files and folders ({report['bytes']:,} bytes) "
        "are as they were written",
        highlight=False,
        soft_wrap=True,
    )
    for reason in report["not_looked_at"]:
        console.print(f"not looked at: {reason}", highlight=False, markup=False, soft_wrap=True)


def drill(console: Console, report: dict[str, Any]) -> None:
    """What was lost in each scenario, and what brought it back."""
    names = {None: "not played", True: "yes", False: "no"}
    columns = ("scenario", "hsrl says", "lost", "restored by", "restored", "seconds")
    rows = [
        (
            played["scenario"],
            played["says"],
            played["lost"],
            played["restored_by"],
            names[played["is_restored"]],
            played["seconds"],
        )
        for played in report["scenarios"]
    ]
    table(console, columns, [name == "seconds" for name in columns], rows, len(rows))
