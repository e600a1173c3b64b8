"""The command `hsrl`: thin doors, one sentence of help and one example each; the work is elsewhere."""

import errno
import json
import sys
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.exceptions import TyperException

from flows import present
from flows.run import Run
from flows.settings import load_settings, warehouse_path
from flows.steps import DirectSteps
from pipeline.errors import HsrlError

app = typer.Typer(
    help="Semantic IDs and recommendation policies from raw logs, refreshed every night.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

Config = Annotated[Path | None, typer.Option("--config", help="TOML file; ready ones are in flows/configs/. Else HSRL_CONFIG.")]
WarehouseFolder = Annotated[
    Path | None, typer.Option("--warehouse", help="Folder of the warehouse. Else HSRL_WAREHOUSE, else ./warehouse.")
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON value on standard output.")]

# What the system may refuse anywhere and a person can mend: rights, a file system that is read-only or full.
_MENDABLE = {errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOSPC, errno.EDQUOT}

# Heavy libraries are imported by the command that needs them, so that `hsrl --help` and `hsrl sql` start at once.


@app.command(epilog="Example: hsrl demo --warehouse warehouse/demo")
def demo(warehouse: WarehouseFolder = None, as_json: Json = False) -> None:
    """Generate a feed and run everything on it: records, Semantic IDs, simulators, a policy, a warehouse to query."""
    from flows.demo import run_demo

    report = run_demo(warehouse_path(warehouse))
    _show(report, present.demo, as_json)


@app.command(epilog="Example: hsrl refresh --config flows/configs/ml-100k.toml --warehouse warehouse/ml-100k")
def refresh(
    config: Config = None,
    warehouse: WarehouseFolder = None,
    first: Annotated[datetime | None, typer.Option("--from", formats=["%Y-%m-%d"], help="Ingest no day before this one.")] = None,
    last: Annotated[datetime | None, typer.Option("--to", formats=["%Y-%m-%d"], help="Ingest no day after this one.")] = None,
    rebuild: Annotated[bool, typer.Option("--rebuild", help="Learn embeddings and codebook anew; every SID may change.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be done, and do nothing.")] = False,
    as_json: Json = False,
) -> None:
    """Ingest what is new, give new items Semantic IDs, audit and publish."""
    from flows.refresh import Wish, refresh

    root = warehouse_path(warehouse)
    wish = Wish(first.date() if first else None, last.date() if last else None, rebuild, dry_run)
    _show(refresh(load_settings(config, root), root, Run("daily-refresh"), DirectSteps(), wish), present.refresh, as_json)


@app.command(epilog="Example: hsrl retrain --config flows/configs/ml-100k.toml --warehouse warehouse/ml-100k")
def retrain(config: Config = None, warehouse: WarehouseFolder = None, as_json: Json = False) -> None:
    """Train simulators and a policy on the newest release, judge it, and publish it if it is not worse."""
    from flows.retrain import retrain

    root = warehouse_path(warehouse)
    _show(retrain(load_settings(config, root), root, Run("nightly-retrain"), DirectSteps()), present.retrain, as_json)


@app.command(epilog='Example: hsrl sql "select sid, count(*) n from sids group by 1 order by 2 desc limit 5"')
def sql(
    query: Annotated[str, typer.Argument(help="One SELECT or EXPLAIN.")], warehouse: WarehouseFolder = None, as_json: Json = False
) -> None:
    """Ask the newest release one question in SQL; nothing can be changed, also while a refresh runs."""
    from pipeline.warehouse.adhoc import run_sql

    answer = run_sql(warehouse_path(warehouse), query)
    if as_json:
        print(present.as_json(answer))
    else:
        present.frame(present.console(), answer)


@app.command(epilog="Example: hsrl draw --warehouse warehouse/demo --out sids")
def draw(
    warehouse: WarehouseFolder = None,
    out: Annotated[Path, typer.Option("--out", help="Where to; .png and .html are added.")] = Path("sids"),
    as_json: Json = False,
) -> None:
    """Draw the newest release's Semantic IDs: prefixes coloured by category, and the use of every code."""
    from flows.draw import draw_release

    _show(draw_release(warehouse_path(warehouse), out), present.draw, as_json)


@app.command(epilog="Example: hsrl status --warehouse warehouse/demo")
def status(warehouse: WarehouseFolder = None, as_json: Json = False) -> None:
    """Tell the newest release, what it holds, and how the last runs ended."""
    from flows.status import status

    _show(status(warehouse_path(warehouse)), present.status, as_json)


def _show(report: dict[str, Any], as_text: Any, as_json: bool) -> None:
    if as_json:
        print(json.dumps(report, default=str))
    else:
        as_text(present.console(), report)


def main() -> None:
    """Run a command; a user's mistake is one line and exit code 2."""
    try:
        sys.exit(app(standalone_mode=False))
    except typer.Abort:
        _refuse("stopped", code=130)
    except HsrlError as error:
        _refuse(str(error))
    except TyperException as error:  # a wrong use of the command; without a message it has told its help
        _refuse(f"{error.format_message().rstrip('.')}; see: hsrl --help") if error.format_message() else sys.exit(2)
    except OSError as error:
        if error.errno not in _MENDABLE:
            raise
        _refuse(f"{error.filename or 'a file'}: {error.strerror}; free or grant what it needs and run it again")


def _refuse(line: str, code: int = 2) -> None:
    print("hsrl:", " ".join(line.split()), file=sys.stderr)
    sys.exit(code)
