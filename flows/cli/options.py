"""Options that several commands have, and how a command hands over its report."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from flows.cli.rendering.terminal import console

Config = Annotated[Path | None, typer.Option("--config", help="TOML file; ready ones are in flows/configs/. Else HSRL_CONFIG.")]
WarehouseFolder = Annotated[
    Path | None, typer.Option("--warehouse", help="Folder of the warehouse. Else HSRL_WAREHOUSE, else ./warehouse.")
]
Device = Annotated[
    str | None,
    typer.Option(
        "--device",
        help="Where policies learn: cpu, cuda (the first graphics card) or cuda:1 (the second); not given: as training.device says.",
    ),
]
Runner = Annotated[
    str | None,
    typer.Option(
        "--runner",
        help="threads, dask, dask@tcp://host:port, ray or ray@host:port; not given: as engine.runner says.",
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON value on standard output.")]


def show(report: dict[str, Any], as_text: Callable[[Console, dict[str, Any]], None], as_json: bool) -> None:
    """Print a report, as one JSON value or for people."""
    if as_json:
        print(json.dumps(report, default=str))
    else:
        as_text(console(), report)
