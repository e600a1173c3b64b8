"""Whose a refused row is, read from the text that the quarantine keeps of it."""

from pathlib import Path

import pytest

from pipeline.ingest import reasons
from pipeline.ingest.raw_rows import RawRows
from pipeline.ingest.table_config import TableSource
from tests.support.configurations import SHORT_COLUMNS

NO_TIME = reasons.is_not("time", "a time in s since 1970")
LINES = RawRows({"user": "user", "item": "item"}, ("user", "item", "at", "clicked"))


def of(rows: RawRows, raw: str, kind: str = "user", reason: str = NO_TIME) -> list[str | None]:
    """The ids of a row: empty where nothing is known, None where it is of nobody."""
    return rows.ids([(raw, reason)]).filter(kind=kind)["id"].to_list()


@pytest.mark.parametrize(
    ("raw", "user"),
    [
        ("u1,7,then,1", ["u1"]),
        (" u1 ,1,then,1", ["u1"]),
        ('"us""r10",7,then,1', ['us"r10']),
        ('"u,1",7,then,1', ["u,1"]),
        ('u1,7,"then,1', ["u1"]),
        ('"u1,7,then,1', []),
        (",7,then,1", [None]),
        ("u1,7,then", []),
        ("u1,7,then,1,1", []),
    ],
)
def test_user_of_a_line_is_its_field_where_the_line_has_its_fields(raw: str, user: list[str | None]) -> None:
    assert of(LINES, raw) == user


def test_of_a_row_that_is_cut_off_all_fields_but_the_last_are_known() -> None:
    cut = "u1," + "x" * (reasons.RAW_LENGTH - 3)
    assert (of(LINES, cut), of(LINES, cut, "item")) == (["u1"], [])
    assert (of(LINES, "u1,i", reason=reasons.OPEN_LINE), of(LINES, "u1,i", "item", reasons.OPEN_LINE)) == (["u1"], [])


def test_id_of_several_columns_is_joined_as_in_the_log() -> None:
    rows = RawRows({"user": ["region", "name"], "item": "item"}, ("region", "name", "item"))
    assert of(rows, "eu,a|b,7") == ["eu|a\\|b"]
    assert of(rows, ",a,7") == [None]


def test_objects_name_their_columns_also_where_they_are_cut_off() -> None:
    rows = RawRows({"user": "who.id", "item": "item"})
    assert of(rows, '{"item":7,"who":{"id":"u1"},"at":null}') == ["u1"]
    assert of(rows, "{'who': {'id': 'u1'}, 'item': 7}", "item") == ["7"]
    cut = '{"item":7,"who":{"id":"u1"},"text":"' + "x" * reasons.RAW_LENGTH
    assert (of(rows, cut), of(rows, cut, "item")) == (["u1"], ["7"])
    assert of(rows, '{"who":{"id":"u1"', reason=reasons.NO_OBJECT) == []


def test_row_that_was_refused_after_it_was_read_has_the_ids_of_the_warehouse() -> None:
    raw = '{"user_id":5,"item_id":-3,"feedback":1}'
    assert (of(LINES, raw), of(LINES, raw, "item")) == (["5"], ["-3"])


def log(folder: Path, **settings: object) -> TableSource:
    given = {"path": folder / "*.csv", "positive": ["1"], "columns": SHORT_COLUMNS} | settings
    return TableSource.model_validate(given)


def test_header_of_a_file_says_where_its_ids_are(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("at,item,user,clicked\n1,i1,u1,1\n")
    found = log(tmp_path).raw_rows(["a.csv", "gone.csv"])
    assert list(found) == ["a.csv"]
    assert of(found["a.csv"], "x,i7,u9,1") == ["u9"]


def test_column_of_a_path_and_items_of_a_list_are_read(tmp_path: Path) -> None:
    (tmp_path / "u1.csv").write_text("item,at,clicked\ni1 i2,1,1 0\n")
    columns = {"user": "who", "item": "item", "time": "at", "feedback": "clicked"}
    source = log(tmp_path, columns=columns, path_columns="{who}.csv", lists=["item", "feedback"], list_separator=" ")
    found = source.raw_rows(["u1.csv"])["u1.csv"]
    assert (of(found, "i3 i4,then,1 0"), of(found, "i3 i4,then,1 0", "item")) == (["u1"], ["i3", "i4"])


def test_files_of_items_and_sequences_are_read_by_their_own_columns(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("at,item,user,clicked\n1,i1,u1,1\n")
    (tmp_path / "list.txt").write_text("id;name\ni1;one\n")
    listed = {"path": tmp_path / "list.txt", "separator": ";", "columns": {"item": "id"}}
    rows = log(tmp_path, items=listed).raw_rows(["list.txt"])["list.txt"]
    assert (of(rows, "i9;x", "item"), of(rows, "i9;x")) == (["i9"], [None])
    (tmp_path / "seq").mkdir()
    (tmp_path / "seq" / "s.txt").write_text("u1 i1 i2\n")
    columns = {"user": "user", "item": "items"}
    source = log(
        tmp_path,
        path=tmp_path / "seq" / "s.txt",
        format="sequences",
        lists=["item"],
        list_separator=" ",
        columns=columns,
        positive="all",
    )
    rows = source.raw_rows(["s.txt"])["s.txt"]
    assert (of(rows, "u2 i5 i6"), of(rows, "u2 i5 i6", "item")) == (["u2"], ["i5", "i6"])
