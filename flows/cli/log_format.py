"""How lines of progress and of errors are written: for people, or as JSON lines for a machine (`--log json`, HSRL_LOG)."""

import sys
from enum import StrEnum
from typing import Annotated

import typer

from flows.runtime.log_lines import JsonLines
from flows.runtime.run import Run
from pipeline.printable import printable


class LogFormat(StrEnum):
    """The formats."""

    TEXT = "text"
    JSON = "json"


class _Chosen:
    """The format and the run of this process's command, for the line that says why it failed."""

    lines: JsonLines | None = None
    run_id: str | None = None


def _choose(value: LogFormat) -> LogFormat:
    _Chosen.lines, _Chosen.run_id = (JsonLines() if value is LogFormat.JSON else None), None
    return value


Log = Annotated[
    LogFormat,
    typer.Option(
        "--log",
        envvar="HSRL_LOG",
        callback=_choose,
        is_eager=True,
        help="Lines on standard error: text, or json (an object a line: time, run, stage, message). Else HSRL_LOG.",
    ),
]


def use_text() -> None:
    """What a command without this option writes; said as a command begins, since another may have run in this process."""
    _choose(LogFormat.TEXT)


def begin(flow: str) -> Run:
    """A run whose lines are written in the format that was asked for."""
    run = Run(flow, outlet=_Chosen.lines)
    _Chosen.run_id = run.run_id
    return run


def print_refusal(line: str) -> None:
    """Say on standard error why the command ends."""
    text = printable(" ".join(line.split()))
    if _Chosen.lines is None:
        print("hsrl:", text, file=sys.stderr)
    else:
        _Chosen.lines.line(_Chosen.run_id, None, text)
