"""Commands that use what was learned: encode gives vectors Semantic IDs, rank orders candidates, recommend chooses items."""

from pathlib import Path
from typing import Annotated

import typer

from flows.cli.options import Config, Json, WarehouseFolder, show
from flows.cli.rendering import ids as present
from flows.runtime.locations import warehouse_path

# Heavy libraries are imported by the command that needs them, so that `hsrl --help` and `hsrl sql` start at once.

group = typer.Typer()


@group.command(epilog="Example: hsrl encode vectors.parquet --warehouse warehouse/demo --out sids.parquet")
def encode(
    vectors: Annotated[
        Path, typer.Argument(help="Parquet, Arrow or Feather with a column vector; .npy; bare numbers named .f16, .f32 or .f64.")
    ],
    warehouse: WarehouseFolder = None,
    out: Annotated[Path, typer.Option("--out", help="Parquet file to write, in the order of the vectors.")] = Path(
        "sids.parquet"
    ),
    space: Annotated[
        str | None,
        typer.Option(
            "--space", help="external: vectors as you bring them; or the embedding_id of the codes' space. Else as the file says."
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Give vectors outside the catalogue the Semantic IDs they would have; nothing is published."""
    from flows.queries.encode import encode_vectors
    from flows.runtime.run import Run

    show(encode_vectors(warehouse_path(warehouse), vectors, out, Run("encode"), space), present.encode, as_json)


@group.command(epilog="Example: hsrl rank requests.jsonl --out ranked.parquet --config flows/configs/generated.toml")
def rank(
    requests: Annotated[
        Path, typer.Argument(help="Parquet or JSON lines: history and candidates, lists of ids as in the log; user_id.")
    ],
    out: Annotated[Path, typer.Option("--out", help="Parquet or JSON lines to write: request, place, item_id, raw_id, score.")],
    config: Config = None,
    warehouse: WarehouseFolder = None,
    as_json: Json = False,
) -> None:
    """Rank the candidates of every request by the published policy."""
    from flows.queries.rank import rank_file
    from flows.runtime.run import Run
    from flows.runtime.settings import load_settings

    root = warehouse_path(warehouse)
    settings = load_settings(config, root)
    with Run("rank").stage("rank"):
        report = rank_file(root, requests, out, settings.engine.memory_limit_mb)
    show(report, present.rank, as_json)


@group.command(epilog="Example: hsrl recommend 7 --k 10 --warehouse warehouse/demo")
def recommend(
    user: Annotated[str, typer.Argument(help="Id of the user, as in the raw log.")],
    k: Annotated[int, typer.Option("--k", min=1, help="How many items.")] = 10,
    history: Annotated[
        list[str] | None,
        typer.Option("--history", help="An item that the user likes, once for each, oldest first; else as logged."),
    ] = None,
    warehouse: WarehouseFolder = None,
    memory_mb: Annotated[int, typer.Option("--memory-mb", min=64, help="Memory of the SQL engine, MB.")] = 2_000,
    as_json: Json = False,
) -> None:
    """Recommend items of the whole catalogue to a user by the published policy."""
    from flows.queries.recommend import recommend_user
    from flows.runtime.run import Run

    root = warehouse_path(warehouse)
    with Run("recommend").stage("recommend"):
        report = recommend_user(root, user, k, history or None, memory_mb)
    show(report, present.recommend, as_json)
