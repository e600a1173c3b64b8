"""Commands that make releases: refresh, retrain, and demo, which does both on a generated feed."""

from datetime import datetime
from typing import Annotated, Any

import typer

from flows.cli.log_format import Log, LogFormat, begin
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
    corrected: Annotated[
        bool, typer.Option("--corrected", help="Take in files that changed in place of what their deliveries brought before.")
    ] = False,
    runner: Runner = None,
    rebuild: Annotated[bool, typer.Option("--rebuild", help="Learn embeddings and codebook anew; every SID may change.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be done, and do nothing.")] = False,
    log: Log = LogFormat.TEXT,
    as_json: Json = False,
) -> None:
    """Ingest what is new, give new items Semantic IDs, audit and publish."""
    from flows.refresh.flow import refresh
    from flows.refresh.request import RefreshRequest
    from flows.runtime.alerts import AlertsConfig, attended
    from flows.runtime.extras import require_modules
    from flows.runtime.runner import cluster_of
    from flows.runtime.settings import load_alerts, load_settings
    from flows.runtime.steps import DirectSteps

    require_modules("faiss")
    root = warehouse_path(warehouse)
    days = (first.date() if first else None, last.date() if last else None)
    request = RefreshRequest(*days, rebuild, dry_run, tuple(accept or ()), "corrected" if corrected else None)
    run = begin("daily-refresh")

    def work() -> dict[str, Any]:
        settings = load_settings(config, root).with_runner(runner)
        with cluster_of(settings.engine.runner, root) as cluster:
            return refresh(settings, root, run, DirectSteps(cluster=cluster), request)

    report = attended(AlertsConfig() if dry_run else load_alerts(config, root), lambda: run, root, work)
    show(report, present.refresh, as_json)


@group.command(epilog="Example: hsrl requeue --config flows/configs/ml-100k.toml --warehouse warehouse/ml-100k")
def requeue(
    config: Config = None,
    warehouse: WarehouseFolder = None,
    accept: Annotated[
        list[str] | None, typer.Option("--accept", help="A change that is meant: a setting, or delivery_drift. May be repeated.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be read again, and do nothing.")] = False,
    as_json: Json = False,
) -> None:
    """Read deliveries with rows in quarantine again, after the configuration was mended, and publish what is taken in now."""
    from flows.refresh.flow import refresh
    from flows.refresh.request import RefreshRequest
    from flows.runtime.settings import load_settings
    from flows.runtime.steps import DirectSteps

    root = warehouse_path(warehouse)
    request = RefreshRequest(dry_run=dry_run, accept=tuple(accept or ()), again="quarantined")
    settings, run = load_settings(config, root), begin("requeue")
    show(refresh(settings, root, run, DirectSteps(), request), present.refresh, as_json)


@group.command(epilog="Example: hsrl retrain --config flows/configs/ml-100k.toml --warehouse warehouse/ml-100k")
def retrain(
    config: Config = None,
    warehouse: WarehouseFolder = None,
    device: Device = None,
    runner: Runner = None,
    log: Log = LogFormat.TEXT,
    as_json: Json = False,
) -> None:
    """Train simulators and a policy on the newest release, judge it, and publish it if it is not worse."""
    from flows.retrain.flow import retrain
    from flows.runtime.alerts import attended
    from flows.runtime.runner import cluster_of
    from flows.runtime.settings import load_alerts, load_settings
    from flows.runtime.steps import DirectSteps

    root = warehouse_path(warehouse)
    run = begin("nightly-retrain")

    def work() -> dict[str, Any]:
        settings = load_settings(config, root).learning_on(device).with_runner(runner)
        with cluster_of(settings.engine.runner, root) as cluster:
            return retrain(settings, root, run, DirectSteps(cluster=cluster))

    report = attended(load_alerts(config, root), lambda: run, root, work)
    show(report, present.retrain, as_json)
