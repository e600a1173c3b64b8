"""The command as a door: help, JSON, tables, dry runs, wrong uses."""

import errno
import io
import json
import re
import subprocess
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import typer
from rich.console import Console

from flows.cli import app as cli
from flows.cli.demo_questions import QUESTIONS
from flows.cli.rendering import nights as present
from flows.cli.rendering.terminal import ROWS, table
from flows.refresh.request import RefreshRequest
from pipeline.errors import ConfigError, WarehouseError
from tests.support.commands import all_commands

COMMANDS = all_commands()


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_a_command_has_one_sentence_and_one_example(name: str) -> None:
    command = COMMANDS[name]
    assert command.help.endswith(".") and command.help.count(". ") == 0 and "\n" not in command.help
    assert command.epilog.startswith(f"Example: hsrl {name} ") and command.epilog.count("Example:") == 1
    assert all(option.help for option in command.params if option.name != "help")


def test_there_are_the_commands_of_the_issue() -> None:
    assert {"demo", "refresh", "retrain", "sql", "status"} <= set(COMMANDS)


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (("frobnicate",), "No such command 'frobnicate'; see: hsrl --help"),
        (("sql",), "nothing was asked; for example: hsrl sql"),
        (("refresh", "--rebild"), "No such option: --rebild (Possible options: --rebuild); see: hsrl refresh --help"),
        (("rank",), "Missing argument 'requests'; see: hsrl rank --help"),
        (("trace", "a", "b"), "see: hsrl trace --help"),
        (("--frobnicate",), "see: hsrl --help"),
        (("refresh", "--from", "yesterday"), "Invalid value for '--from'"),
        (("retrain",), "no configuration; name one with --config or HSRL_CONFIG"),
        (("refresh", "--config", "none.toml"), "configuration none.toml: No such file or directory"),
        (("reproduce", "ablation", "--seeds", "0"), "Invalid value for '--seeds'"),
        (
            ("reproduce", "weights", "--config", "a.toml", "--data", "ml-1m"),
            "--config and --data: 2 configurations, expected one",
        ),
        (("reproduce", "weights", "--budget", "9", "--iterations", "9"), "--budget and --iterations: 2 lengths, expected one"),
        (("status", "--warehouse", "none"), "none; make one with: hsrl demo"),
    ],
)
def test_a_wrong_use_is_one_line_and_exit_code_two(
    hsrl: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...], line: str
) -> None:
    monkeypatch.chdir(tmp_path)
    answer = hsrl(*words)
    assert (answer.code, answer.out, answer.err.count("\n")) == (2, "", 1)
    assert answer.err.startswith("hsrl: ") and line in answer.err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "words", [("status",), ("sql", "from items"), ("recommend", "7"), ("verify",), ("sids", "export", "--out", "x.json")]
)
def test_a_file_is_no_warehouse(hsrl: Callable[..., Any], tmp_path: Path, words: tuple[str, ...]) -> None:
    file = tmp_path / "my.toml"
    file.write_text("")
    answer = hsrl(*words, "--warehouse", file)
    assert (
        answer.code == 2
        and answer.err == f"hsrl: {file}: a file where a warehouse's folder was expected; give another --warehouse\n"
    )


@pytest.mark.parametrize(
    ("error", "code", "line"),
    [
        (WarehouseError("two\nlines"), 2, "hsrl: two lines\n"),
        (OSError(errno.ENOSPC, "No space left on device", "/w/x"), 2, "hsrl: /w/x: No space left on device; "),
        (typer.Abort(), 130, "hsrl: stopped\n"),
    ],
)
def test_an_error_that_a_person_can_mend_is_one_line(
    hsrl: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, error: Exception, code: int, line: str
) -> None:
    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr("flows.cli.questions.warehouse_path", fail)
    ran = hsrl("status")
    assert ran.code == code and ran.err.startswith(line) and ran.err.count("\n") == 1


def test_the_version_is_told(hsrl: Callable[..., Any]) -> None:
    ran = hsrl("--version")
    assert ran.code == 0 and re.fullmatch(r"hsrl \d+\.\d+\S*\n", ran.out) and ran.err == ""


