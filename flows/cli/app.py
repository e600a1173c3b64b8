"""The command `hsrl`: thin doors, one sentence of help and one example each; the work is elsewhere."""

import json
import os
import sys
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.exceptions import TyperException

from flows.cli import rendering as present
from flows.cli.refusals import refusal_of
from flows.cli.sql_input import TextCommand
from flows.runtime.extras import missing_extra
from flows.runtime.locations import warehouse_path
from pipeline.errors import ConfigError, HsrlError
from pipeline.printable import printable

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
Device = Annotated[
    str | None,
    typer.Option(
        "--device",
        help="Where policies learn: cpu, cuda (the first graphics card) or cuda:1 (the second); not given: as device in [training] says.",
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON value on standard output.")]


def _tell_version(is_asked: bool) -> None:
    if is_asked:
        from flows.runtime.resources import code_version

        print(f"hsrl {code_version()}")
        raise typer.Exit


@app.callback()
def hsrl(
    version: Annotated[
        bool,
        typer.Option("--version", help="Tell the version, and of a checkout its commit.", callback=_tell_version, is_eager=True),
    ] = False,
) -> None:
    """Semantic IDs and recommendation policies from raw logs, refreshed every night."""


# Heavy libraries are imported by the command that needs them, so that `hsrl --help` and `hsrl sql` start at once.


@app.command(epilog="Example: hsrl demo --warehouse warehouse/demo")
def demo(warehouse: WarehouseFolder = None, as_json: Json = False) -> None:
    """Generate a feed and run everything on it: records, Semantic IDs, simulators, a policy, a warehouse to query."""
    from flows.cli.demo import run_demo

    report = run_demo(warehouse_path(warehouse))
    _show(report, present.demo, as_json)


@app.command(epilog="Example: hsrl refresh --config flows/configs/ml-100k.toml --warehouse warehouse/ml-100k")
def refresh(
    config: Config = None,
    warehouse: WarehouseFolder = None,
    first: Annotated[datetime | None, typer.Option("--from", formats=["%Y-%m-%d"], help="Ingest no day before this one.")] = None,
    last: Annotated[datetime | None, typer.Option("--to", formats=["%Y-%m-%d"], help="Ingest no day after this one.")] = None,
    accept: Annotated[
        list[str] | None, typer.Option("--accept", help="A change that is meant: a setting, or delivery_drift. May be repeated.")
    ] = None,
    rebuild: Annotated[bool, typer.Option("--rebuild", help="Learn embeddings and codebook anew; every SID may change.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be done, and do nothing.")] = False,
    as_json: Json = False,
) -> None:
    """Ingest what is new, give new items Semantic IDs, audit and publish."""
    from flows.refresh.flow import RefreshRequest, refresh
    from flows.runtime.run import Run
    from flows.runtime.settings import load_settings
    from flows.runtime.steps import DirectSteps

    root = warehouse_path(warehouse)
    request = RefreshRequest(
        first.date() if first else None, last.date() if last else None, rebuild, dry_run, tuple(accept or ())
    )
    _show(refresh(load_settings(config, root), root, Run("daily-refresh"), DirectSteps(), request), present.refresh, as_json)


@app.command(epilog="Example: hsrl retrain --config flows/configs/ml-100k.toml --warehouse warehouse/ml-100k")
def retrain(config: Config = None, warehouse: WarehouseFolder = None, device: Device = None, as_json: Json = False) -> None:
    """Train simulators and a policy on the newest release, judge it, and publish it if it is not worse."""
    from flows.retrain.flow import retrain
    from flows.runtime.run import Run
    from flows.runtime.settings import learning_on, load_settings
    from flows.runtime.steps import DirectSteps

    root = warehouse_path(warehouse)
    settings = learning_on(load_settings(config, root), device)
    _show(retrain(settings, root, Run("nightly-retrain"), DirectSteps()), present.retrain, as_json)


@app.command(epilog="Example: hsrl reproduce ablation --config flows/configs/generated.toml --seeds 3 --out results")
def reproduce(
    study: Annotated[str, typer.Argument(help="ablation, sensitivity, weights, variance, paper, horizon, or tried.")],
    config: Config = None,
    warehouse: WarehouseFolder = None,
    seeds: Annotated[int, typer.Option(min=1, help="Seeds that every variant learns with.")] = 3,
    iterations: Annotated[int | None, typer.Option(min=1, help="Iterations of every training; not given: as configured.")] = None,
    out: Annotated[Path, typer.Option("--out", help="Folder for the Markdown, CSV and PNG.")] = Path("results"),
    device: Device = None,
    as_json: Json = False,
) -> None:
    """Learn and judge the variants of a study of the paper, resumably; tables and a picture, nothing is published."""
    from flows.runtime.run import Run
    from flows.runtime.settings import learning_on, load_settings
    from flows.study.reproduce import StudyRequest, reproduce

    root = warehouse_path(warehouse)
    request = StudyRequest(study, seeds, iterations, out)
    settings = learning_on(load_settings(config, root), device)
    _show(reproduce(settings, root, Run("reproduce"), request), present.reproduce, as_json)


@app.command(epilog="Example: hsrl rank requests.jsonl --out ranked.parquet --config flows/configs/generated.toml")
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
        report = rank_file(root, settings, requests, out)
    _show(report, present.rank, as_json)


@app.command(epilog="Example: hsrl rollback 12 --warehouse warehouse/demo")
def rollback(
    release: Annotated[int, typer.Argument(help="The release to go back to.")],
    warehouse: WarehouseFolder = None,
    as_json: Json = False,
) -> None:
    """Publish the Semantic IDs, codebooks and policies of an earlier release again; events and records stay."""
    from flows.maintenance.rollback import rollback
    from flows.runtime.run import Run

    _show(rollback(warehouse_path(warehouse), release, Run("rollback")), present.rollback, as_json)


@app.command(cls=TextCommand, epilog="Example: hsrl trace item:10 --html trace.html --warehouse warehouse/demo")
def trace(
    subject: Annotated[str, typer.Argument(help="An item (10), a Semantic ID (12-203-7), release:3, or the id of a policy.")],
    warehouse: WarehouseFolder = None,
    html: Annotated[Path | None, typer.Option("--html", help="Draw it in one self-contained page.")] = None,
    as_json: Json = False,
) -> None:
    """Tell what something was made from, back to the raw files and their hashes, and what depends on it."""
    from flows.queries.trace_page import page
    from flows.runtime.files import write_text
    from flows.runtime.run import Run
    from pipeline.warehouse.trace import trace

    root = warehouse_path(warehouse)
    with Run("trace").stage("trace"):
        found = trace(root, subject)
    if html:
        write_text(html, page(found), root)
    if as_json:
        print(json.dumps({**asdict(found), "edges": sorted(found.edges), "started": sorted(found.started)}, default=str))
    elif not html:
        present.trace(present.console(), found)


@app.command(epilog="Example: hsrl gc --dry-run --warehouse warehouse/demo")
def gc(
    warehouse: WarehouseFolder = None,
    keep_days: Annotated[float, typer.Option(min=0, help="Releases of so many days can be opened as they were.")] = 30.0,
    keep_releases: Annotated[int, typer.Option(min=2, help="So can the last so many, however old.")] = 7,
    resume_days: Annotated[float, typer.Option(min=0, help="What a dead run staged is kept so many days.")] = 7.0,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be deleted, and delete nothing.")] = False,
    as_json: Json = False,
) -> None:
    """Delete what no kept release needs: old snapshots and their files, orphans, what dead runs staged."""
    from flows.maintenance.gc import collect_garbage
    from flows.runtime.run import Run
    from pipeline.warehouse.config import RetentionConfig

    retention = RetentionConfig(keep_days=keep_days, keep_releases=keep_releases, resume_days=resume_days)
    _show(collect_garbage(warehouse_path(warehouse), Run("gc"), retention, dry_run=dry_run), present.gc, as_json)


@app.command(cls=TextCommand, epilog='Example: hsrl sql "select sid, count(*) n from sids group by 1 order by 2 desc limit 5"')
def sql(
    query: Annotated[
        str | None, typer.Argument(help="One SELECT or EXPLAIN, or - for standard input; with --tables a name.")
    ] = None,
    warehouse: WarehouseFolder = None,
    file: Annotated[Path | None, typer.Option("--file", help="Read the query from a file, or - for standard input.")] = None,
    example: Annotated[str | None, typer.Option("--example", help="Ask one of the questions that come along, by name.")] = None,
    list_examples: Annotated[bool, typer.Option("--examples", help="List the questions that come along.")] = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print CSV on standard output.")] = False,
    out: Annotated[Path | None, typer.Option("--out", help="Write the answer to a .csv, .json or .parquet file.")] = None,
    tables: Annotated[bool, typer.Option("--tables", help="List tables, views and macros, or the columns of one.")] = False,
    snapshot: Annotated[Path | None, typer.Option("--snapshot", help="Write the SID tables as one DuckDB file.")] = None,
    seconds: Annotated[float, typer.Option(min=0.001, help="Stop after so many seconds.")] = 60.0,
    memory_mb: Annotated[int, typer.Option("--memory-mb", min=20, help="Stop above so much memory of the engine, MB.")] = 2_000,
    as_json: Json = False,
) -> None:
    """Ask the newest release one question in SQL; nothing can be changed, also while a refresh runs."""
    from flows.cli import sql_input
    from flows.queries import sql_export as questioning
    from pipeline.warehouse.adhoc import answering
    from pipeline.warehouse.limits import Limits

    root, limits = warehouse_path(warehouse), Limits(memory_mb, seconds)
    ways = {"--file": file is not None, "--example": example is not None, "--examples": list_examples}
    sql_input.refuse_several({"the query": query is not None, **ways, "--snapshot": snapshot is not None})
    sql_input.refuse_several({**ways, "--snapshot": snapshot is not None, "--tables": tables})
    sql_input.refuse_several({"--json": as_json, "--csv": as_csv})
    if list_examples:
        _show({one.name: one.doc for one in sql_input.examples()}, present.examples, as_json)
    elif snapshot:
        _show(questioning.snapshot(root, snapshot, limits, _abandon), present.counts, as_json)
    else:
        question = questioning.dictionary_sql(root, query) if tables else sql_input.read_question(query, file, example)
        if not question:
            raise ConfigError('nothing was asked; for example: hsrl sql "from sids limit 5", or hsrl sql --tables')
        with answering(root, question, limits, _abandon) as answer:
            if out:
                questioning.write_answer(answer, out, root)
            elif as_json or as_csv:
                for part in questioning.text_of(answer, as_json):
                    print(part, end="")
                print(end="\n" if as_json else "")
            else:
                questioning.show_answer(answer)


@app.command(epilog="Example: hsrl verify --warehouse warehouse/demo")
def verify(warehouse: WarehouseFolder = None, as_json: Json = False) -> None:
    """Compare every stored file of the newest release with the hash taken when it was written."""
    from flows.maintenance.verify import verify
    from flows.runtime.run import Run

    root = warehouse_path(warehouse)
    with Run("verify").stage("verify"):
        report = verify(root)
    _show(report, present.verify, as_json)


@app.command(epilog="Example: hsrl draw --warehouse warehouse/demo --out sids")
def draw(
    warehouse: WarehouseFolder = None,
    out: Annotated[Path, typer.Option("--out", help="Where to; .png and .html are added.")] = Path("sids"),
    as_json: Json = False,
) -> None:
    """Draw the newest release's Semantic IDs: prefixes coloured by category, and the use of every code."""
    from flows.queries.draw import draw_release
    from flows.runtime.run import Run

    root = warehouse_path(warehouse)
    with Run("draw").stage("draw"):
        report = draw_release(root, out)
    _show(report, present.draw, as_json)


@app.command(epilog="Example: hsrl encode vectors.parquet --warehouse warehouse/demo --out sids.parquet")
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

    _show(encode_vectors(warehouse_path(warehouse), vectors, out, Run("encode"), space), present.encode, as_json)


@app.command(epilog="Example: hsrl status --warehouse warehouse/demo")
def status(warehouse: WarehouseFolder = None, as_json: Json = False) -> None:
    """Tell the newest release, what it holds, and how the last runs ended."""
    from flows.queries.status import status

    _show(status(warehouse_path(warehouse)), present.status, as_json)


def _show(report: dict[str, Any], as_text: Any, as_json: bool) -> None:
    if as_json:
        print(json.dumps(report, default=str))
    else:
        as_text(present.console(), report)


def main() -> None:
    """Run a command; a user's mistake is one line and exit code 2."""
    _keep_stdout_for_answers()
    try:
        code = app(standalone_mode=False)
        sys.stdout.flush()  # what finds no room is told here, not by the interpreter as it ends
        sys.exit(code)
    except typer.Abort:
        _refuse("stopped", code=130)
    except HsrlError as error:
        _refuse(str(error))
    except TyperException as error:  # a wrong use of the command; without a message it has told its help
        _refuse(
            f"{error.format_message().rstrip('.')}; see: {_command_of(error)} --help"
        ) if error.format_message() else sys.exit(2)
    except ModuleNotFoundError as error:
        line = missing_extra(error, " ".join(["hsrl", *sys.argv[1:2]]))
        if line is None:
            raise
        _refuse(line)
    except BrokenPipeError:  # whoever reads the answer has enough
        _drop_stdout()
        sys.exit(1)
    except Exception as error:
        line = refusal_of(error)
        if line is None:
            raise
        _refuse(line)


def _keep_stdout_for_answers() -> None:
    """Send what libraries print by themselves to standard error: DuckLake's inner connection draws a bar where a lookup takes two
    seconds, and no setting reaches it."""
    if sys.stdout is None:  # closed by whoever began this: nobody reads the answer
        sys.stdout = os.fdopen(os.open(os.devnull, os.O_WRONLY), "w", encoding="utf-8")
    stdout = sys.__stdout__
    if stdout is not None and sys.stdout is stdout:
        answers = os.dup(1)
        os.dup2(2, 1)
        sys.stdout = os.fdopen(answers, "w", encoding=stdout.encoding)


def _command_of(error: TyperException) -> str:
    """The command that was used wrongly, as it is typed: its help names what it takes."""
    context, words = getattr(error, "ctx", None), []
    while context is not None and context.parent is not None:
        words.append(context.info_name)
        context = context.parent
    return " ".join(["hsrl", *reversed(words)])


def _refuse(line: str, code: int = 2) -> None:
    print("hsrl:", printable(" ".join(line.split())), file=sys.stderr)
    _drop_stdout()
    sys.exit(code)


def _drop_stdout() -> None:
    """What is still to be written of the answer goes nowhere, where it finds no room; else the interpreter complains of it as it ends."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _abandon(line: str) -> None:
    """End the process at once, where a question does not stop when it is asked to; it holds nothing and has published nothing."""
    print("hsrl:", line, file=sys.stderr, flush=True)
    os._exit(2)
