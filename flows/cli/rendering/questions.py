"""What sql, trace, status and draw print."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from rich.console import Console

from flows.cli.rendering.terminal import ROWS, cell, facts, table
from pipeline.printable import printable

if TYPE_CHECKING:
    from pipeline.warehouse.answer import Answer
    from pipeline.warehouse.trace import Node, Trace

# Branches of a tree that a terminal shows, and steps that it goes.
_BRANCHES, _DEEPEST = 8, 12


def answer(console: Console, found: "Answer") -> None:
    """The first rows of an answer, and how many more there are."""
    rows = found.texts(ROWS)
    n_rows = len(rows) if len(rows) < ROWS else found.count()
    table(console, found.columns, found.is_number, rows, n_rows)


def counts(console: Console, report: dict[str, Any]) -> None:
    """Rows by table."""
    facts(console, tuple((name, f"{n:,} rows") for name, n in report.items()))


def examples(console: Console, report: dict[str, Any]) -> None:
    """The questions that come along, a line each."""
    width = max(map(len, report))
    for name, doc in report.items():
        console.print(printable(f"{name:<{width}}  {doc}"), markup=False, highlight=False, soft_wrap=True)


def trace(console: Console, found: "Trace") -> None:
    """What something was made from, and what was made from it, as two trees."""
    subject = found.nodes[found.subject]
    console.print(printable(f"{subject.kind} {subject.name} ({subject.id})"), markup=False, highlight=False, soft_wrap=True)
    facts(console, tuple((str(name), cell(value)) for name, value in found.facts.items()))
    starts = sorted(found.started, key=lambda node_id: node_id != found.subject)
    _tree(console, "made from", found, found.inputs, starts)
    _tree(console, "used by", found, found.dependants, [found.subject])


def _tree(console: Console, heading: str, found: "Trace", step: Callable[[str], list[str]], starts: Sequence[str]) -> None:
    """A tree of what is one step away, two steps and so on; each thing appears once, so circles end, and a long chain is cut."""
    console.print(heading, highlight=False)
    shown_ids = set(starts)
    waiting: list[tuple[int, str, str | None]] = [(0, "", node_id) for node_id in reversed(starts)]
    while waiting:
        depth, line, node_id = waiting.pop()
        if line:
            console.print(printable("  " * depth + line), markup=False, highlight=False, soft_wrap=True)
        if node_id is None:
            continue
        fresh = [other for other in step(node_id) if other not in shown_ids]
        shown = fresh[: _BRANCHES if depth < _DEEPEST else 0]
        shown_ids.update(shown)
        if len(fresh) > len(shown):
            rest = f"… and {len(fresh) - len(shown)} more{' and what lies behind' if not shown else ''}; all of them with --json or --html FILE"
            waiting.append((depth + 1, rest, None))
        waiting += [(depth + 1, _named(found.nodes[other]), other) for other in reversed(shown)]


def _named(node: "Node") -> str:
    return f"{node.kind} {node.name}" + (f"  sha256 {node.sha256}" if node.sha256 else "")


def status(console: Console, report: dict[str, Any]) -> None:
    """The newest release, its tables, the last runs."""
    release = report["release"]
    text = (
        "nothing is published yet" if release is None else f"{release['release_id']} ({release['kind']}, {release['created_at']})"
    )
    rows = ", ".join(f"{count:,} {name}" for name, count in report["rows"].items())
    policy = report["policy"]
    lines = (("release", text), ("rows", rows), ("policy", "none" if policy is None else policy))
    facts(console, lines)
    runs = report["runs"]
    names = list(runs[0]) if runs else []
    is_number = [any(isinstance(run[name], int | float) for run in runs) for name in names]
    if runs:
        table(console, names, is_number, [list(run.values()) for run in runs], len(runs))


def draw(console: Console, report: dict[str, Any]) -> None:
    """Where the picture is."""
    facts(
        console,
        (("picture", f"{report['png']} and {report['html']}, {report['items']:,} items of release {report['release_id']}"),),
    )
