"""Text from the data reaches a spreadsheet or a terminal as text, and JSON and Parquet as it is."""

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from rich.console import Console

from flows.cli.rendering import questions as present
from flows.cli.rendering.terminal import table
from flows.queries.answer_texts import as_csv, as_json
from flows.runtime.run import Run
from pipeline.errors import SourceError
from pipeline.printable import printable
from pipeline.warehouse.warehouse import Warehouse

NASTY = [
    '=HYPERLINK("http://x","y")',
    "+1+cmd|' /C calc'!A0",
    "-2+3",
    "@SUM(1,1)",
    "\t=1",
    "\r=1",
    "\n=1",
    " =1",
    "＝1",  # a full-width sign, which spreadsheets read as the other
    "\x1b[31mred\x1b]0;title\x07",
    "\x9b31m",
    "\u202eevil",
    "two\nlines",
]
TAME = ["plain", "a=b", "-5", "+4.5e-3", "-.5", "a-b", "'quoted'", "", "é"]


def cells(text: str) -> list[list[str]]:
    return list(csv.reader(io.StringIO(text, newline="")))


def is_safe(cell: str) -> bool:
    return not cell.lstrip(" ").startswith(("=", "+", "@", "-", "\t", "\r", "\n", "＝"))


def test_a_cell_of_csv_is_never_a_formula_and_never_steers_a_terminal() -> None:
    _, *rows = cells(as_csv(pl.DataFrame({"title": NASTY})))
    assert len(rows) == len(NASTY) and all(is_safe(cell) for (cell,) in rows)
    assert rows[0] == ["'" + NASTY[0]]
    assert all(character.isprintable() or character in "\n\t" for (cell,) in rows for character in cell)
    assert rows[9] == ["\\x1b[31mred\\x1b]0;title\\x07"]


def test_numbers_and_other_texts_stay_as_they_are_in_csv() -> None:
    numbers = {"n": [-5, 7], "x": [-0.5, 1e-9], "text": ["-5", "+4.5e-3"]}
    assert cells(as_csv(pl.DataFrame(numbers))) == [["n", "x", "text"], ["-5", "-0.5", "-5"], ["7", "1e-9", "+4.5e-3"]]
    assert [cell for (cell,) in cells(as_csv(pl.DataFrame({"title": TAME})))[1:] if cell] == [text for text in TAME if text]


def test_names_of_columns_lists_structs_and_enums_are_defused_too() -> None:
    """A PIVOT makes names of columns from the data."""
    frame = pl.DataFrame(
        {
            "=1+1": pl.Series(NASTY[:2], dtype=pl.Enum(NASTY[:2])),
            "list": [[text] for text in NASTY[9:11]],
            "struct": [{"a": text} for text in NASTY[10:12]],
        }
    )
    header, *rows = cells(as_csv(frame))
    assert header[0] == "'=1+1" and all(is_safe(cell) and cell.isprintable() for row in rows for cell in row)


def test_json_keeps_the_text_and_shows_no_terminal_what_steers_it() -> None:
    text = as_json(pl.DataFrame({"title": NASTY}))
    assert text.isprintable() and [row["title"] for row in json.loads(text)] == NASTY


def test_a_terminal_sees_signs_in_place_of_what_steers_it() -> None:
    console = Console(width=200, file=io.StringIO())
    table(console, ["title", NASTY[9]], [False, False], [[text, text] for text in NASTY], len(NASTY))
    present.counts(console, dict.fromkeys(NASTY, 1))
    told = console.file.getvalue()  # type: ignore[attr-defined]
    assert all(character.isprintable() or character == "\n" for character in told.replace("\t", " "))
    assert "\\x1b[31mred" in told
    run = Run("daily-refresh", Console(file=io.StringIO()))
    run.say("file \x1b[2J: 3 rows\r")
    assert run.console.file.getvalue() == "file \\x1b[2J: 3 rows\\r\n"  # type: ignore[attr-defined]


def test_an_error_that_names_data_is_one_printable_line(hsrl: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: object) -> Path:
        raise SourceError("file \x1b[2J\u202e: bad\nrow")

    monkeypatch.setattr("flows.cli.questions.warehouse_path", fail)
    told = hsrl("status")
    assert told.err == "hsrl: file \\x1b[2J\\u202e: bad row\n"


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A warehouse whose items have the titles."""
    root = tmp_path_factory.mktemp("made") / "w"
    with Warehouse.create_or_open(root) as warehouse, warehouse.transaction("items", {}):
        for number, title in enumerate(NASTY):
            warehouse.connection.execute(
                "INSERT INTO items VALUES (?, ?, ?, [?], NULL, NULL, NULL, true)", [number, f"sku{number}", title, title]
            )
    return root


def test_no_command_lets_a_title_steer_the_terminal(hsrl: Callable[..., Any], root: Path, tmp_path: Path) -> None:
    where = ("--warehouse", root)
    outputs = [
        hsrl("sql", *where, "from items order by item_id"),
        hsrl("sql", *where, "--json", "from items order by item_id"),
        hsrl("sql", *where, "--csv", "from items order by item_id"),
        hsrl("sql", *where, "select error('\x1b[2J')"),
        hsrl("sql", *where, "select nothing_\x1b[2J from items"),
        hsrl("trace", *where, "\x1b[2J"),
        *(hsrl("trace", *where, f"item:sku{number}") for number in range(len(NASTY))),
        hsrl("status", *where),
    ]
    for told in outputs:
        assert all(character.isprintable() or character in "\n\t" for character in told.out + told.err), told
    for ending in ("parquet", "json"):
        hsrl("sql", *where, "select title from items order by item_id", "--out", tmp_path / f"x.{ending}")
    assert pl.read_parquet(tmp_path / "x.parquet")["title"].to_list() == NASTY
    assert [row["title"] for row in json.loads((tmp_path / "x.json").read_text())] == NASTY


def test_what_is_printable_stays() -> None:
    assert printable("é 日本 🙂 a-b [red]") == "é 日本 🙂 a-b [red]"
