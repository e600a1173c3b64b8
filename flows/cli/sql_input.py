"""Where the SQL of `hsrl sql` comes from: its argument, a file, standard input or an example; and what of it is no option."""

import difflib
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from typer.core import TyperCommand

from pipeline.errors import ConfigError
from pipeline.warehouse.statements import Statement, statements

_STANDARD_INPUT = "-"
# A dash that begins a comment in SQL, or a number, and no option: no name of an option holds a space or begins with a digit.
_NO_OPTION = re.compile(r"-.*\s|-\d", re.DOTALL)


class TextCommand(TyperCommand):
    """A command whose argument may begin with a dash, as a comment in SQL does, or an id."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Set what only looks like an option behind ``--``, where it is an argument; a misspelt option stays one."""
        options: list[str] = []
        texts: list[str] = []
        takes_value = {
            name: not getattr(option, "is_flag", True)
            for option in self.params
            for name in (*option.opts, *option.secondary_opts)
            if name.startswith("-")
        }
        waiting = list(args)
        while waiting:
            word = waiting.pop(0)
            if word == "--":
                texts += waiting
                break
            if takes_value.get(word, False):
                options += [word, *waiting[:1]]
                del waiting[:1]
            elif _NO_OPTION.match(word) and word.split("=")[0] not in takes_value:
                texts.append(word)
            else:
                options.append(word)
        return super().parse_args(ctx, [*options, "--", *texts] if texts else options)


def read_question(query: str | None, file: Path | None, example: str | None) -> str | None:
    """The SQL that was given in one of the ways; None where it was given in none.

    Args:
        query: the text, or ``-`` for standard input.
        file: a file of UTF-8 text, or ``-`` for standard input.
        example: name of a file of ``sql/examples``, without its ending.

    Raises:
        ConfigError: a file that cannot be read or is empty, or a name that no example has.
    """
    if example is not None:
        return example_named(example).sql
    if query == _STANDARD_INPUT or (file is not None and str(file) == _STANDARD_INPUT):
        return _decoded(sys.stdin.buffer.read(), "standard input")
    if file is None:
        return query
    if file.is_dir():
        raise ConfigError(f"{file}: is a folder, expected a file of SQL")
    try:
        return _decoded(file.read_bytes(), str(file))
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ConfigError(f"{file}: {str(reason).lower()}; name a file of SQL, or - for standard input") from error


def examples() -> list[Statement]:
    """The questions that come along, by name."""
    return list(statements("examples"))


def example_named(name: str) -> Statement:
    """One of them.

    Raises:
        ConfigError: there is none of that name; the nearest are named.
    """
    known = {statement.name: statement for statement in examples()}
    if name in known:
        return known[name]
    near = difflib.get_close_matches(name, known, n=3) or [other for other in known if name and name.lower() in other][:3]
    hint = f"did you mean {' or '.join(near)}?" if near else "list them with: hsrl sql --examples"
    raise ConfigError(f"there is no example {name!r:.60}; {hint}")


def refuse_several(given: Mapping[str, bool]) -> None:
    """Let a command be asked for one thing.

    Raises:
        ConfigError: several were given: the keys that are true.
    """
    names = [name for name, is_given in given.items() if is_given]
    if len(names) > 1:
        raise ConfigError(f"{' and '.join(names[:2])} were given together, expected one of them; leave one out")


def _decoded(content: bytes, where: str) -> str:
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ConfigError(f"{where}: byte {error.start + 1} is no UTF-8 text; save it as UTF-8") from error
    if not text.strip():
        raise ConfigError(f"{where}: is empty, expected one SELECT or EXPLAIN")
    return text
