"""The rules of the house that a reviewer should not have to look for: names, settings, sizes."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("pipeline", "hsrl_train", "flows")
FILES = [path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py"))]
# Words that stood for five things at once; NumPy and torch have functions of the last name.
RIDDLES = {"told", "beside", "whom", "one"}
# Functions of flows that may take the whole configuration: what begins a run, and what changes a configuration.
TAKE_SETTINGS = 9
LINES, LINES_OF_A_FUNCTION = 310, 70


def functions(path: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    """Every function of a file, methods and inner ones too."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def names_in(source: str) -> set[str]:
    """Every name that a source gives or uses: variables, attributes, functions, classes, parameters."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name) | ast.Name(id=name):
                found.add(name)
            case ast.Attribute(attr=name) | ast.arg(arg=name):
                found.add(name)
    return found


def riddles_in(source: str) -> list[str]:
    """The names of a source that hold a word of RIDDLES."""
    return sorted(name for name in names_in(source) if RIDDLES & set(re.split(r"_+", name.lower())))


def takes_settings(function: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    """Whether a parameter is the whole configuration."""
    given = [*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs]
    return any(each.annotation is not None and re.search(r"\bSettings\b", ast.unparse(each.annotation)) for each in given)


def test_no_name_is_a_riddle() -> None:
    found = {str(path.relative_to(ROOT)): riddles_in(path.read_text(encoding="utf-8")) for path in FILES}
    assert {path: names for path, names in found.items() if names} == {}


@pytest.mark.parametrize(
    "source", ["told = 1", "def f(beside): ...", "a.is_one = 2", "class Whom_:\n    x = 1", "for one in a: ..."]
)
def test_a_riddle_is_found(source: str) -> None:
    assert riddles_in(source) != []


def test_settings_do_not_wander() -> None:
    taking = [f"{path.relative_to(ROOT)}: {each.name}" for path in FILES for each in functions(path) if takes_settings(each)]
    assert len(taking) <= TAKE_SETTINGS, taking
    assert all(name.startswith("flows/") for name in taking)


def test_files_and_functions_hold_an_idea_each() -> None:
    long = [f"{path}: {n} lines" for path in FILES if (n := len(path.read_text(encoding="utf-8").splitlines())) > LINES]
    long += [
        f"{path}: {each.name} has {each.end_lineno - each.lineno} lines"
        for path in FILES
        for each in functions(path)
        if each.end_lineno is not None and each.end_lineno - each.lineno > LINES_OF_A_FUNCTION
    ]
    assert long == []
