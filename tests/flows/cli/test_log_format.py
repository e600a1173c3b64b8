"""Lines for a machine: `--log json` and HSRL_LOG."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.flows.conftest import Printed, World


def objects(printed: Printed) -> list[dict[str, str | None]]:
    """Every line of standard error; a line that is no object fails here."""
    return [json.loads(line) for line in printed.err.splitlines()]


def test_every_line_of_a_refresh_is_an_object(hsrl: Callable[..., Printed], refreshed: World, tmp_path: Path) -> None:
    root = refreshed.copy(tmp_path).root
    lines = objects(hsrl("refresh", "--config", refreshed.config, "--warehouse", root, "--log", "json"))
    assert all(list(line) == ["time", "run", "stage", "message"] for line in lines) and len({line["run"] for line in lines}) == 1
    assert "look for new files" in {line["stage"] for line in lines}
    assert any((line["message"] or "").startswith("nothing new") for line in lines)


def test_a_refusal_is_an_object_too(hsrl: Callable[..., Printed], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HSRL_LOG", "json")
    printed = hsrl("gc", "--warehouse", tmp_path / "none")
    [line] = objects(printed)
    assert printed.code == 2 and "no warehouse at" in (line["message"] or "") and "-gc-" in (line["run"] or "")


def test_the_next_command_of_a_process_speaks_text_again(hsrl: Callable[..., Printed], tmp_path: Path) -> None:
    hsrl("verify", "--warehouse", tmp_path / "none", "--log", "json")
    assert hsrl("verify", "--warehouse", tmp_path / "none").err.startswith("hsrl: no warehouse at")
    hsrl("verify", "--warehouse", tmp_path / "none", "--log", "json")
    assert hsrl("status", "--warehouse", tmp_path / "none").err.startswith("hsrl: no warehouse at")


def test_another_format_is_refused(hsrl: Callable[..., Printed]) -> None:
    printed = hsrl("verify", "--log", "xml")
    assert printed.code == 2 and "'text', 'json'" in printed.err
