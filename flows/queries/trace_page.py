"""One self-contained page that draws a trace: no script, nothing fetched, every text escaped."""

import json
from collections import defaultdict

from flows.queries.trace_layout import Box, boxes_of, called, lines_of
from flows.runtime.html_text import as_html
from pipeline.warehouse.trace import Node, Trace

# The drawing fits a screen of 1,440 pixels within the page's margins.
_WIDTH, _MARGIN = 1392, 4
_PITCH, _GAP_X = 236, 0.17  # from column to column where there is room; share of it that lies between two boxes
_HEIGHT, _GAP_Y = 42, 12
_LETTER = 7.6  # pixels of a letter, in a wide font
# Kinds of which a longer table is folded.
_UNFOLDED = 12
_FEW = 8  # inputs that a row of a table names
_COLOURS = {
    "raw file": "#795548", "ingest": "#557a2b", "records": "#3f6b5c", "release": "#37474f", "codebook": "#7b4fa3",
    "embedding_model": "#22707d", "item": "#b0561b", "semantic id": "#b3395b", "simulator": "#4a5ab0", "policy": "#1565c0",
}  # fmt: skip
_OTHER = "#666666"
_STYLE = (
    "body{font:14px/1.45 system-ui,sans-serif;margin:24px;color:#222;background:#fff}h1{font-size:20px;overflow-wrap:anywhere}"
    "h2{font-size:16px;margin:28px 0 4px}p{margin:4px 0 12px;color:#555}table{border-collapse:collapse}"
    "td,th{text-align:left;padding:3px 14px 3px 0;border-bottom:1px solid #ddd;vertical-align:top}th{white-space:nowrap}"
    "td{overflow-wrap:anywhere}summary{cursor:pointer;margin:6px 0}pre{font-size:12px;margin:4px 0}.id{color:#666;font-weight:normal}"
    "svg{max-width:100%;height:auto}svg text{font:12px system-ui,sans-serif}"
)
_LEGEND = (
    "Left to right from raw files to what was made from them. Heavy frame: what was asked for. Filled: what depends on it. "
    "Outlined: what it was made from. Things of a kind share a box with their number where they are many; the tables below name each."
)


def page(trace: Trace) -> str:
    """The trace as HTML: facts, a drawing from raw files on the left to what depends on them on the right, and every node.

    Raises:
        QueryError: something was made from itself, which no drawing shows.
    """
    drawing = _drawing(trace)
    subject = trace.nodes[trace.subject]
    title = " ".join(_heading(subject))
    facts = "".join(f"<tr><th>{as_html(str(name))}</th><td>{_fact(value)}</td></tr>" for name, value in trace.facts.items())
    return (
        "<!doctype html><html lang='en'><head><meta charset='utf-8'>"
        "<meta http-equiv='Content-Security-Policy' content=\"default-src 'none'; style-src 'unsafe-inline'\">"
        f"<title>{as_html(title)}</title><style>{_STYLE}</style></head>"
        f"<body><h1>{as_html(title)} <span class='id'>{as_html(subject.id)}</span></h1>"
        f"<h2>What it was made from, and what depends on it</h2><p>{_LEGEND}</p>{drawing}"
        f"<h2>What the tables say of it</h2><table>{facts}</table>"
        f"<h2>Everything in the drawing</h2>{_tables(trace)}</body></html>\n"
    )


def _drawing(trace: Trace) -> str:
    boxes = boxes_of(trace)
    n_columns = boxes[-1].column + 1
    pitch = min(_PITCH, (_WIDTH - 2 * _MARGIN) / n_columns)
    box_width = pitch * (1 - _GAP_X)
    corners: list[tuple[float, int]] = []
    heights: dict[int, int] = defaultdict(lambda: _MARGIN)
    for box in boxes:
        corners.append((_MARGIN + box.column * pitch, heights[box.column]))
        heights[box.column] += _HEIGHT + _GAP_Y
    lines = [_line(corners[source], corners[made], box_width, pitch) for source, made in lines_of(trace, boxes)]
    drawn = [_box(trace, box, *corner, box_width) for box, corner in zip(boxes, corners, strict=True)]
    width, height = round(2 * _MARGIN + n_columns * pitch), max(heights.values())
    return (
        f"<svg xmlns='http://www.w3.org/2000/svg' width='{width}' height='{height}' viewBox='0 0 {width} {height}' role='img'>"
        f"{''.join(lines + drawn)}</svg>"
    )


