"""Commands that make releases: refresh, retrain, and demo, which does both on a generated feed."""

from datetime import datetime
from typing import Annotated

import typer

from flows.cli.options import Config, Device, Json, Runner, WarehouseFolder, show
from flows.cli.rendering import nights as present
from flows.runtime.locations import warehouse_path

# Heavy libraries are imported by the command that needs them, so that `hsrl --help` and `hsrl sql` start at once.

group = typer.Typer()


@group.command(epilog="Example: hsrl demo --warehouse warehouse/demo")
def demo(warehouse: WarehouseFolder = None, as_json: Json = False) -> None:
    """Generate a feed and run everything on it: records, Semantic IDs, simulators, a policy, a warehouse to query."""
    from flows.cli.demo import run_demo

    report = run_demo(warehouse_path(warehouse))
    show(report, present.demo, as_json)


@group.command(epilog="Example: hsrl refresh --config flows/configs/ml-100k.toml --warehouse warehouse/ml-100k")
def refresh(
    config: Config = None,
    warehouse: WarehouseFolder = None,
    first: Annotated[datetime | None, typer.Option("--from", formats=["%Y-%m-%d"], help="Ingest no day before this one.")] = None,
    last: Annotated[datetime | None, typer.Option("--to", formats=["%Y-%m-%d"], help="Ingest no day after this one.")] = None,
    accept: Annotated[
        list[str] | None, typer.Option("--accept", help="A change that is meant: a setting, or delivery_drift. May be repeated.")
    ] = None,
    runner: Runner = None,
    rebuild: Annotated[bool, typer.Option("--rebuild", help="Learn embeddings and codebook anew; every SID may change.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be done, and do nothing.")] = False,
    as_json: Json = False,
) -> None:
    """Ingest what is new, give new items Semantic IDs, audit and publish."""
    from flows.refresh.flow import refresh
    from flows.refresh.request import RefreshRequest
    from flows.runtime.run import Run
    from flows.runtime.runner import cluster_of
    from flows.runtime.settings import load_settings, run_on
    from flows.runtime.steps import DirectSteps

    root = warehouse_path(warehouse)
    request = RefreshRequest(
        first.date() if first else None, last.date() if last else None, rebuild, dry_run, tuple(accept or ())
    )
    settings = run_on(load_settings(config, root), None, runner)
    with cluster_of(settings.engine.runner, root) as cluster:
        report = refresh(settings, root, Run("daily-refresh"), DirectSteps(cluster=cluster), request)
    show(report, present.refresh, as_json)


@group.command(epilog="Example: hsrl retrain --config flows/configs/ml-100k.toml --warehouse warehouse/ml-100k")
def retrain(
    config: Config = None,
    warehouse: WarehouseFolder = None,
    device: Device = None,
    runner: Runner = None,
    as_json: Json = False,
) -> None:
    """Train simulators and a policy on the newest release, judge it, and publish it if it is not worse."""
    from flows.retrain.flow import retrain
    from flows.runtime.run import Run
    from flows.runtime.runner import cluster_of
    from flows.runtime.settings import load_settings, run_on
    from flows.runtime.steps import DirectSteps

    root = warehouse_path(warehouse)
    settings = run_on(load_settings(config, root), device, runner)
    with cluster_of(settings.engine.runner, root) as cluster:
        report = retrain(settings, root, Run("nightly-retrain"), DirectSteps(cluster=cluster))
    show(report, present.retrain, as_json)
