"""The command `hsrl`: thin doors, one sentence of help and one example each; the work is elsewhere."""

import sys
from typing import Annotated

import typer
from typer.exceptions import TyperException

from flows.cli import draw, ids, init, nights, policy, questions, service, sids, standard_output, study, upkeep
from flows.cli.log_format import print_refusal, use_text
from flows.cli.refusals import refusal_of
from flows.runtime.extras import missing_extra
from pipeline.errors import HsrlError

app = typer.Typer(
    help="Semantic IDs and recommendation policies from raw logs, refreshed every night.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
for commands in (init, nights, study, questions, draw, ids, sids, policy, upkeep, service):
    app.add_typer(commands.group)


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


def main() -> None:
    """Run a command; a user's mistake is one line and exit code 2."""
    standard_output.keep_for_answers()
    use_text()
    try:
        code = app(standalone_mode=False)
        sys.stdout.flush()  # an answer without room fails here, not in the interpreter as it ends
        sys.exit(code)
    except typer.Abort:
        _refuse("stopped", code=130)
    except HsrlError as error:
        _refuse(str(error))
    except TyperException as error:  # a wrong use of the command; without a message the help was printed
        _refuse(
            f"{error.format_message().rstrip('.')}; see: {_command_of(error)} --help"
        ) if error.format_message() else sys.exit(2)
    except ModuleNotFoundError as error:
        line = missing_extra(error, " ".join(["hsrl", *sys.argv[1:2]]))
        if line is None:
            raise
        _refuse(line)
    except BrokenPipeError:  # the reader of the answer has enough
        standard_output.drop()
        sys.exit(1)
    except Exception as error:
        line = refusal_of(error)
        if line is None:
            raise
        _refuse(line)


def _command_of(error: TyperException) -> str:
    """The command that was used wrongly, as it is typed: its help names what it takes."""
    context, words = getattr(error, "ctx", None), []
    while context is not None and context.parent is not None:
        words.append(context.info_name)
        context = context.parent
    return " ".join(["hsrl", *reversed(words)])


def _refuse(line: str, code: int = 2) -> None:
    print_refusal(line)
    standard_output.drop()
    sys.exit(code)
