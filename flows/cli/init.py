"""The command that a stranger begins with: init looks at a log and writes a configuration that reads it."""

from pathlib import Path
from typing import Annotated

import typer

from flows.cli.options import Json, show
from flows.cli.rendering import init as present

# Heavy libraries are imported by the command that needs them, so that `hsrl --help` and `hsrl sql` start at once.

group = typer.Typer()


@group.command(epilog="Example: hsrl init clicks.csv items.csv --out my.toml")
def init(
    files: Annotated[
        list[Path], typer.Argument(help="The log (several files, a zip), and its files of items and users, in any order.")
    ],
    out: Annotated[Path, typer.Option("--out", help="Configuration to write; a file that is there is kept.")] = Path("my.toml"),
    as_json: Json = False,
) -> None:
    """Look at a log and write a configuration that reads it, with what is unsure, and the first ten rows as read."""
    from flows.queries.init import write_configuration

    show(write_configuration(files, out), present.init, as_json)
