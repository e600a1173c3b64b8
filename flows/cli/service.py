"""Commands for whoever keeps the nights going: up and doctor."""

from typing import Annotated

import typer

from flows.cli.options import Config, Json, WarehouseFolder, show
from flows.cli.rendering import service as present
from flows.runtime.locations import warehouse_path

# Heavy libraries are imported by the command that needs them, so that `hsrl --help` and `hsrl sql` start at once.

group = typer.Typer()


@group.command(epilog="Example: hsrl up --config flows/configs/generated.toml --warehouse warehouse/demo")
def up(
    config: Config = None,
    warehouse: WarehouseFolder = None,
    port: Annotated[int, typer.Option("--port", min=1, max=65535, help="Of the Prefect server and its pages.")] = 4200,
    host: Annotated[str, typer.Option("--host", help="Who may reach the server: 0.0.0.0 lets other machines.")] = "127.0.0.1",
) -> None:
    """Start the Prefect server, deploy the nights, and run their worker until Ctrl-C."""
    from flows.runtime.run import Run
    from flows.service.up import Place, up

    code = up(config, warehouse_path(warehouse), Place(host, port), Run("up").say)
    if code:
        raise typer.Exit(code)


@group.command(epilog="Example: hsrl doctor --config flows/configs/generated.toml --warehouse warehouse/demo")
def doctor(config: Config = None, warehouse: WarehouseFolder = None, as_json: Json = False) -> None:
    """Look at everything that a night needs and say what to do; exit code 1 where something fails."""
    from flows.service.doctor import examine
    from flows.service.server import api_url

    report = examine(config, warehouse_path(warehouse), api_url())
    show(report, present.doctor, as_json)
    if report["status"] == "FAIL":
        raise typer.Exit(1)