def _line(source: tuple[float, int], made: tuple[float, int], box_width: float, pitch: float) -> str:
    """From the right side of a box to the left side of another; to the right side of one in the same column."""
    x1, y1 = source[0] + box_width, source[1] + _HEIGHT // 2
    is_below = made[0] == source[0]
    x2, y2 = made[0] + (box_width if is_below else 0), made[1] + _HEIGHT // 2
    bend = pitch * _GAP_X * (0.8 if is_below else 0.6)
    way = f"M{x1:.0f} {y1} C{x1 + bend:.0f} {y1} {x2 + bend if is_below else x2 - bend:.0f} {y2} {x2:.0f} {y2}"
    return f"<path d='{way}' fill='none' stroke='#9aa5ab' stroke-width='1.2'/>"


def _box(trace: Trace, box: Box, x: float, y: int, width: float) -> str:
    nodes = [trace.nodes[node_id] for node_id in box.ids]
    kind, colour = nodes[0].kind, _COLOURS.get(nodes[0].kind, _OTHER)
    is_filled = box.is_subject or box.is_dependant
    frame = ("#000", 3) if box.is_subject else (colour, 1.2)
    ink, head_ink = ("#fff", "#fff") if is_filled else ("#222", colour)
    heading, name = called(kind, len(nodes)).split(" × ") if len(nodes) > 1 else _heading(nodes[0])
    letters = int((width - 12) / _LETTER)
    return (
        f"<g><title>{as_html(_tip(nodes))}</title><rect x='{x:.1f}' y='{y}' width='{width:.1f}' height='{_HEIGHT}' rx='5' "
        f"fill='{colour if is_filled else '#fff'}' stroke='{frame[0]}' stroke-width='{frame[1]}'/>"
        f"<text x='{x + 7:.1f}' y='{y + 17}' fill='{head_ink}'>{as_html(_short(heading, letters))}</text>"
        f"<text x='{x + 7:.1f}' y='{y + 33}' fill='{ink}'>{as_html(_short(name, letters))}</text></g>"
    )


def _heading(node: Node) -> tuple[str, str]:
    """Kind and name of one thing, in few words: a release by its number, what lies in the warehouse by the last part of its path."""
    if node.kind == "release":
        return node.id.replace(":", " "), node.name.partition(" by ")[0]
    return called(node.kind), node.name.rpartition("/")[2] if node.name.startswith(("artifacts/", "data/")) else node.name


def _tip(nodes: list[Node]) -> str:
    if len(nodes) > 1:
        more = f"\n… and {len(nodes) - _FEW:,} more" if len(nodes) > _FEW else ""
        return f"{called(nodes[0].kind, len(nodes))}\n" + "\n".join(node.name for node in nodes[:_FEW]) + more
    [node] = nodes
    return f"{node.kind} {node.name}\n{node.id}" + (f"\nSHA-256 {node.sha256}" if node.sha256 else "")


def _short(name: str, letters: int) -> str:
    """A name in so many letters."""
    if len(name) <= letters:
        return name
    return f"{name[: letters - letters // 2 - 1]}…{name[-(letters // 2) :]}"


def _tables(trace: Trace) -> str:
    """A table of each kind, folded where it is long."""
    kinds: dict[str, list[Node]] = defaultdict(list)
    for node in sorted(trace.nodes.values(), key=lambda node: (node.kind, len(node.name), node.name, node.id)):
        kinds[node.kind].append(node)
    head = "<tr><th>name</th><th>id</th><th>SHA-256</th><th>made from</th></tr>"
    return "".join(
        f"<details{' open' if len(nodes) <= _UNFOLDED else ''}><summary>{as_html(called(kind, len(nodes)))}</summary>"
        f"<table>{head}{''.join(_row(trace, node) for node in nodes)}</table></details>"
        for kind, nodes in kinds.items()
    )


def _row(trace: Trace, node: Node) -> str:
    inputs = trace.inputs(node.id)
    few = ", ".join(f"{called(trace.nodes[node_id].kind)} {trace.nodes[node_id].name}" for node_id in inputs[:_FEW])
    more = f" … and {len(inputs) - _FEW:,} more" if len(inputs) > _FEW else ""
    cells = (node.name, node.id, node.sha256 or "", few + more)
    return "<tr>" + "".join(f"<td>{as_html(cell)}</td>" for cell in cells) + "</tr>"


def _fact(value: object) -> str:
    """A value as HTML; a JSON object, such as the settings of a run, folded and one field a line."""
    text = "" if value is None else str(value)
    try:
        fields = json.loads(text)
    except json.JSONDecodeError:  # any other text
        fields = None
    if not isinstance(fields, dict):
        return as_html(text)
    text = json.dumps(fields, indent=2, ensure_ascii=False)
    return f"<details><summary>{text.count(chr(10)) - 1} lines</summary><pre>{as_html(text)}</pre></details>"
