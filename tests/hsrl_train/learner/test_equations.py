"""The ledger of equations: every number has a function that exists and a test that exists."""

import ast
import re
from functools import reduce
from importlib import import_module
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
LEDGER = HERE.parents[2] / "docs" / "equations.md"
ROW = re.compile(r"^\| \((\d+)\) \|.*\| `([\w.]+)` \| `([\w.]+)::(\w+)` \|$", re.MULTILINE)
NUMBERS = range(10, 27)


def faults(ledger: str) -> list[str]:
    """What is wrong with a ledger, equation by equation."""
    rows = ROW.findall(ledger)
    told = {int(number) for number, *_ in rows}
    missing = [f"({number}) is missing" for number in NUMBERS if number not in told]
    return missing + [fault for row in rows for fault in _faults_of(*row)]


def _faults_of(number: str, function: str, file: str, test: str) -> list[str]:
    found = [] if _exists(function) else [f"({number}) names no function: {function}"]
    path = HERE / file
    if not path.exists() or test not in _tests_in(path):
        found.append(f"({number}) names no test: {file}::{test}")
    return found


def _exists(function: str) -> bool:
    """Whether a dotted name is something callable; the module's name is the part in lower case."""
    package, room, module, *names = function.split(".")
    try:
        return callable(reduce(getattr, names, import_module(f"{package}.{room}.{module}")))
    except (ImportError, AttributeError):
        return False


def _tests_in(path: Path) -> set[str]:
    return {node.name for node in ast.parse(path.read_text()).body if isinstance(node, ast.FunctionDef)}


def test_every_equation_has_its_function_and_its_test() -> None:
    assert faults(LEDGER.read_text()) == []


@pytest.mark.parametrize(
    ("there", "instead", "told"),
    [
        ("| (18) |", "| (18b) |", "(18) is missing"),
        ("losses.td_target", "losses.td_targets", "(18) names no function: hsrl_train.learner.losses.td_targets"),
        ("pays_the_squared_gap", "pays_nothing", "(20) names no test: test_losses.py::test_the_critic_pays_nothing"),
    ],
)
def test_a_broken_ledger_is_told(there: str, instead: str, told: str) -> None:
    assert faults(LEDGER.read_text().replace(there, instead)) == [told]
