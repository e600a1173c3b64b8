"""Draws docs/path.svg and the table of docs/architecture.md: the files that one raw row passes, found by the code's imports.

    make diagram

The stations below are named by hand: where a row becomes something else. Which files lead from one to the next, and whether a path climbs
back into a higher layer, is read from the imports; tests/docs/test_path.py fails when the drawing is older than they are.
"""

import ast
import sys
from collections import deque
from dataclasses import dataclass
from html import escape
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PAGE, DRAWING = ROOT / "docs" / "architecture.md", ROOT / "docs" / "path.svg"
BEGIN, END = "<!-- made by `make diagram` -->", "<!-- end of what `make diagram` makes -->"
LAYERS = ("pipeline", "hsrl_train", "flows")  # from the lowest

# Where a row becomes something else, each in its module, and what it is then. A flow begins a walk of its own; every other station is
# reached from the files of its walk that are open already.
STATIONS = (
    ("flows.refresh.flow", "a night begins: order, reading, writing"),
    ("pipeline.ingest.table", "a row of a raw file is an event, or in quarantine"),
    ("pipeline.records.slates", "events are slates with histories"),
    ("pipeline.embeddings.embed", "an item has a vector"),
    ("pipeline.sids.decide", "the item keeps its Semantic ID, or takes the nearest"),
    ("pipeline.sids.encode", "the vector has tokens"),
    ("pipeline.warehouse.publish", "audited and visible in SQL"),
    ("flows.retrain.flow", "the retrain begins"),
    ("hsrl_train.simulator.fit", "slates are simulated users"),
    ("hsrl_train.learner.methods.hsrl", "tokens have scores: the policy learns"),
)


@dataclass(frozen=True)
class Step:
    """A file on the path: how deep it lies in its chain, and what a row is there if it is a station."""

    module: str
    file: str
    depth: int
    says: str


