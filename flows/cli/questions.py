"""Commands that ask a warehouse: sql, trace, status, report and compare."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from flows.cli.options import Json, WarehouseFolder, show
from flows.cli.rendering import questions as present
from flows.cli.rendering.terminal import console
from flows.cli.sql_input import TextCommand
from flows.cli.standard_output import abandon
from flows.runtime.locations import warehouse_path
from pipeline.errors import ConfigError

# Heavy libraries are imported by the command that needs them, so that `hsrl --help` and `hsrl sql` start at once.

group = typer.Typer()


@group.command(cls=TextCommand, epilog='Example: hsrl sql "select sid, count(*) n from sids group by 1 order by 2 desc limit 5"')
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
    from flows.queries import sql_export
    from flows.queries.answer_texts import text_of
    from pipeline.warehouse.adhoc import answering
    from pipeline.warehouse.limits import Limits

    root, limits = warehouse_path(warehouse), Limits(memory_mb, seconds)
    ways = {"--file": file is not None, "--example": example is not None, "--examples": list_examples}
    sql_input.refuse_several({"the query": query is not None, **ways, "--snapshot": snapshot is not None})
    sql_input.refuse_several({**ways, "--snapshot": snapshot is not None, "--tables": tables})
    sql_input.refuse_several({"--json": as_json, "--csv": as_csv})
    if list_examples:
        show({known.name: known.doc for known in sql_input.examples()}, present.examples, as_json)
    elif snapshot:
        show(sql_export.snapshot(root, snapshot, limits, abandon), present.counts, as_json)
    else:
        question = sql_export.dictionary_sql(root, query) if tables else sql_input.read_question(query, file, example)
        if not question:
            raise ConfigError('nothing was asked; for example: hsrl sql "from sids limit 5", or hsrl sql --tables')
        with answering(root, question, limits, abandon) as answer:
            if out:
                sql_export.write_answer(answer, out, root)
            elif as_json or as_csv:
                for part in text_of(answer, as_json):
                    print(part, end="")
                print(end="\n" if as_json else "")
            else:
                present.answer(console(), answer)


@group.command(cls=TextCommand, epilog="Example: hsrl trace item:10 --html trace.html --warehouse warehouse/demo")
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
        present.trace(console(), found)


@group.command(epilog="Example: hsrl status --warehouse warehouse/demo")
def status(warehouse: WarehouseFolder = None, as_json: Json = False) -> None:
    """Tell the newest release, what it holds, and how the last runs ended."""
    from flows.queries.status import status

    show(status(warehouse_path(warehouse)), present.status, as_json)


@group.command(epilog="Example: hsrl report --html morning.html --warehouse warehouse/demo")
def report(
    warehouse: WarehouseFolder = None,
    html: Annotated[Path | None, typer.Option("--html", help="Write it as one self-contained page with pictures.")] = None,
    nights: Annotated[int, typer.Option(min=1, help="How many of the last nights are shown.")] = 60,
    as_json: Json = False,
) -> None:
    """Tell what was published or refused last night and why, and how the log, Semantic IDs, policies and costs went over the nights."""
    from flows.cli.rendering.report import report
    from flows.report.facts import read_facts

    root = warehouse_path(warehouse)
    found = read_facts(root, nights)
    if html:
        from flows.report.page import page
        from flows.runtime.files import write_text

        write_text(html, page(found), root)
    if as_json or not html:
        show(found.plain(), report, as_json)


@group.command(epilog="Example: hsrl compare release:2 release:4 --warehouse warehouse/demo")
def compare(
    first: Annotated[str, typer.Argument(help="A policy's id or its first letters, or a release: the policy it serves.")],
    second: Annotated[str, typer.Argument(help="The policy that is compared with it; differences are second − first.")],
    warehouse: WarehouseFolder = None,
    sessions: Annotated[
        int | None,
        typer.Option("--sessions", min=2, help="Sessions in each simulator; else as many as the later one was judged with."),
    ] = None,
    memory_mb: Annotated[int, typer.Option("--memory-mb", min=64, help="Memory of the SQL engine, MB.")] = 2_000,
    as_json: Json = False,
) -> None:
    """Compare two policies: paired rewards in the same judges, people's own answers, what they show, and Semantic IDs that moved."""
    from flows.cli.rendering.compare import comparison
    from flows.queries.compare import compare
    from flows.runtime.run import Run

    with Run("compare").stage("sessions") as tick:
        report = compare(warehouse_path(warehouse), (first, second), sessions, memory_mb, tick)
    show(report, comparison, as_json)
