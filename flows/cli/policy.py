"""Commands over published policies as files: policy export writes one for programs without this project's code."""

from pathlib import Path
from typing import Annotated

import typer

from flows.cli.options import Json, WarehouseFolder, show
from flows.cli.rendering import policy as present
from flows.runtime.locations import warehouse_path

# Heavy libraries are imported by the command that needs them, so that `hsrl --help` and `hsrl sql` start at once.

group = typer.Typer()
policy = typer.Typer(no_args_is_help=True)
group.add_typer(
    policy,
    name="policy",
    help="Hand the published policy to other programs.",
    epilog="Example: hsrl policy export --out policy.pt --warehouse warehouse/demo",
)


@policy.callback()
def _group() -> None:
    """Hand the published policy to other programs."""


@policy.command(epilog="Example: hsrl policy export --out policy.pt --warehouse warehouse/demo")
def export(
    out: Annotated[Path, typer.Option("--out", help="TorchScript file to write; refused where a file is there.")],
    warehouse: WarehouseFolder = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Write over a file that is there.")] = False,
    memory_mb: Annotated[int, typer.Option("--memory-mb", min=64, help="Memory of the SQL engine, MB.")] = 2_000,
    low_level: Annotated[
        bool, typer.Option("--low-level", help="Only the part of an mccHRL policy that picks items, with its size and latency.")
    ] = False,
    k: Annotated[int, typer.Option("--k", min=1, help="Items of a slate, with --low-level.")] = 10,
    as_json: Json = False,
) -> None:
    """Write the published policy as TorchScript, with its items and their tokens inside."""
    from flows.queries.policy_export import export_low_level_of_published, export_published

    if low_level:
        report = export_low_level_of_published(warehouse_path(warehouse), out, k, memory_mb, overwrite)
        show(report, present.low_level, as_json)
        return
    show(export_published(warehouse_path(warehouse), out, memory_mb, overwrite), present.export, as_json)
