"""What a run tells whoever waits: nothing of what is quick, and of what is slow how far it is, or how long it has run."""

import io
import json
import re
import threading
import time

import pytest
from rich.console import Console

from flows.runtime import run as telling
from flows.runtime.log_lines import JsonLines
from flows.runtime.run import Run


def run_into(terminal: bool = False) -> tuple[Run, io.StringIO]:
    told = io.StringIO()
    return Run("test", Console(file=told, force_terminal=terminal, width=80)), told


@pytest.fixture
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(telling, "FIRST_LINE_SECONDS", 0.05)
    monkeypatch.setattr(telling, "LINE_SECONDS", 0.15)


def test_a_stage_that_never_says_how_far_it_is_is_not_silent(soon: None) -> None:
    run, told = run_into()
    with run.stage("audits and publish"):
        time.sleep(0.5)
    lines = told.getvalue().splitlines()
    assert len(lines) >= 2 and all(re.fullmatch(r"audits and publish: \d+ seconds so far", line) for line in lines)
    assert threading.active_count() == 1 or all("stage" not in one.name for one in threading.enumerate())


def test_a_stage_tells_how_far_it_is_also_while_one_part_takes_long(soon: None) -> None:
    run, told = run_into()
    with run.stage("evaluation") as tick:
        tick(3, 4_000)
        time.sleep(0.4)
    lines = told.getvalue().splitlines()
    assert len(lines) >= 2 and set(lines) <= {"evaluation: 3 of 4,000"}


def test_a_quick_stage_says_nothing() -> None:
    run, told = run_into()
    with run.stage("splits") as tick:
        tick(1, 2)
    assert told.getvalue() == "" and "splits" in run.seconds


def test_a_stage_that_fails_is_silent_afterwards(soon: None) -> None:
    run, told = run_into()
    with pytest.raises(ValueError, match="no"), run.stage("training"):
        raise ValueError("no")
    before = told.getvalue()
    time.sleep(0.2)
    assert told.getvalue() == before


def test_a_terminal_has_a_bar_from_the_first_moment_that_is_gone_at_the_end() -> None:
    run, told = run_into(terminal=True)
    with run.stage("evaluation") as tick:
        tick(10, 40)
        time.sleep(0.3)
    assert "evaluation" in told.getvalue() and "10/40" in told.getvalue()


class Kept:
    """An outlet that keeps what it is handed."""

    def __init__(self) -> None:
        self.lines: list[tuple[str | None, str]] = []
        self.steps: list[tuple[str, int, int]] = []

    def line(self, run_id: str, stage: str | None, text: str) -> None:
        self.lines.append((stage, text))

    def progress(self, stage: str, done: int, total: int) -> None:
        self.steps.append((stage, done, total))


def test_an_outlet_gets_every_line_with_its_stage_and_how_far_it_is() -> None:
    console, printed = run_into()
    kept = Kept()
    run = Run("test", console.console, outlet=kept)
    run.say("first")
    with run.stage("training") as tick:
        tick(1, 4)
        run.say("within")
    run.say("last")
    assert [(stage, re.sub(r"\d+\.\d", "0.0", text)) for stage, text in kept.lines] == [
        (None, "first"),
        ("training", "within"),
        ("training", "training: done in 0.0 seconds"),
        (None, "last"),
    ]
    assert kept.steps == [("training", 0, 1), ("training", 1, 4), ("training", 1, 1)] and printed.getvalue() == ""


def test_an_outlet_hears_of_a_slow_stage(soon: None) -> None:
    kept = Kept()
    with Run("test", outlet=kept).stage("evaluation") as tick:
        tick(3, 40)
        time.sleep(0.4)
    assert ("evaluation", "evaluation: 3 of 40") in kept.lines


def test_a_stage_that_fails_is_not_done(soon: None) -> None:
    kept = Kept()
    run = Run("test", outlet=kept)
    with pytest.raises(ValueError, match="no"), run.stage("training"):
        raise ValueError("no")
    run.say("after")
    assert kept.lines == [(None, "after")] and kept.steps == [("training", 0, 1)]


def test_json_lines_are_an_object_each() -> None:
    stream = io.StringIO()
    run = Run("test", outlet=JsonLines(stream))
    with run.stage("splits"):
        run.say('a "quoted" line\nand a second')
    first, second = (json.loads(line) for line in stream.getvalue().splitlines())
    assert list(first) == ["time", "run", "stage", "message"] and first["run"] == run.run_id
    assert (first["stage"], first["message"]) == ("splits", 'a "quoted" line\nand a second')
    assert second["message"].startswith("splits: done in ") and first["time"].endswith("+00:00")