def modules() -> dict[str, Path]:
    """The project's modules by their names, packages too."""
    files = (file for layer in LAYERS for file in sorted((ROOT / layer).rglob("*.py")))
    return {".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): file for file in files}


def imports(files: dict[str, Path]) -> dict[str, list[str]]:
    """What each module imports of the project, in the order of its lines; also within functions, but not for types only."""
    return {name: _imported(ast.parse(file.read_text(encoding="utf-8")), files) for name, file in files.items()}


def _imported(tree: ast.AST, files: dict[str, Path]) -> list[str]:
    skipped = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
        for inner in ast.walk(node)
    }
    found: list[str] = []
    for node in ast.walk(tree):
        if id(node) in skipped:
            continue
        if isinstance(node, ast.ImportFrom) and node.module:
            found += [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        elif isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and "." in node.value:
            found.append(node.value)  # a registry names modules in texts
    return [name for name in dict.fromkeys(found) if name in files]


def chain(graph: dict[str, list[str]], opened: list[str], goal: str) -> list[str]:
    """The shortest chain of imports to a module, from any of those that are open; of several the one from the newest, first import first.

    Raises:
        SystemExit: there is none.
    """
    came: dict[str, str | None] = dict.fromkeys(reversed(opened))
    waiting = deque(came)
    while waiting:
        name = waiting.popleft()
        if name == goal:
            found, at = [name], came[name]
            while at is not None:
                found.append(at)
                at = came[at]
            return found[::-1]
        for imported in graph[name]:
            if imported not in came:
                came[imported] = name
                waiting.append(imported)
    raise SystemExit(f"docs/make_path.py: no import leads to {goal} from {', '.join(opened)}; mend STATIONS")


def path() -> list[Step]:
    """The files of the path, each once, in the order in which they are opened.

    Raises:
        SystemExit: a station is no module.
    """
    files = modules()
    if gone := [name for name, _ in STATIONS if name not in files]:
        raise SystemExit(f"docs/make_path.py: no module {gone[0]}; mend STATIONS")
    graph, says = imports(files), dict(STATIONS)
    walks: list[list[Step]] = []
    for name, _ in STATIONS:
        if name.startswith("flows.") and name.endswith(".flow"):
            walks.append([Step(name, _shown(files[name]), 0, says[name])])
            continue
        depths = {step.module: step.depth for step in walks[-1]}
        first, *others = chain(graph, list(depths), name)
        walks[-1] += [
            Step(module, _shown(files[module]), depths[first] + n, says.get(module, ""))
            for n, module in enumerate(others, start=1)
        ]
    return [step for walk in walks for step in _by_parent(walk, graph)]


def _shown(file: Path) -> str:
    return file.relative_to(ROOT).as_posix()


def _by_parent(walk: list[Step], graph: dict[str, list[str]]) -> list[Step]:
    """The same files, each under the one that it was opened from, for a drawing without crossings."""
    placed: list[Step] = walk[:1]
    for step in walk[1:]:
        parents = [n for n, other in enumerate(placed) if other.depth == step.depth - 1 and step.module in graph[other.module]]
        at = parents[-1] + 1
        while at < len(placed) and placed[at].depth >= step.depth:
            at += 1
        placed.insert(at, step)
    return placed


def climbs(steps: list[Step]) -> list[str]:
    """Files on the path that import from a layer above their own."""
    graph = imports(modules())
    layer = {name: LAYERS.index(name.partition(".")[0]) for name in graph}
    return [f"{step.file} imports {other}" for step in steps for other in graph[step.module] if layer[other] > layer[step.module]]


def drawing(steps: list[Step]) -> str:
    """The path as SVG: a line a file, indented by its depth, in the colour of its package."""
    row, indent, width = 34, 34, 940
    colours = {"flows": "#dbe7f6", "pipeline": "#dcefdc", "hsrl_train": "#f6e6d0"}
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {row * len(steps) + 20}" '
        'font-family="sans-serif" font-size="14" role="img">',
        "<title>The files that one raw row passes on its way to a Semantic ID and a policy</title>",
        f'<rect width="{width}" height="{row * len(steps) + 20}" fill="white"/>',
    ]
    last: dict[int, int] = {}
    for number, step in enumerate(steps):
        x, y = 12 + indent * step.depth, 10 + row * number
        if step.depth:
            above = last[step.depth - 1]
            lines.append(f'<path d="M{x - indent + 12} {above + 26}V{y + 13}H{x}" fill="none" stroke="#777"/>')
        last[step.depth] = y
        length = 16 + 7.6 * len(step.file)
        colour = colours[step.module.partition(".")[0]]
        lines.append(f'<rect x="{x}" y="{y}" width="{length:.0f}" height="26" rx="4" fill="{colour}" stroke="#777"/>')
        lines.append(f'<text x="{x + 8}" y="{y + 18}">{escape(step.file)}</text>')
        if step.says:
            lines.append(f'<text x="{x + length + 10:.0f}" y="{y + 18}" fill="#444">{escape(step.says)}</text>')
    return "\n".join([*lines, "</svg>", ""])


def table(steps: list[Step]) -> str:
    """The path as Markdown, with the first line of each module's docstring."""
    files = modules()
    rows = [
        f"**{len(steps)} files, {len(climbs(steps))} imports back into a higher layer.**",
        "",
        "| file | what it does |",
        "| --- | --- |",
    ]
    for step in steps:
        doc = (ast.get_docstring(ast.parse(files[step.module].read_text(encoding="utf-8"))) or "").partition("\n")[0]
        rows.append(f"| `{step.file}` | {doc.replace('|', chr(92) + '|')} |")
    return "\n".join(rows)


def page(steps: list[Step], old: str) -> str:
    """The page with the table put in its place.

    Raises:
        SystemExit: the page lacks the marks between which it stands.
    """
    before, begin, rest = old.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise SystemExit(f"{PAGE}: expected the lines {BEGIN} and {END}")
    return f"{before}{BEGIN}\n{table(steps)}\n{END}{after}"


def main() -> None:
    """Write both files."""
    steps = path()
    DRAWING.write_text(drawing(steps), encoding="utf-8")
    PAGE.write_text(page(steps, PAGE.read_text(encoding="utf-8")), encoding="utf-8")
    sys.stdout.write(f"{len(steps)} files, {len(climbs(steps))} climbs\n")


if __name__ == "__main__":
    main()
