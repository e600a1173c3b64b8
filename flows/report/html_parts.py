"""The parts that the morning page is made of: style, sections, tables, badges and pictures."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from flows.runtime.html_text import as_html

if TYPE_CHECKING:
    from flows.report.pictures import Drawn

# Rows of a table that stand open; the others are folded below them.
OPEN_ROWS = 7
CSS = (
    ":root{color-scheme:light dark;--ink:#24292f;--soft:#59636e;--pale:#d0d7de;--sheet:#fff;--card:#f6f8fa;--good:#1a7f37;"
    "--warn:#9a6700;--bad:#c4162a;--calm:#57606a}"
    "@media(prefers-color-scheme:dark){:root{--ink:#e6edf3;--soft:#9198a1;--pale:#3d444d;--sheet:#0d1117;--card:#151b23;"
    "--good:#3fb950;--warn:#d29922;--bad:#f85149;--calm:#9198a1}}"
    "*{box-sizing:border-box}body{margin:0 auto;max-width:1100px;padding:20px;font:15px/1.5 system-ui,sans-serif;color:var(--ink);"
    "background:var(--sheet);overflow-wrap:anywhere}header p{margin:0;font-size:17px}h1{font-size:24px;margin:0 0 4px}"
    "h2{font-size:19px;margin:0 0 4px;padding-top:14px;border-top:1px solid var(--pale)}h3{font-size:15px;margin:16px 0 6px}"
    "section{margin:26px 0}p{margin:4px 0 10px}.small{color:var(--soft);font-size:13px}.lead{color:var(--soft)}"
    ".card{background:var(--card);border-left:4px solid var(--calm);padding:10px 14px;margin:10px 0;border-radius:4px}"
    ".card h3{margin:0}.card p{margin:2px 0}.finding{margin-top:10px}"
    ".card.good{border-color:var(--good)}.card.warn{border-color:var(--warn)}.card.bad{border-color:var(--bad)}"
    ".badge{display:inline-block;padding:0 8px;border-radius:9px;border:1px solid currentColor;font-size:12.5px;font-weight:600;"
    "line-height:1.5;white-space:nowrap}.badge.good{color:var(--good)}.badge.warn{color:var(--warn)}.badge.bad{color:var(--bad)}"
    ".badge.calm{color:var(--calm)}"
    ".pictures{display:grid;gap:18px 26px;grid-template-columns:repeat(auto-fit,minmax(min(100%,400px),1fr));margin:8px 0 14px}"
    "figure{margin:0;min-width:0;max-width:620px}figcaption{font-weight:600;font-size:14px;margin-bottom:2px}"
    "figure svg{display:block;width:100%;height:auto}svg text{font-family:system-ui,sans-serif!important}"
    ".scroll{overflow-x:auto;margin:4px 0 10px}table{border-collapse:collapse;font-size:14px;font-variant-numeric:tabular-nums}"
    "td,th{padding:3px 14px 3px 0;text-align:left;vertical-align:top;border-bottom:1px solid var(--pale);white-space:nowrap}"
    "th{font-weight:600;color:var(--soft);vertical-align:bottom}td.n,th.n{text-align:right}"
    "td.wide{min-width:min(340px,80vw);max-width:420px;white-space:normal;overflow-wrap:anywhere}tr.strong td{font-weight:600}"
    "td small{display:block;color:var(--soft);font-size:11.5px;font-weight:400;line-height:1.2}"
    "summary{cursor:pointer;color:var(--soft);margin:4px 0}ul{padding-left:18px}code{font-size:13px}"
    "@media(max-width:600px){body{padding:12px}section{margin:20px 0}.pictures{grid-template-columns:1fr}}"
)
# Texts of at least so many letters get room in a table, and may break.
_WIDE = 30


@dataclass(frozen=True)
class Column:
    """A column of a table.

    Attributes:
        head: above it.
        name: of the value in a row.
        show: the value as text; whole numbers have thousands apart, texts stand as they are.
        missing: stands for no value.
        note: name of a text in the row that stands small under the value, such as its interval.
    """

    head: str
    name: str
    show: Callable[[Any], str] | None = None
    missing: str = ""
    note: str = ""

    def text(self, row: Mapping[str, Any]) -> str:
        """The cell of a row."""
        value = row.get(self.name)
        if value is None:
            return self.missing
        if self.show is not None:
            return self.show(value)
        return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)


def section(title: str, lead: str, body: str) -> str:
    """A part of the page; ``lead`` is plain text, ``body`` HTML."""
    return f"<section><h2>{as_html(title)}</h2>{f'<p class=lead>{as_html(lead)}</p>' if lead else ''}{body}</section>"


def badge(look: str, text: str) -> str:
    """A short word in a colour: good, warn, bad or calm."""
    return f"<span class='badge {look}'>{as_html(text)}</span>"


def picture_grid(pictures: Sequence["Drawn"]) -> str:
    """Pictures next to each other where there is room; nothing for none."""
    drawn = "".join(f"<figure><figcaption>{as_html(each.title)}</figcaption>{each.svg}</figure>" for each in pictures)
    return f"<div class='pictures'>{drawn}</div>" if drawn else ""


def table(
    rows: Sequence[Mapping[str, Any]],
    columns: Sequence[Column],
    strong: Callable[[Mapping[str, Any]], bool] | None = None,
    *,
    folds: bool = True,
) -> str:
    """A table in a scroller of its own.

    Args:
        rows: from top to bottom.
        columns: from left to right; those of numbers are set to the right.
        strong: whether a row stands out.
        folds: rows beyond the first few are folded.
    """
    numbers = [all(isinstance(row.get(column.name), int | float | None) for row in rows) for column in columns]
    head = "".join(
        f"<th{' class=n' if number else ''}>{as_html(column.head)}</th>" for column, number in zip(columns, numbers, strict=True)
    )
    lines = []
    for row in rows:
        cells = (_cell(column, row, is_number=number) for column, number in zip(columns, numbers, strict=True))
        lines.append(f"<tr{' class=strong' if strong and strong(row) else ''}>{''.join(cells)}</tr>")
    n_open = OPEN_ROWS if folds and len(lines) > OPEN_ROWS + 2 else len(lines)
    shown = _lines(head, lines[:n_open])
    if n_open == len(lines):
        return shown
    return f"{shown}<details><summary>{len(lines) - n_open:,} more</summary>{_lines(head, lines[n_open:])}</details>"


def _lines(head: str, lines: Sequence[str]) -> str:
    return f"<div class='scroll'><table><thead><tr>{head}</tr></thead><tbody>{''.join(lines)}</tbody></table></div>"


def _cell(column: Column, row: Mapping[str, Any], *, is_number: bool) -> str:
    text, note = column.text(row), row.get(column.note)
    look = " class=n" if is_number else " class=wide" if len(text) >= _WIDE else ""
    return f"<td{look}>{as_html(text)}{f'<small>{as_html(str(note))}</small>' if note else ''}</td>"


def megabytes(n_bytes: int) -> str:
    """Bytes as millions of bytes."""
    return f"{n_bytes / 1e6:,.2f}" if n_bytes < 1e8 else f"{n_bytes / 1e6:,.0f}"
