"""What the commands print for people."""

import re
import shlex
import shutil
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from flows.cli.demo_questions import QUESTIONS
from pipeline.printable import printable

if TYPE_CHECKING:
    import polars as pl

    from pipeline.warehouse.trace import Node, Trace

# Rows that a terminal shows; --json has them all.
ROWS = 200
# What a terminal obeys and JSON may write as it is.
_STEERS = re.compile("[\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")
# Branches of a tree that a terminal shows, and steps that it goes.
_BRANCHES, _DEEPEST = 8, 12
_UNBOUNDED = 100_000  # characters


def console() -> Console:
    """Standard output: as wide as the terminal, and without bounds in a pipe or file, where nothing may be folded."""
    return Console() if sys.stdout.isatty() else Console(width=_UNBOUNDED)


def as_json(rows: "pl.DataFrame") -> str:
    """A list of row objects: decimals are numbers, times ISO 8601 texts, and what is no finite number is null.

    Signs that a terminal would obey stand as their codes, which mean the same in JSON.
    """
    text = rows.cast({name: _in_json(dtype) for name, dtype in rows.schema.items()}).write_json()
    return _STEERS.sub(lambda sign: f"\\u{ord(sign[0]):04x}", text)


def json_parts(frames: Iterable["pl.DataFrame"]) -> Iterator[str]:
    """The pieces of one list of row objects, a frame at a time."""
    rest = iter(frames)
    held, is_open = next(rest), False
    for frame in rest:
        if held.height:
            yield ("," if is_open else "[") + as_json(held)[1:-1]
            is_open = True
        held = frame
    yield ("," * bool(held.height) + as_json(held)[1:-1] + "]") if is_open else as_json(held)


def _in_json(dtype: Any) -> Any:
    """The type that JSON has for a column; decimals would become texts."""
    import polars as pl

    if isinstance(dtype, pl.Decimal):
        return pl.Float64()
    if isinstance(dtype, pl.List):
        return pl.List(_in_json(dtype.inner))
    if isinstance(dtype, pl.Struct):
        return pl.Struct({field.name: _in_json(field.dtype) for field in dtype.fields})
    return dtype


def frame(console: Console, rows: "pl.DataFrame") -> None:
    """A frame as a table; see ``table``."""
    is_number = [dtype.is_numeric() for dtype in rows.schema.values()]
    table(console, rows.columns, is_number, list(rows.head(ROWS).iter_rows()), rows.height)


def table(
    console: Console, columns: Sequence[str], is_number: Sequence[bool], rows: Sequence[Sequence[Any]], n_rows: int
) -> None:
    """The first rows of an answer as a table; where the terminal is too narrow for it, a line a value.

    Args:
        console: where to.
        columns: names.
        is_number: whether a column is set to the right.
        rows: the first ``ROWS`` of them.
        n_rows: of how many.
    """
    names = [printable(name) for name in columns]
    drawn = Table(show_edge=False)
    for name, is_right in zip(names, is_number, strict=True):
        drawn.add_column(Text(name), justify="right" if is_right else "left", overflow="fold")
    shown = [[Text(_cell(value)) for value in row] for row in rows]
    for row in shown:
        drawn.add_row(*row)
    if console.measure(drawn, options=console.options.update(max_width=_UNBOUNDED)).maximum <= console.width:
        console.print(drawn)
    else:
        for row in shown:
            console.print(
                *(Text.assemble(f"{name}: ", value) for name, value in zip(names, row, strict=True)), sep="\n", end="\n\n"
            )
    if n_rows > len(rows):
        console.print(f"… and {n_rows - len(rows):,} more of {n_rows:,} rows; all of them with --json")


def refresh(console: Console, report: dict[str, Any]) -> None:
    """What a refresh did."""
    if report["status"] == "planned":
        days = [*report["deliveries"], *(f"{day} (to be generated)" for day in report["to_generate"])]
        told = f"{', '.join(days) or 'nothing'} ({report['bytes']:,} bytes)"
        brought = report["external"]
        vectors = (("vectors", f"{brought['file']}: {'new' if brought['is_new'] else 'as before'}"),) if brought else ()
        _facts(console, (("would ingest", told), *vectors, ("tokenizer", report["tokenizer"]), *_foretold(report["forecast"])))
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
    _facts(console, lines)


