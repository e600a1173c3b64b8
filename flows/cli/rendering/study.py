"""What reproduce prints."""

from typing import Any

from rich.console import Console
from rich.table import Table

from flows.cli.rendering.terminal import facts


def reproduce(console: Console, report: dict[str, Any]) -> None:
    """What each variant reached, and where the pages are."""
    if report["stages"]:
        _stages(console, report["stages"])
        facts(console, (("written", ", ".join(report["files"])),))
        return
    kind = "transferred" if report["variants"][0]["panel_reward"] is None else "panel_reward"
    judges = {"transferred": "the family learned in", "panel_reward": "families that nobody learned in"}[kind]
    drawn = Table(show_edge=False, title=f"total reward of whole sessions in {judges}", title_justify="left")
    for name in ("variant", "total reward", "95 % interval", "beside the first", "verdict", "real AUC"):
        drawn.add_column(name, justify="left" if name in ("variant", "verdict") else "right")
    for row in [*report["variants"], *report["references"]]:
        difference, reward, auc = row.get("difference"), row.get(kind), row.get("auc_in_slate")
        drawn.add_row(
            row["variant"],
            "" if reward is None else f"{reward:.2f}",
            "" if reward is None else f"{row[f'{kind}_low']:.2f} … {row[f'{kind}_high']:.2f}",
            "" if difference is None else f"{difference:+.2f}",
            row.get("verdict") or "",
            "" if auc is None else f"{auc:.3f}",
        )
    console.print(drawn)
    facts(console, (("written", ", ".join(report["files"])),))


def _stages(console: Console, rows: list[dict[str, Any]]) -> None:
    """What each policy reached on the catalogues of the test."""
    drawn = Table(show_edge=False, title="total reward of whole sessions, as items give way to others", title_justify="left")
    for name in ("variant", "stage", "total reward", "change, paired", "beside the first's"):
        drawn.add_column(name, justify="left" if name in ("variant", "stage") else "right")
    for row in rows:
        cells = (row["change"], row["beside"])
        drawn.add_row(
            row["variant"], row["stage"], f"{row['reward']:.2f}", *("" if value is None else f"{value:+.2f}" for value in cells)
        )
    console.print(drawn)


def ab(console: Console, report: dict[str, Any]) -> None:
    """The read-out of an A/B test."""
    drawn = Table(show_edge=False, title=f"{report['treatment']} beside {report['control']}", title_justify="left")
    for name in ("metric", "control", "difference", "95 % interval", "relative", "p"):
        drawn.add_column(name, justify="left" if name == "metric" else "right")
    for row in report["lifts"]:
        drawn.add_row(
            row["metric"],
            f"{row['control']:.3f}",
            f"{row['difference']:+.3f}",
            f"{row['low']:+.3f} … {row['high']:+.3f}",
            f"{row['relative']:+.1%}",
            f"{row['p_value']:.2g}",
        )
    console.print(drawn)
    lines = [
        (
            f"to find {row['difference']:+.3f}",
            ", ".join(
                "no number of " + name if row[name] is None else f"{row[name]:,} {name}" for name in row if name != "difference"
            ),
        )
        for row in report["users_needed"]
        if row["users in each arm"] is not None
    ]
    facts(console, (*lines, ("written", ", ".join(report["files"]))))
