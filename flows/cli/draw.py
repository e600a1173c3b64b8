"""Commands that draw: `hsrl draw` the Semantic IDs of a release, `hsrl draw policy` how a policy learned and what it shows."""

from pathlib import Path
from typing import Annotated

import typer

from flows.cli.options import Json, WarehouseFolder, show
from flows.cli.rendering import policy as present_policy
from flows.cli.rendering import questions as present
from flows.runtime.locations import warehouse_path

# Heavy libraries are imported by the command that needs them, so that `hsrl --help` and `hsrl sql` start at once.

group = typer.Typer()
draw = typer.Typer(invoke_without_command=True)
group.add_typer(draw, name="draw", epilog="Example: hsrl draw --warehouse warehouse/demo --out sids")


@draw.callback(epilog="Example: hsrl draw --warehouse warehouse/demo --out sids")
def release(
    context: typer.Context,
    warehouse: WarehouseFolder = None,
    out: Annotated[Path, typer.Option("--out", help="Where to; .png and .html are added.")] = Path("sids"),
    as_json: Json = False,
) -> None:
    """Draw the newest release's Semantic IDs: prefixes coloured by category, and the use of every code."""
    if context.invoked_subcommand is not None:
        return
    from flows.queries.draw import draw_release
    from flows.runtime.run import Run

    root = warehouse_path(warehouse)
    with Run("draw").stage("draw"):
        report = draw_release(root, out)
    show(report, present.draw, as_json)


@draw.command(epilog="Example: hsrl draw policy --out policy --warehouse warehouse/demo")
def policy(
    name: Annotated[
        str | None, typer.Argument(help="A policy's id or its first letters, or a release; else the policy served now.")
    ] = None,
    out: Annotated[Path, typer.Option("--out", help="Where to; .png is added.")] = Path("policy"),
    warehouse: WarehouseFolder = None,
    memory_mb: Annotated[int, typer.Option("--memory-mb", min=64, help="Memory of the SQL engine, MB.")] = 2_000,
    as_json: Json = False,
) -> None:
    """Draw a policy: its training, the token probabilities of every level, and what it shows by category beside the log."""
    from flows.queries.draw_policy import draw_policy
    from flows.runtime.run import Run

    with Run("draw").stage("draw"):
        report = draw_policy(warehouse_path(warehouse), name, out, memory_mb)
    show(report, present_policy.drawn, as_json)
