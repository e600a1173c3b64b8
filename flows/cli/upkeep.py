"""Commands that look after a warehouse: rollback, forget, migrate, gc and verify."""

from typing import Annotated

import typer

from flows.cli.log_format import Log, LogFormat, begin
from flows.cli.options import Config, Json, WarehouseFolder, show
from flows.cli.rendering import upkeep as present
from flows.runtime.locations import warehouse_path

# Heavy libraries are imported by the command that needs them, so that `hsrl --help` and `hsrl sql` start at once.

group = typer.Typer()


@group.command(epilog="Example: hsrl rollback 12 --warehouse warehouse/demo")
def rollback(
    release: Annotated[int, typer.Argument(help="The release to go back to.")],
    warehouse: WarehouseFolder = None,
    log: Log = LogFormat.TEXT,
    as_json: Json = False,
) -> None:
    """Publish the Semantic IDs, codebooks and policies of an earlier release again; events and records stay."""
    from flows.maintenance.rollback import rollback

    show(rollback(warehouse_path(warehouse), release, begin("rollback")), present.rollback, as_json)


@group.command(epilog="Example: hsrl forget --user 42 --config flows/configs/generated.toml --warehouse warehouse/demo")
def forget(
    user: Annotated[str | None, typer.Option("--user", help="Id of the user, as the raw log spells it.")] = None,
    item: Annotated[str | None, typer.Option("--item", help="Id of the item, as the raw log spells it.")] = None,
    config: Config = None,
    warehouse: WarehouseFolder = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would go, and erase nothing.")] = False,
    as_json: Json = False,
) -> None:
    """Erase a user or an item from events, records and Semantic IDs, and from all that is learned from now on."""
    from flows.maintenance.forget import forget
    from flows.runtime.settings import load_settings

    if (user is None) == (item is None):
        raise typer.BadParameter("name one: --user ID or --item ID")
    root = warehouse_path(warehouse)
    settings, run = load_settings(config, root), begin("forget")
    report = forget(settings, root, "item" if user is None else "user", user or item or "", run, dry_run=dry_run)
    show(report, present.forget, as_json)


@group.command(epilog="Example: hsrl migrate --dry-run --warehouse warehouse/demo")
def migrate(
    warehouse: WarehouseFolder = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say which steps are needed, and take none.")] = False,
    as_json: Json = False,
) -> None:
    """Bring a warehouse that an earlier version made to the layout of this one, after a copy of its catalogue."""
    from flows.maintenance.migrate import migrate

    show(migrate(warehouse_path(warehouse), begin("migrate"), dry_run=dry_run), present.migrate, as_json)


@group.command(epilog="Example: hsrl gc --dry-run --warehouse warehouse/demo")
def gc(
    warehouse: WarehouseFolder = None,
    keep_days: Annotated[float, typer.Option(min=0, help="Releases of so many days can be opened as they were.")] = 30.0,
    keep_releases: Annotated[int, typer.Option(min=1, help="So can the last so many, however old.")] = 7,
    resume_days: Annotated[float, typer.Option(min=0, help="What a dead run staged is kept so many days.")] = 7.0,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be deleted, and delete nothing.")] = False,
    log: Log = LogFormat.TEXT,
    as_json: Json = False,
) -> None:
    """Delete what no kept release needs: old snapshots and their files, orphans, what dead runs staged."""
    from flows.maintenance.gc import collect_garbage
    from pipeline.warehouse.config import RetentionConfig

    retention = RetentionConfig(keep_days=keep_days, keep_releases=keep_releases, resume_days=resume_days)
    show(collect_garbage(warehouse_path(warehouse), begin("gc"), retention, dry_run=dry_run), present.gc, as_json)


@group.command(epilog="Example: hsrl verify --warehouse warehouse/demo")
def verify(
    warehouse: WarehouseFolder = None,
    drill: Annotated[
        bool, typer.Option("--drill", help="Lose part after part of a copy of the warehouse, and restore it as hsrl says.")
    ] = False,
    log: Log = LogFormat.TEXT,
    as_json: Json = False,
) -> None:
    """Compare every stored file of the newest release with the hash taken when it was written."""
    from flows.maintenance.verify import verify

    root = warehouse_path(warehouse)
    if drill:
        from flows.maintenance.drill import drill as play

        played = play(root, begin("verify"))
        show(played, present.drill, as_json)
        raise typer.Exit(0 if played["status"] == "restored" else 1)
    with begin("verify").stage("verify"):
        report = verify(root)
    show(report, present.verify, as_json)
