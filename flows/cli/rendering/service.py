"""What doctor prints."""

from typing import Any

from rich.console import Console
from rich.text import Text

from pipeline.printable import printable

_STYLES = {"OK": "green", "WARN": "yellow", "FAIL": "bold red"}


def doctor(console: Console, report: dict[str, Any]) -> None:
    """A line for each check and, where there is something to do, what."""
    for check in report["checks"]:
        status = Text(f"{check['status']:<5}", style=_STYLES[check["status"]])
        console.print(
            Text.assemble(status, printable(f"{check['name']:<17} {check['finding']}")), highlight=False, soft_wrap=True
        )
        if check["mend"] and check["status"] != "OK":
            console.print(Text(printable(f"{'':<23}→ {check['mend']}")), highlight=False, soft_wrap=True)
