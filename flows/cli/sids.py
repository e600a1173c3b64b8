"""Commands over Semantic IDs as files: sids export writes them for other systems, sids audit judges those of any tool."""

from pathlib import Path
from typing import Annotated

import typer

from flows.cli.options import Json, WarehouseFolder, show
from flows.cli.rendering import sids as present
from flows.runtime.locations import warehouse_path

# Heavy libraries are imported by the command that needs them, so that `hsrl --help` and `hsrl sql` start at once.

group = typer.Typer()
sids = typer.Typer(no_args_is_help=True)
group.add_typer(
    sids,
    name="sids",
    help="Hand Semantic IDs to other systems, and judge those of any tool.",
    epilog="Example: hsrl sids export --format parquet --out items.parquet --warehouse warehouse/demo",
)


@sids.command(epilog="Example: hsrl sids export --format parquet --out items.parquet --warehouse warehouse/demo")
def export(
    out: Annotated[Path, typer.Option("--out", help="File to write; refused where one is there.")],
    form: Annotated[str, typer.Option("--format", help="parquet, json, jsonl, npy, tokens or trie.")] = "parquet",
    warehouse: WarehouseFolder = None,
    release: Annotated[int | None, typer.Option("--release", help="A release; else the newest.")] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Write over a file that is there.")] = False,
    as_json: Json = False,
) -> None:
    """Write the Semantic ID of every item of a release, with release, codebook and checksum inside."""
    from flows.queries.sid_export import export_sids

    show(export_sids(warehouse_path(warehouse), out, form, release, overwrite), present.export, as_json)
