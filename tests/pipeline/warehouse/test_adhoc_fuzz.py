"""The SQL door under a few hundred statements: an answer or one line, nothing leaks, nothing is written."""

from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from pipeline.errors import QueryError
from pipeline.warehouse.adhoc import asked, confined

HIDDEN = "the-secret-of-this-test"

# One statement a line. {here} is a folder that exists and holds schema.sql, load.sql, x.csv, x.parquet and x.db; {gone} is one that does not exist.
REFUSED = Path(__file__).with_name("refused_statements.txt").read_text(encoding="utf-8").splitlines()

ANSWERED = Path(__file__).with_name("answered_statements.txt").read_text(encoding="utf-8").splitlines()

LARGE = {
    "deep parentheses": "select " + "(" * 20_000 + "1" + ")" * 20_000,
    "deep sum": "select 1" + " + 1" * 20_000,
    "deep list": "select " + "[" * 20_000 + "]" * 20_000,
    "deep case": "select " + "case when true then " * 5_000 + "1" + " end" * 5_000,
    "deep subquery": "select * from (" * 3_000 + "select 1" + ")" * 3_000,
    "deep function": "select " + "abs(" * 5_000 + "1" + ")" * 5_000,
    "deep not": "select " + "not " * 20_000 + "true",
    "deep union": "select 1" + " union all select 1" * 500,
    "many columns": "select " + ", ".join("1" for _ in range(1_000)),
    "many ctes": "with " + ", ".join(f"c{n} as (select {n} as x)" for n in range(1_000)) + " from c999",
    "chain of ctes": "with c0 as (select 1 as x), "
    + ", ".join(f"c{n} as (select a.x from c{n - 1} a, c{n - 1} b)" for n in range(1, 25))
    + " select count(*) from c24",
    "long text": "select '" + "x" * 3_000_000 + "'",
    "surrogate": "select '\udc80'",
    "surrogate in a comment": "-- \udcff\nselect 1",
    "nul": "select 1\0",
    "nul in a text": "select 'a\0b'",
    "nul before": "\0select 1",
    "nothing but spaces": " \t\n\r\f\v\u00a0\u2003",
    "byte order mark": "\ufeffselect 1",
    "other spaces": "select\u00a01",
    "right to left": "select '\u202e'",
    "long name": 'select 1 as "' + "x" * 100_000 + '"',
    "long unknown name": "select " + "x" * 100_000,
}


@pytest.fixture(scope="module")
def outside(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with files that no question may see."""
    folder = tmp_path_factory.mktemp("outside")
    (folder / "schema.sql").write_text(f"select '{HIDDEN}'; garbage {HIDDEN}")
    (folder / "load.sql").write_text(f"select '{HIDDEN}'")
    (folder / "x.csv").write_text(f"a,b\n{HIDDEN},1\n")
    for name in ("x.parquet", "x.db", "x.duckdb_extension"):
        (folder / name).write_text(HIDDEN)
    return folder


@pytest.fixture(scope="module")
def door(empty_warehouse: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """One connection for all of them, as opening it takes longer than asking."""
    with confined(empty_warehouse) as connection:
        yield connection


def ask(door: duckdb.DuckDBPyConnection, sql: str) -> str:
    """The answer as text, or the refusal; both for people and in frames."""
    try:
        with asked(door, sql) as answer:
            assert len(answer.texts(5)) <= 5
        with asked(door, sql) as answer:
            rows = answer.frame()
    except QueryError as refusal:
        assert len(str(refusal).splitlines()) == 1 and str(refusal).isprintable(), repr(refusal)
        assert str(refusal).startswith("sql: ") and len(str(refusal)) < 2_000
        return f"refused: {refusal}"
    rows.rows()
    return str(rows)


def seen(folder: Path) -> dict[str, int]:
    return {str(path): path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("sql", REFUSED)
def test_what_is_no_question_is_refused_in_one_line(
    door: duckdb.DuckDBPyConnection, empty_warehouse: Path, outside: Path, sql: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HSRL_FUZZ_SECRET", HIDDEN)
    before = seen(outside) | seen(empty_warehouse)
    there = ask(door, sql.format(here=outside, gone=outside / "gone"))
    gone = ask(door, sql.format(here=outside / "gone", gone=outside / "gone"))
    assert there.startswith("refused: "), there
    assert HIDDEN not in there
    # The same words, whether the files are there or not.
    assert there.replace(str(outside / "gone"), "").replace(str(outside), "") == gone.replace(str(outside / "gone"), "")
    assert seen(outside) | seen(empty_warehouse) == before


@pytest.mark.parametrize("sql", ANSWERED)
def test_every_kind_of_question_and_value_has_an_answer_or_one_line(door: duckdb.DuckDBPyConnection, sql: str) -> None:
    answer = ask(door, sql.replace("{{", "{").replace("}}", "}").replace("\\n", "\n").replace("\\\\", "\\"))
    # What no calendar holds is refused with advice that works.
    assert not answer.startswith("refused: ") or "::varchar" in answer, answer


@pytest.mark.parametrize("name", LARGE)
def test_statements_of_any_size_and_signs_are_answered_or_refused(door: duckdb.DuckDBPyConnection, name: str) -> None:
    ask(door, LARGE[name])


def test_nothing_lands_in_the_current_folder(
    door: duckdb.DuckDBPyConnection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for sql in ("select 1", "export database 'x'", "attach 'x.db'", "from range(10) order by random()"):
        ask(door, sql)
    assert list(tmp_path.iterdir()) == []