@pytest.mark.parametrize("name", ["retrain", "reproduce"])
def test_where_to_learn_is_told_in_plain_words(name: str) -> None:
    command = COMMANDS[name]
    [device] = [option for option in command.params if option.name == "device"]
    assert "Else" not in device.help and "cuda:1 (the second)" in device.help and "training.device" in device.help


def test_no_help_page_swallows_a_word() -> None:
    """A name in square brackets is markup to what prints the page, and vanishes from it."""
    assert [
        (name, option.name)
        for name, command in COMMANDS.items()
        for option in command.params
        if re.search(r"\[[a-z]", getattr(option, "help", None) or "")
    ] == []


def test_a_bug_keeps_its_traceback(hsrl: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["hsrl", "status"])
    monkeypatch.setattr("flows.cli.questions.warehouse_path", lambda _: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        cli.main()


def test_sql_answers_in_json_types(hsrl: Callable[..., Any], refreshed: Any) -> None:
    """Decimals and sums are numbers, dates and times ISO texts, intervals and bytes texts, nan is null."""
    question = (
        "select 1.50::decimal(4, 2) d, [2.5::decimal(4, 2)] l, {'x': 0.5::decimal(4, 2)} s, sum(range) h, date '2026-01-02' as on_day, "
        "timestamptz '2026-01-02 03:04:05Z' as at_time, interval 90 minute i, '\\xAA'::blob b, 'nan'::double n, null z from range(3)"
    )
    ran = hsrl("sql", "--warehouse", refreshed.root, "--json", question)
    assert json.loads(ran.out) == [
        {
            "d": 1.5,
            "l": [2.5],
            "s": {"x": 0.5},
            "h": 3,
            "on_day": "2026-01-02",
            "at_time": "2026-01-02T03:04:05+00:00",
            "i": "01:30:00",
            "b": "\\xAA",
            "n": None,
            "z": None,
        }
    ]


def test_the_time_between_two_times_can_be_asked_for(hsrl: Callable[..., Any], refreshed: Any) -> None:
    ran = hsrl("sql", "--warehouse", refreshed.root, 'select finished_at - started_at took, 1 as "a""b" from runs')
    assert ran.code == 0 and "took" in ran.out and 'a"b' in ran.out and "00:0" in ran.out


def test_a_table_in_a_pipe_is_as_wide_as_its_cells(hsrl: Callable[..., Any], refreshed: Any) -> None:
    ran = hsrl("sql", "--warehouse", refreshed.root, "select repeat('x', 500) a_column_with_a_long_name, 7 as n")
    head, _, row, *rest = ran.out.splitlines()
    assert "a_column_with_a_long_name" in head and "x" * 500 in row and "7" in row and rest == []


def test_a_table_that_is_wider_than_the_terminal_is_a_line_a_value() -> None:
    console = Console(width=20, record=True, file=io.StringIO())
    table(console, ["first", "[b]second"], [False, True], [["a" * 15, 2]], 1)
    assert console.export_text().split() == ["first:", "a" * 15, "[b]second:", "2"]


def test_a_long_answer_is_cut_and_says_so() -> None:
    console = Console(width=80, record=True, file=io.StringIO())
    table(console, ["n"], [True], [[n] for n in range(ROWS)], 1200)
    assert "… and 1,000 more of 1,200 rows; all of them with --json" in console.export_text()


def test_reports_are_told_in_words_and_in_json(hsrl: Callable[..., Any], retrained: Any) -> None:
    """A second refresh and a second retrain find nothing new; status tells both."""
    where = ("--warehouse", retrained.root)
    assert json.loads(hsrl("status", *where, "--json").out)["rows"]["users"] == 40
    text = hsrl("status", *where).out
    assert "release       2 (retrain, " in text and f"policy        {retrained.report['policy_id']}" in text
    assert "completed" in text


def test_what_a_night_did_is_told(retrained: Any, refreshed: Any) -> None:
    console = Console(width=200, record=True, file=io.StringIO())
    present.demo(console, {"warehouse": "w", "refresh": refreshed.report, "retrain": retrained.report})
    text = console.export_text()
    rows = retrained.ask("select count(*) from events").item()
    assert f"events        {rows:,} of {rows:,} rows; 0 in quarantine, 0 known" in text
    assert "release       1 (2026-01-01, 2026-01-02, 2026-01-03)" in text
    assert all(name in text for name in ("greedy oracle", "popular slate", "SID oracle", "frozen", "AUC 0."))
    assert text.count("hsrl sql --warehouse w") == 3


@pytest.mark.parametrize("root", ["/w", "/a b/it's $HOME/`w`"])
def test_a_question_that_is_printed_is_asked_by_a_shell_as_it_was_meant(retrained: Any, refreshed: Any, root: str) -> None:
    console = Console(width=200, record=True, file=io.StringIO())
    present.demo(console, {"warehouse": root, "refresh": refreshed.report, "retrain": retrained.report})
    lines = [line for line in console.export_text().splitlines() if " sql --warehouse " in line]
    for line, question in zip(lines, QUESTIONS, strict=True):
        script = f"hsrl() {{ printf '%s\\n' \"$@\"; }}; {line}"
        words = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True).stdout.splitlines()  # noqa: S607
        assert words == ["sql", "--warehouse", root, question]


