"""The drawn path of a row is that of the imports as they are."""

import runpy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def script() -> dict[str, Any]:
    """The names of docs/make_path.py."""
    return runpy.run_path(str(ROOT / "docs" / "make_path.py"))


def test_the_drawing_is_not_stale(script: dict[str, Any]) -> None:
    steps = script["path"]()
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    assert script["page"](steps, page) == page, "run: make diagram"
    assert script["drawing"](steps) == (ROOT / "docs" / "path.svg").read_text(encoding="utf-8"), "run: make diagram"


def test_the_path_is_short_and_leads_downwards(script: dict[str, Any]) -> None:
    steps = script["path"]()
    assert len(steps) <= 22 and script["climbs"](steps) == []


def test_the_shortest_chain_is_taken(script: dict[str, Any]) -> None:
    """From a over b to d, not over c and e."""
    chain: Callable[..., list[str]] = script["chain"]
    graph = {"a": ["c", "b"], "b": ["d"], "c": ["e"], "e": ["d"], "d": []}
    assert chain(graph, ["a"], "d") == ["a", "b", "d"]
    assert chain(graph, ["a", "c"], "e") == ["c", "e"]
    with pytest.raises(SystemExit, match="no import leads to a"):
        chain(graph, ["d"], "a")
