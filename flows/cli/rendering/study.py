"""What reproduce prints."""

from typing import Any

from rich.console import Console
from rich.table import Table

from flows.cli.rendering.terminal import facts


def reproduce(console: Console, report: dict[str, Any]) -> None:
    """What each variant reached, and where the pages are."""
    drawn = Table(show_edge=False, title="total reward of whole sessions, transferred", title_justify="left")
    for name in ("variant", "total reward", "95 % interval", "beside the first"):
        drawn.add_column(name, justify="left" if name == "variant" else "right")
    for row in [*report["variants"], *report["references"]]:
        difference = row.get("difference")
        interval = f"{row['transferred_low']:.2f} … {row['transferred_high']:.2f}"
        drawn.add_row(row["variant"], f"{row['transferred']:.2f}", interval, "" if difference is None else f"{difference:+.2f}")
    console.print(drawn)
    facts(console, (("written", ", ".join(report["files"])),))
