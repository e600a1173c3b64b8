"""Every physical line of a text file becomes a row, a reject, a header, a blank line or a part of a field: nothing is swallowed."""

import io
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.errors import SourceError
from pipeline.ingest.cells import LINE
from pipeline.ingest.delimited import Layout, Rows, read_rows
from pipeline.ingest.table import TableLog
from pipeline.ingest.table_config import TableSource

TSV = Layout(separator="\t")
CSV = Layout()


def read(text: bytes, layout: Layout = CSV, **sizes: int) -> Rows:
    batches = list(read_rows(io.BytesIO(text), "log.csv", layout, **({"chunk_rows": 100, "block_bytes": 1 << 16} | sizes)))
    return Rows(pl.concat([rows.cells for rows in batches]), pl.concat([rows.rejects for rows in batches]))


def rejected(rows: Rows) -> list[tuple[int, str]]:
    return rows.rejects.select("line", "reason").rows()


def titles(first: int, second: int, n: int = 1000) -> bytes:
    """Items 1 … n, each with a title; two titles hold a quote that no other closes."""
    odd = {first: '"Heroes', second: 'Blue 12"'}
    return ("item\ttitle\n" + "".join(f"{item}\t{odd.get(item, f'Title {item}')}\n" for item in range(1, n + 1))).encode()


@pytest.mark.parametrize("second", [101, 160, 900])
@pytest.mark.parametrize("block_bytes", [64, 1 << 16])
@pytest.mark.parametrize("multiline", [False, True])
def test_a_quote_in_one_title_swallows_no_row_up_to_the_next(second: int, block_bytes: int, multiline: bool) -> None:
    rows = read(titles(100, second), Layout(separator="\t", multiline=multiline), block_bytes=block_bytes)
    assert rows.cells["item"].to_list() == [str(item) for item in range(1, 1001)]
    assert rows.cells["title"][99] == '"Heroes' and rows.cells["title"][second - 1] == 'Blue 12"'
    assert rows.rejects.is_empty()


def test_quotes_four_thousand_lines_apart_swallow_nothing_of_a_log_with_text_ids() -> None:
    lines = [f"u{n % 50},i{n % 70},{n},x" for n in range(6000)]
    lines[500], lines[4700] = 'u0,"i1,500,x', 'u1,i2",4700,x'
    rows = read(("user,item,at,note\n" + "\n".join(lines) + "\n").encode())
    assert rows.cells.height == 6000 and rows.cells["item"].str.len_chars().max() == 3
    assert rows.rejects.is_empty()


def test_a_title_with_quotes_around_a_part_of_it_is_taken_as_it_stands() -> None:
    rows = read(b'1\t"Heroes" (live)\n2\tThe 12" mix\n3\t"all of it"\n', Layout(("a", "b"), "\t"))
    assert rows.cells["b"].to_list() == ['"Heroes" (live)', 'The 12" mix', "all of it"]


TEXTS = b'item,title,text\n1,Tea,"nice\nhot, sweet tea, once\nmore"\n2,Ice,"cold, very"\n3,Pie,"said ""yes""\n\nand no"\n'


def test_a_field_over_several_lines_is_refused_line_by_line_or_read_where_the_layout_says_so() -> None:
    """Lines 2-4 and 6-8 are one field each; of the latter line 7 is blank."""
    spans = "quoted text runs on to the next line (multiline = true reads it)"
    rows = read(TEXTS + b"4,Rye,bread\n5,Oat,cake\n6,Fig,jam\n7,Nut,oil\n8,Egg,roll\n9,Ham,pie\n")
    assert rejected(rows) == [(line, spans) for line in (2, 3, 4, 6, 8)]
    assert rows.cells["item"].to_list() == ["2", "4", "5", "6", "7", "8", "9"]
    whole = read(TEXTS, Layout(multiline=True), block_bytes=16)
    assert whole.cells.rows() == [
        (2, whole.cells[0, 1], "1", "Tea", "nice\nhot, sweet tea, once\nmore"),
        (5, "2,Ice,\"cold, very\"", "2", "Ice", "cold, very"),
        (6, whole.cells[2, 1], "3", "Pie", 'said "yes"\n\nand no'),
    ]  # fmt: skip
    assert whole.rejects.is_empty()


def test_a_file_whose_fields_span_lines_is_refused_with_the_key_that_reads_it() -> None:
    with pytest.raises(SourceError, match=r"3 of the first 3 lines .*multiline = true"):
        read(b'item,title\n1,"a\nb"\nc\n')


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r", "\r\r\n"])
@pytest.mark.parametrize("block_bytes", [3, 1 << 16])
def test_lines_may_end_in_any_way(end: str, block_bytes: int) -> None:
    rows = read(end.join(["a,b", "1,buy", "2,view", ""]).encode(), block_bytes=block_bytes)
    assert rows.cells.select("a", "b").rows() == [("1", "buy"), ("2", "view")]


def test_two_rows_parted_by_a_carriage_return_alone_are_not_one_row() -> None:
    rows = read(b"a,b\n1,x\r2,y\n3,a\rtitle\n4,z\n5,z\n")
    assert rows.cells["a"].to_list() == ["3", "4", "5"] and rows.cells["b"][0] == "a\rtitle"
    assert rejected(rows) == [(2, "a carriage return without a line feed inside the line")]


def test_the_header_again_is_no_row_and_in_another_order_it_is_refused() -> None:
    """Two files put together: as text ids, `item` and `title` would be an item."""
    twice = b"item,title\n1,Tea\n\xef\xbb\xbfitem,title\n2,Ice\nitem,title\r\n"
    rows = read(twice)
    assert rows.cells.select(LINE, "item").rows() == [(2, "1"), (4, "2")] and rows.rejects.is_empty()
    with pytest.raises(SourceError, match=r"line 3 is a header in another order \(title, item\)"):
        read(b"item,title\n1,Tea\ntitle,item\nIce,2\n")