def test_a_dry_run_writes_nothing(hsrl: Callable[..., Any], refreshed: Any, tmp_path: Path) -> None:
    """Neither a warehouse nor a feed where there is none; in a warehouse it names the day to come."""
    ran = hsrl("refresh", "--dry-run", "--config", refreshed.config, "--warehouse", tmp_path / "w")
    assert ran.code == 0 and "2026-01-03 (to be generated)" in ran.out and "learn anew" in ran.out
    assert list(tmp_path.iterdir()) == []
    world = refreshed.copy(tmp_path)
    before = {path: path.stat().st_mtime_ns for path in world.root.rglob("*")}
    plan = world.refresh(world.changed(("days = 3", "days = 4")), RefreshRequest(dry_run=True))
    assert (plan["deliveries"], plan["to_generate"], plan["tokenizer"]) == ([], ["2026-01-04"], "append")
    assert {path: path.stat().st_mtime_ns for path in world.root.rglob("*")} == before


def test_days_that_no_day_lies_between_are_refused() -> None:
    with pytest.raises(ConfigError, match="--from 2026-01-05 lies after --to 2026-01-01"):
        RefreshRequest(date(2026, 1, 5), date(2026, 1, 1))


def test_days_are_refused_where_deliveries_are_none(hsrl: Callable[..., Any], tmp_path: Path) -> None:
    (tmp_path / "log.csv").write_text("u,i,t,c\n1,1,1,1\n")
    (tmp_path / "t.toml").write_text(
        '[source]\nkind = "table"\npath = "log.csv"\n[source.columns]\nuser = "u"\nitem = "i"\ntime = "t"\nfeedback = "c"\n'
    )
    ran = hsrl("refresh", "--dry-run", "--from", "2026-01-01", "--config", tmp_path / "t.toml", "--warehouse", tmp_path / "w")
    assert ran.code == 2 and "delivery log.csv is no day, expected days for --from and --to" in ran.err


def test_only_the_days_that_are_asked_for_are_ingested(refreshed: Any, tmp_path: Path) -> None:
    world = refreshed.copy(tmp_path)
    later = world.changed(("days = 3", "days = 6"))
    plan = world.refresh(later, RefreshRequest(date(2026, 1, 2), date(2026, 1, 5), dry_run=True))
    assert plan["to_generate"] == ["2026-01-04", "2026-01-05"]
    assert world.refresh(later, RefreshRequest(None, date(2026, 1, 4)))["deliveries"] == ["2026-01-04"]


def test_the_command_is_named_as_it_can_be_typed_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a fresh clone nothing is on the path but what make put under .venv; with that activated, the name is enough."""
    monkeypatch.chdir(tmp_path)
    program = tmp_path / ".venv/bin/hsrl"
    program.parent.mkdir(parents=True)
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    monkeypatch.setattr("sys.argv", [".venv/bin/hsrl"])
    monkeypatch.setenv("PATH", "/nowhere")
    assert present.program() == ".venv/bin/hsrl"
    monkeypatch.setenv("PATH", str(program.parent))
    assert present.program() == "hsrl"
