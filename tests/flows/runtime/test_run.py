"""What a run tells whoever waits: nothing of what is quick, and of what is slow how far it is, or how long it has run."""

import io
import re
import threading
import time

import pytest
from rich.console import Console

from flows.runtime import run as telling
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
