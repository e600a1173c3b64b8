"""Tables and lines for people; no text of the data steers the terminal."""

import sys
from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from pipeline.printable import printable

# Rows that a terminal shows; --json has them all.
ROWS = 200
_UNBOUNDED = 100_000  # characters


def console() -> Console:
    """Standard output: as wide as the terminal, and without bounds in a pipe or file, where nothing may be folded."""
    return Console() if sys.stdout.isatty() else Console(width=_UNBOUNDED)


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
    shown = [[Text(cell(value)) for value in row] for row in rows]
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


def facts(console: Console, lines: tuple[tuple[str, str], ...]) -> None:
    """Name and text of each, a line each."""
    for name, text in lines:
        console.print(printable(f"{name:<13} {text}"), markup=False, highlight=False, soft_wrap=True)


def cell(value: Any) -> str:
    """A value of the data as a terminal may show it."""
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.6g}"
    return printable(str(value), keep="\n\t")
