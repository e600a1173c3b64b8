"""The command that repeats studies of the paper: reproduce."""

from pathlib import Path
from typing import Annotated

import typer

from flows.cli.options import Config, Device, Json, Runner, WarehouseFolder, show
from flows.cli.rendering import study as present
from flows.runtime.locations import warehouse_path

# Heavy libraries are imported by the command that needs them, so that `hsrl --help` and `hsrl sql` start at once.

group = typer.Typer()


@group.command(epilog="Example: hsrl reproduce ablation --config flows/configs/generated.toml --seeds 3 --out results")
def reproduce(
    study: Annotated[
        str,
        typer.Argument(
            help="table2, catalogue, panel, ablation, sensitivity, weights, variance, paper, horizon, tried, codes, or of HAC: "
            "hac-ablation, hac-supervision, hac-alignment, hac-noise, hac-sampling, hac-actor."
        ),
    ],
    config: Config = None,
    warehouse: WarehouseFolder = None,
    seeds: Annotated[int, typer.Option(min=1, help="Seeds that every variant learns with.")] = 3,
    best_seeds: Annotated[
        int | None, typer.Option(min=1, help="Seeds of the first variant and the three that reach most where they learned.")
    ] = None,
    iterations: Annotated[int | None, typer.Option(min=1, help="Iterations of every training; not given: as configured.")] = None,
    data: Annotated[
        str | None, typer.Option("--data", help="A ready configuration by its name, such as ml-1m, in place of --config.")
    ] = None,
    simulator: Annotated[
        str | None, typer.Option("--simulator", help="calibrated, saturating or released, in place of the configured preset.")
    ] = None,
    budget: Annotated[
        float | None,
        typer.Option(min=0.1, help="CPU seconds of every training, in place of --iterations, by each method's speed."),
    ] = None,
    only: Annotated[
        list[str] | None, typer.Option("--only", help="A variant beside the first, or its method; give it again for more.")
    ] = None,
    out: Annotated[Path, typer.Option("--out", help="Folder for the Markdown, CSV and PNG.")] = Path("results"),
    device: Device = None,
    runner: Runner = None,
    as_json: Json = False,
) -> None:
    """Learn and judge the variants of a study of the paper, resumably; tables and a picture, nothing is published."""
    from flows.runtime.run import Run
    from flows.runtime.runner import cluster_of
    from flows.runtime.settings import load_settings, ready_config
    from flows.study.plan import StudyRequest
    from flows.study.reproduce import reproduce
    from flows.study.variants import applied
    from pipeline.errors import ConfigError

    if config and data:
        raise ConfigError("--config and --data: 2 configurations, expected one; leave one of them out")
    if budget and iterations:
        raise ConfigError("--budget and --iterations: 2 lengths, expected one; leave one of them out")
    if best_seeds and best_seeds <= seeds:
        raise ConfigError(f"--best-seeds {best_seeds}: expected more than --seeds {seeds}; leave it out, or ask for more")
    root = warehouse_path(warehouse)
    request = StudyRequest(study, seeds, iterations, out, budget, tuple(only or ()), data, simulator, best_seeds)
    settings = load_settings(ready_config(data) if data else config, root).learning_on(device).with_runner(runner)
    if simulator:
        settings = applied(settings, {"simulator.preset": simulator})
    with cluster_of(settings.engine.runner, root) as cluster:
        report = reproduce(settings, root, Run("reproduce"), request, cluster)
    show(report, present.reproduce, as_json)


@group.command(epilog="Example: hsrl ab --config flows/configs/generated.toml --days 7 --traffic 0.15")
def ab(
    config: Config = None,
    warehouse: WarehouseFolder = None,
    control: Annotated[str, typer.Option(help="The method that users have now.")] = "item_sasrec",
    treatment: Annotated[str, typer.Option(help="The method that some of them are to have.")] = "hsrl",
    days: Annotated[int, typer.Option(min=1, help="Days of the test.")] = 7,
    traffic: Annotated[float, typer.Option(help="Share of the users in each arm, at most 0.5.")] = 0.15,
    iterations: Annotated[int, typer.Option(min=1, help="Iterations that each arm learns a night, on its own log.")] = 300,
    values: Annotated[
        Path | None, typer.Option(help="CSV of item_id, value and cost of a positive answer: adds advertiser value and revenue.")
    ] = None,
    out: Annotated[Path, typer.Option("--out", help="Folder for the Markdown, CSV and PNG.")] = Path("results"),
    as_json: Json = False,
) -> None:
    """Simulate an A/B test with nightly retraining, and read it out: lift with its interval, guard rails, users needed."""
    from flows.runtime.run import Run
    from flows.runtime.settings import load_settings
    from flows.study.ab import ab_test
    from flows.study.ab_page import AbRequest
    from hsrl_train.learner.methods import require_known
    from pipeline.errors import ConfigError

    try:
        request = AbRequest(require_known(control), require_known(treatment), days, traffic, iterations, out, values)
    except ValueError as error:
        raise ConfigError(f"--control and --treatment: {error}") from error
    root = warehouse_path(warehouse)
    show(ab_test(load_settings(config, root), root, Run("ab"), request), present.ab, as_json)