def retrain(console: Console, report: dict[str, Any]) -> None:
    """What a retrain did, the policy beside the reference rows."""
    for one in report["simulators"]:
        told = f"fitted on {one['fit_on']}, seed {one['seed']}: AUC {one['auc']:.3f}, calibration error {one['ece']:.4f} ({one['judged_on']})"
        console.print(f"simulator     {told}", highlight=False)
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
    _facts(console, (("policy", f"{report['policy_id']}: {report['status']}"), ("gate", report["gate"])))


def reproduce(console: Console, report: dict[str, Any]) -> None:
    """What each variant reached, and where the pages are."""
    drawn = Table(show_edge=False, title="total reward of whole sessions, transferred", title_justify="left")
    for name in ("variant", "total reward", "95 % interval", "beside the first"):
        drawn.add_column(name, justify="left" if name == "variant" else "right")
    for row in [*report["variants"], *report["references"]]:
        beside = row.get("difference")
        interval = f"{row['transferred_low']:.2f} … {row['transferred_high']:.2f}"
        drawn.add_row(row["variant"], f"{row['transferred']:.2f}", interval, "" if beside is None else f"{beside:+.2f}")
    console.print(drawn)
    _facts(console, (("written", ", ".join(report["files"])),))


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


def status(console: Console, report: dict[str, Any]) -> None:
    """The newest release, its tables, the last runs."""
    release = report["release"]
    told = (
        "nothing is published yet" if release is None else f"{release['release_id']} ({release['kind']}, {release['created_at']})"
    )
    rows = ", ".join(f"{count:,} {name}" for name, count in report["rows"].items())
    policy = report["policy"]
    lines = (("release", told), ("rows", rows), ("policy", "none" if policy is None else policy))
    _facts(console, lines)
    runs = report["runs"]
    names = list(runs[0]) if runs else []
    is_number = [any(isinstance(run[name], int | float) for run in runs) for name in names]
    if runs:
        table(console, names, is_number, [list(run.values()) for run in runs], len(runs))


def rank(console: Console, report: dict[str, Any]) -> None:
    """Where the ranked candidates are, whose opinion they are, and what was left out."""
    answered = report["requests"] - report["rejected"]
    lines = (
        ("ranked", f"{report['candidates']:,} candidates of {answered:,} requests"),
        ("policy", f"{report['policy_id']}, release {report['release_id']}"),
        ("written to", report["output"]),
        (
            "rejected",
            f"{report['rejected']:,} of {report['requests']:,} requests, in {report['rejected_file']}: "
            f"{'; '.join(report['first_rejected'])}"
            if report["rejected"]
            else "",
        ),
        (
            "new users",
            f"{report['unknown_users']:,} requests name a user that release {report['release_id']} does not know, such as "
            f"{report['first_unknown_users'][0]}; ranked by history alone"
            if report["unknown_users"]
            else "",
        ),
    )
    _facts(console, tuple(line for line in lines if line[1]))


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
    _facts(console, tuple(line for line in lines if line[1]))


def trace(console: Console, found: "Trace") -> None:
    """What something was made from, and what was made from it, as two trees."""
    subject = found.nodes[found.subject]
    console.print(printable(f"{subject.kind} {subject.name} ({subject.id})"), markup=False, highlight=False, soft_wrap=True)
    _facts(console, tuple((str(name), _cell(value)) for name, value in found.facts.items()))
    starts = sorted(found.started, key=lambda one: one != found.subject)
    _tree(console, "made from", found, found.inputs, starts)
    _tree(console, "used by", found, found.dependants, [found.subject])


