"""One self-contained page that draws a trace: no script, nothing fetched, every text escaped."""

import json
from html import escape

from pipeline.warehouse.trace import Node, Trace

# A column shows so many nodes of a kind; the table below the drawing has all of them.
_AT_MOST = 8
_WIDTH, _HEIGHT, _GAP_X, _GAP_Y = 210, 40, 46, 12
_COLOURS = {
    "raw file": "#8d6e63", "ingest": "#6d8f3f", "release": "#37474f", "codebook": "#7b4fa3", "embedding_model": "#2a7f8e", "item": "#c0672b",
    "semantic id": "#b3395b", "simulator": "#5c6bc0", "policy": "#1565c0",
}  # fmt: skip
_STYLE = (
    "body{font:14px/1.45 system-ui,sans-serif;margin:24px;color:#222;background:#fff}h1{font-size:20px}h2{font-size:16px;margin-top:28px}"
    "table{border-collapse:collapse}td,th{text-align:left;padding:3px 14px 3px 0;border-bottom:1px solid #ddd;vertical-align:top}"
    "th{white-space:nowrap}td{overflow-wrap:anywhere}summary{cursor:pointer}pre{font-size:12px;margin:4px 0}.id{color:#666;font-weight:normal}"
    "code{font-size:12px}.drawing{overflow-x:auto}svg text{font:12px system-ui,sans-serif}"
)


def page(trace: Trace) -> str:
    """The trace as HTML: facts, a drawing from raw files on the left to what depends on them on the right, and every node."""
    subject = trace.nodes[trace.subject]
    title = f"{subject.kind} {subject.name}"
    facts = "".join(f"<tr><th>{escape(str(name))}</th><td>{_fact(value)}</td></tr>" for name, value in trace.facts.items())
    rows = "".join(_row(trace, node) for node in sorted(trace.nodes.values(), key=lambda one: (one.kind, one.name, one.id)))
    return (
        "<!doctype html><html lang='en'><head><meta charset='utf-8'>"
        "<meta http-equiv='Content-Security-Policy' content=\"default-src 'none'; style-src 'unsafe-inline'\">"
        f"<title>{escape(title)}</title><style>{_STYLE}</style></head>"
        f"<body><h1>{escape(title)} <span class='id'>{escape(subject.id)}</span></h1><table>{facts}</table>"
        f"<h2>From raw files to what depends on them</h2><div class='drawing'>{_drawing(trace)}</div>"
        f"<h2>Everything in it</h2><table><tr><th>kind</th><th>name</th><th>id</th><th>SHA-256</th><th>made from</th></tr>{rows}</table>"
        "</body></html>\n"
    )


def _row(trace: Trace, node: Node) -> str:
    inputs = trace.inputs(node.id)
    told = ", ".join(f"{trace.nodes[one].kind} {trace.nodes[one].name}" for one in inputs[:_AT_MOST])
    more = f" … and {len(inputs) - _AT_MOST} more" if len(inputs) > _AT_MOST else ""
    cells = (node.kind, node.name, node.id, node.sha256 or "", told + more)
    return "<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in cells) + "</tr>"


def _drawing(trace: Trace) -> str:
    shown, hidden = _columns(trace)
    place = {
        one: (20 + x * (_WIDTH + _GAP_X), 10 + y * (_HEIGHT + _GAP_Y))
        for x, column in enumerate(shown)
        for y, one in enumerate(column)
    }
    lines = []
    for made, source in sorted(trace.edges):
        if made in place and source in place:
            (x1, y1), (x2, y2) = place[source], place[made]
            x1, y1, y2 = x1 + _WIDTH, y1 + _HEIGHT // 2, y2 + _HEIGHT // 2
            middle = (x1 + x2) // 2
            lines.append(
                f"<path d='M{x1} {y1} C{middle} {y1} {middle} {y2} {x2} {y2}' fill='none' stroke='#9aa' stroke-width='1.2'/>"
            )
    boxes = [_box(trace, one, *at) for one, at in place.items()]
    notes = [
        f"<text x='{20 + x * (_WIDTH + _GAP_X)}' y='{10 + len(shown[x]) * (_HEIGHT + _GAP_Y) + 16}' fill='#666'>{escape(note)}</text>"
        for x, note in enumerate(hidden)
    ]
    width = 40 + len(shown) * (_WIDTH + _GAP_X)
    height = 40 + max(len(column) for column in shown) * (_HEIGHT + _GAP_Y)
    return f"<svg xmlns='http://www.w3.org/2000/svg' width='{width}' height='{height}' role='img'>{''.join(lines + boxes + notes)}</svg>"


def _box(trace: Trace, one: str, x: int, y: int) -> str:
    node = trace.nodes[one]
    border = " stroke='#000' stroke-width='3'" if one in trace.started else ""
    tip = escape(f"{node.kind} {node.name}\n{node.id}" + (f"\nSHA-256 {node.sha256}" if node.sha256 else ""))
    name = node.name if len(node.name) <= 27 else f"{node.name[:10]}…{node.name[-16:]}"
    return (
        f"<g><title>{tip}</title><rect x='{x}' y='{y}' width='{_WIDTH}' height='{_HEIGHT}' rx='6' fill='{_COLOURS.get(node.kind, '#777')}'"
        f"{border}/><text x='{x + 8}' y='{y + 16}' fill='#fff' font-weight='bold'>"
        f"{escape(node.kind)}</text><text x='{x + 8}' y='{y + 32}' fill='#fff'>{escape(name)}</text></g>"
    )


def _columns(trace: Trace) -> tuple[list[list[str]], list[str]]:
    """Ids by their distance from the raw files, the starts first and few of a kind; and what each column leaves out."""
    depth = _depths(trace)
    shown: list[list[str]] = []
    hidden: list[str] = []
    for level in sorted(set(depth.values())):
        here = sorted(
            (one for one in trace.nodes if depth[one] == level),
            key=lambda one: (one not in trace.started, trace.nodes[one].kind, trace.nodes[one].name, one),
        )
        column: list[str] = []
        seen: dict[str, int] = {}
        for one in here:
            kind = trace.nodes[one].kind
            seen[kind] = seen.get(kind, 0) + 1
            if seen[kind] <= _AT_MOST:
                column.append(one)
        shown.append(column)
        hidden.append(", ".join(f"{count - _AT_MOST} more of {kind}" for kind, count in seen.items() if count > _AT_MOST))
    return shown, hidden


def _depths(trace: Trace) -> dict[str, int]:
    """The longest way from something that was made from nothing here; lineage has no circles."""
    inputs: dict[str, list[str]] = {one: [] for one in trace.nodes}
    for made, source in trace.edges:
        inputs[made].append(source)
    depth: dict[str, int] = {}
    waiting = sorted(trace.nodes)
    while waiting:
        one = waiting[-1]
        open_inputs = [source for source in inputs[one] if source not in depth]
        if open_inputs:
            waiting += open_inputs
        else:
            depth[waiting.pop()] = max((depth[source] + 1 for source in inputs[one]), default=0)
    return depth


def _fact(value: object) -> str:
    """A value as HTML; a JSON object, such as the settings of a run, folded and one field a line."""
    text = "" if value is None else str(value)
    try:
        fields = json.loads(text)
    except json.JSONDecodeError:  # any other text
        fields = None
    if not isinstance(fields, dict):
        return escape(text)
    told = json.dumps(fields, indent=2, ensure_ascii=False)
    return f"<details><summary>{told.count(chr(10)) - 1} lines</summary><pre>{escape(told)}</pre></details>"