def test_a_mark_inside_a_file_is_no_part_of_an_id() -> None:
    assert read(b"1,x\n\xef\xbb\xbf2,y\n", Layout(("a", "b"))).cells["a"].to_list() == ["1", "2"]


def test_null_bytes_spoil_their_line_only() -> None:
    rows = read(b"a,b\n1,x\n2,\x00\x00\n3,z\n")
    assert rejected(rows) == [(3, "holds null bytes")]


def test_a_field_may_be_longer_than_the_csv_module_allows() -> None:
    long = "x, " * 100_000
    assert read(f'a,b\n1,"{long}"\n2,y\n'.encode(), block_bytes=1 << 20).cells["b"][0] == long


def test_blank_lines_before_the_header_are_passed_over() -> None:
    assert read(b"\n\r\na,b\n1,x\n").cells.select(LINE, "a").rows() == [(4, "1")]


LINES = [
    "1,x",
    "2,y,z",
    "w",
    '3,"q"',
    '4,"open',
    '5,"a"b',
    '6,close"',
    "",
    '"',
    ",",
    "a,b",
    "7,a\rb",
    "\x00,",
    '8,"x""',
    "é,ß",
    '"9","z"',
]


@settings(max_examples=80, deadline=None)
@given(
    st.lists(st.sampled_from(LINES), min_size=1, max_size=30),
    st.integers(1, 40),
    st.sampled_from(["\n", "\r\n"]),
    st.booleans(),
    st.booleans(),
)
def test_physical_lines_are_accounted_for(lines: list[str], block_bytes: int, end: str, multiline: bool, closed: bool) -> None:
    """Counted from the bytes, not by the parser: header + blank + continued + rows + rejects = line breaks (+ an open line)."""
    text = end.join(["a,b", *["0,ok"] * 40, *lines]) + (end if closed else "")
    batches = list(read_rows(io.BytesIO(text.encode()), "log.csv", Layout(multiline=multiline), 7, block_bytes))
    counted = {
        name: sum(getattr(rows.lines, name) for rows in batches) for name in ("n_lines", "n_header", "n_blank", "n_continued")
    }
    n_rows = sum(rows.cells.height + rows.rejects.height for rows in batches)
    assert counted["n_lines"] == text.count("\n") + (not text.endswith("\n"))
    assert counted["n_lines"] == counted["n_header"] + counted["n_blank"] + counted["n_continued"] + n_rows
    if not multiline:
        assert counted["n_continued"] == 0
    told = sorted(line for rows in batches for line in (*rows.cells[LINE], *rows.rejects["line"]))
    assert len(told) == len(set(told)) == n_rows


def test_a_catalogue_and_users_lose_no_row_to_quotes_either(tmp_path: Path) -> None:
    (tmp_path / "log.csv").write_text("user,item,at,clicked\n" + "".join(f"{n % 5 + 1},{n},{n},1\n" for n in range(1, 1001)))
    (tmp_path / "items.tsv").write_bytes(titles(100, 160))
    (tmp_path / "users.tsv").write_bytes(titles(100, 160).replace(b"item", b"user"))
    columns = {"user": "user", "item": "item", "time": "at", "feedback": "clicked"}
    source = TableLog(
        TableSource.model_validate(
            {
                "path": tmp_path / "log.csv",
                "columns": columns,
                "items": {"path": tmp_path / "items.tsv", "columns": {"item": "item", "title": "title"}},
                "users": {"path": tmp_path / "users.tsv", "columns": {"user": "user"}},
            }
        ),
        chunk_rows=300,
    )
    batches = list(source.read(source.deliveries()[0]))
    assert pl.concat([batch.items for batch in batches]).height == 1000
    assert pl.concat([batch.users for batch in batches])["user_id"].n_unique() == 1000
    assert sum(batch.rejects.height for batch in batches) == 0


@pytest.mark.parametrize("broken", ['"u3,i3,3,buy,x', 'u3,"i3,3,buy,x', 'u3,i3,3,"buy,x', 'u3,i3,3,"buy"s,x', 'u3,i3,"3,buy,x'])
def test_a_broken_quote_in_an_id_a_time_or_an_answer_makes_no_other_of_it(tmp_path: Path, broken: str) -> None:
    """User ``"u3`` would be a second u3, and ``"buy`` no purchase; in the title of row 5 the quote is part of the text."""
    rows = [f"u{n},i{n},{n},buy,x" for n in range(1, 9)]
    rows[2], rows[4] = broken, 'u5,i5,5,buy,"Heroes'
    (tmp_path / "log.csv").write_text("\n".join(["user,item,at,did,title", *rows]) + "\n")
    columns = {"user": "user", "item": "item", "time": "at", "feedback": "did", "item_attributes": ["title"]}
    log = TableLog(TableSource.model_validate({"path": tmp_path / "log.csv", "columns": columns, "positive": ["buy"]}), 100)
    (batch,) = (batch for delivery in log.deliveries() for batch in log.read(delivery))
    assert batch.rejects.select("line", "reason").rows() == [(4, "broken quotes")]
    assert batch.users["raw_id"].sort().to_list() == ["u1", "u2", "u4", "u5", "u6", "u7", "u8"]
    assert batch.events["feedback"].to_list() == [1] * 7


def test_a_column_without_a_name_is_read_beside_quoted_fields() -> None:
    assert read(b',b\n1,"x, y"\n2,z\n').cells.select("", "b").rows() == [("1", "x, y"), ("2", "z")]