def _tree(console: Console, heading: str, found: "Trace", step: Callable[[str], list[str]], starts: Sequence[str]) -> None:
    """What lies ever more steps away, each thing told once: it ends whatever leads where, and a long chain is cut."""
    console.print(heading, highlight=False)
    told = set(starts)
    waiting: list[tuple[int, str, str | None]] = [(0, "", one) for one in reversed(starts)]
    while waiting:
        depth, line, one = waiting.pop()
        if line:
            console.print(printable("  " * depth + line), markup=False, highlight=False, soft_wrap=True)
        if one is None:
            continue
        fresh = [other for other in step(one) if other not in told]
        shown = fresh[: _BRANCHES if depth < _DEEPEST else 0]
        told.update(shown)
        if len(fresh) > len(shown):
            rest = f"… and {len(fresh) - len(shown)} more{' and what lies behind' if not shown else ''}; all of them with --json or --html FILE"
            waiting.append((depth + 1, rest, None))
        waiting += [(depth + 1, _named(found.nodes[other]), other) for other in reversed(shown)]


def _named(node: "Node") -> str:
    return f"{node.kind} {node.name}" + (f"  sha256 {node.sha256}" if node.sha256 else "")


def gc(console: Console, report: dict[str, Any]) -> None:
    """What was, or would be, deleted."""
    told = "would go" if report["status"] == "planned" else "gone"
    sizes = f"{report['n_files']:,} data files, {len(report['orphans'])} orphans, {len(report['folders'])} folders"
    lines = (
        ("releases", f"{len(report['releases'])} no longer open as they were: {_some(report['releases'])}"),
        (told, f"{report['bytes']:,} bytes: {sizes}"),
        ("orphans", _some(report["orphans"])),
        ("folders", _some(report["folders"])),
        ("snapshots", f"{report['n_snapshots']:,}"),
        ("from the catalogue into files", _some(report["flushed"])),
    )
    _facts(console, tuple(line for line in lines if line[1]))


def verify(console: Console, report: dict[str, Any]) -> None:
    """That everything is as it was written, and what was not looked at."""
    console.print(
        f"release {report['release_id']}: the catalogue and {report['n']:,} stored files and folders ({report['bytes']:,} bytes) "
        "are as they were written",
        highlight=False,
        soft_wrap=True,
    )
    for one in report["not_looked_at"]:
        console.print(f"not looked at: {one}", highlight=False, markup=False, soft_wrap=True)


def counts(console: Console, report: dict[str, Any]) -> None:
    """Rows by table."""
    _facts(console, tuple((name, f"{n:,} rows") for name, n in report.items()))


def examples(console: Console, report: dict[str, Any]) -> None:
    """The questions that come along, a line each."""
    width = max(map(len, report))
    for name, doc in report.items():
        console.print(printable(f"{name:<{width}}  {doc}"), markup=False, highlight=False, soft_wrap=True)


def _some(values: list[Any], at_most: int = 10) -> str:
    return ", ".join(str(value) for value in values[:at_most]) + (" …" if len(values) > at_most else "")


def draw(console: Console, report: dict[str, Any]) -> None:
    """Where the picture is."""
    _facts(
        console,
        (("picture", f"{report['png']} and {report['html']}, {report['items']:,} items of release {report['release_id']}"),),
    )


_DIFFERENCES = {
    "same": "have this Semantic ID now",
    "kept": "keep another one that is near enough",
    "deferred": "wait for their move",
    "capacity": "have another one, this one being full",
    "changed": "have one made from another vector",
    "no sid": "have none, here or there",
    "unknown": "are of no item",
}


def encode(console: Console, report: dict[str, Any]) -> None:
    """Where the Semantic IDs are, and how many vectors are unlike all that the codes were learned from."""
    told = (
        f"{report['vectors']:,} of codebook {report['codebook_id']} in {report['out']}; {report['unlike']:,} unlike the catalogue"
    )
    told += f"; {report['zero']:,} of zeros, without one" if report["zero"] else ""
    _facts(console, (("semantic ids", told),))
    if beside := report.get("catalogue"):
        _facts(console, (("catalogue", ", ".join(f"{count:,} {_DIFFERENCES[why]}" for why, count in beside.items())),))


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


def _facts(console: Console, lines: tuple[tuple[str, str], ...]) -> None:
    for name, told in lines:
        console.print(printable(f"{name:<13} {told}"), markup=False, highlight=False, soft_wrap=True)


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.6g}"
    return printable(str(value), keep="\n\t")
