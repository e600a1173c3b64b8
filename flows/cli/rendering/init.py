"""What init prints."""

from datetime import datetime
from typing import Any

from rich.console import Console

from flows.cli.rendering.terminal import facts, table

_FEW = 3
_LETTERS = 40


def init(console: Console, report: dict[str, Any]) -> None:
    """The rows as the source read them, what was counted and what is unsure, and the next command."""
    rows = report["rows"]
    names = list(rows[0])
    are_numbers = [any(isinstance(row[name], int | float) for row in rows) for name in names]
    table(console, names, are_numbers, [[_short(row[name]) for name in names] for row in rows], len(rows))
    log = report["log"]
    facts(
        console,
        (
            (
                "log",
                f"{', '.join(log[:_FEW])}{f' and {len(log) - _FEW} more' if len(log) > _FEW else ''}, read as {report['kind']}",
            ),
            ("events", f"{report['events']:,}, of which {report['positive']:,} positive; {report['rejected']:,} rows refused"),
            ("users, items", f"{report['users']:,} and {report['items']:,}"),
            *(("unsure", doubt) for doubt in report["unsure"]),
            ("written", report["configuration"]),
            ("next", report["next"]),
        ),
    )


def _short(value: Any) -> Any:
    """A long text by its beginning, and a time without its zone, which is UTC."""
    if isinstance(value, datetime):
        return value.replace(tzinfo=None).isoformat(" ")
    text = str(value)
    return f"{text[:_LETTERS]}…" if isinstance(value, str) and len(text) > _LETTERS else value
