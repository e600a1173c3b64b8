"""Where the SQL of `hsrl sql` comes from: the argument, a file, standard input, an example; and what is no option."""

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pipeline.warehouse.statements import statements
from pipeline.warehouse.warehouse import Warehouse


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A warehouse without a release."""
    root = tmp_path_factory.mktemp("made") / "w"
    Warehouse.create_or_open(root).close()
    return root


@pytest.fixture
def ask(root: Path, hsrl: Callable[..., Any]) -> Callable[..., Any]:
    return lambda *words: hsrl("sql", "--warehouse", root, *words)


BEGINNINGS = [
    "-- a comment\nselect 1 as n",
    "--a comment\nselect 1 as n",
    "--\nselect 1 as n",
    "--csv is no option here\nselect 1 as n",
    "-- out=x\nselect 1 as n",
    "---- four\nselect 1 as n",
    "/* a comment */ select 1 as n",
    "  -- spaces first\nselect 1 as n",
    "\n--\tlines first\nselect 1 as n",
    "-- explain, says the comment\nexplain select 1 as n",
    "/* nested /* explain */ */ -- twice\n explain analyze select 1 as n",
]


@pytest.mark.parametrize("query", BEGINNINGS)
@pytest.mark.parametrize("order", ["last", "first"])
def test_sql_may_begin_with_a_comment(ask: Callable[..., Any], query: str, order: str) -> None:
    ran = ask("--json", query) if order == "last" else ask(query, "--json")
    assert (ran.code, ran.err) == (0, "")
    assert "explain" in query or json.loads(ran.out) == [{"n": 1}]


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (("-- nothing but a comment",), "0 statements, expected one"),
        (("--",), "nothing was asked"),
        (("-1",), "syntax error"),
        (("-1 + 2",), "syntax error"),
        (("--jsn", "select 1"), "No such option: --jsn"),
        (("-q", "select 1"), "No such option: -q"),
        (("--", "-- x"), "0 statements"),
        (("select 1", "-- select 2"), "unexpected extra argument"),
        (("--file", "-- no file\nof that name"), "no such file"),
    ],
)
def test_what_is_no_question_is_one_line(ask: Callable[..., Any], words: tuple[str, ...], line: str) -> None:
    ran = ask(*words)
    assert (ran.code, ran.out, ran.err.count("\n")) == (2, "", 1)
    assert line.lower() in ran.err.lower()


def test_all_examples_answer_by_text_by_file_and_by_name(ask: Callable[..., Any]) -> None:
    listed = ask("--examples").out
    examples = list(statements("examples"))
    assert len(examples) >= 27
    assert len(listed.strip().splitlines()) == len(examples)
    for number, example in enumerate(examples):
        assert example.name in listed and example.doc in listed
        ways = [(example.sql,), ("--example", example.name), ("--file", f"sql/examples/{example.name}.sql")]
        ran = ask("--csv", *ways[number % 3])  # each way for a third of them: each is a process's worth of work
        assert (ran.code, ran.err) == (0, ""), example.name


def test_a_question_may_come_from_standard_input(ask: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    for words in (("-",), ("--file", "-")):
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO("\ufeff-- why\nselect 'é' as n".encode())))
        assert json.loads(ask("--json", *words).out) == [{"n": "é"}]


@pytest.mark.parametrize(
    ("content", "words", "line"),
    [
        (None, ("--file", "{file}"), "no such file"),
        (b"", ("--file", "{file}"), "is empty"),
        (b"select '\xff'", ("--file", "{file}"), "is no UTF-8 text"),
        (b"select 1", ("--file", "{file}.folder"), "is a folder"),
        (b"select 1", ("--file", "{file}", "select 2"), "the query and --file"),
        (b"select 1", ("--file", "{file}", "--example", "cold_items"), "--file and --example"),
        (b"select 1", ("--file", "{file}", "--tables"), "--file and --tables"),
        (b"", ("--examples", "select 1"), "the query and --examples"),
        (b"", ("--snapshot", "{file}", "select 1"), "the query and --snapshot"),
        (b"", ("--example", "cold_item"), "did you mean cold_items"),
        (b"", ("--example", "moved"), "moved_last_night"),
        (b"", ("--example", "../audits/keys_unique"), "hsrl sql --examples"),
        (b"", ("--example", ""), "hsrl sql --examples"),
        (b"", ("--json", "--csv", "select 1"), "--json and --csv"),
    ],
)
def test_a_wrong_source_is_one_line(
    ask: Callable[..., Any], tmp_path: Path, content: bytes | None, words: tuple[str, ...], line: str
) -> None:
    file = tmp_path / "x.sql"
    (tmp_path / "x.sql.folder").mkdir()
    if content is not None:
        file.write_bytes(content)
    ran = ask(*(word.format(file=file) for word in words))
    assert (ran.code, ran.out, ran.err.count("\n")) == (2, "", 1)
    assert line in ran.err


def test_the_subject_of_a_trace_may_begin_with_a_dash(hsrl: Callable[..., Any], root: Path) -> None:
    assert "nothing called '-7'" in hsrl("trace", "-7", "--warehouse", root).err
