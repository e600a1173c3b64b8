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


@sids.command(epilog="Example: hsrl sids audit mine.csv theirs.parquet --warehouse warehouse/demo")
def audit(
    files: Annotated[list[Path], typer.Argument(help="One mapping of item to tokens, or two: .csv, .json, .jsonl or .parquet.")],
    warehouse: WarehouseFolder = None,
    vectors: Annotated[
        Path | None, typer.Option("--vectors", help="Parquet of items and their vector; else those of the warehouse.")
    ] = None,
    alone: Annotated[bool, typer.Option("--alone", help="Judge the files without a warehouse's likes and vectors.")] = False,
    as_json: Json = False,
) -> None:
    """Judge Semantic IDs of any tool: collisions, use of codes, agreement with likes and vectors, and the churn between two files."""
    from flows.queries.sid_audit import audit_sids
    from pipeline.errors import ConfigError
    from pipeline.warehouse.warehouse import Warehouse

    if len(files) > 2:
        raise ConfigError(f"sids audit: {len(files)} files are given, expected one or two")
    root = warehouse_path(warehouse)
    is_used = not alone and (warehouse is not None or Warehouse.is_at(root))
    show(audit_sids(tuple(files), root if is_used else None, vectors), present.audit, as_json)
