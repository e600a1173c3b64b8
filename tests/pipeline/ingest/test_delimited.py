"""Lines to rows: nothing is lost, every row knows its line, and a bad line spoils only itself."""

import csv
import io

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.errors import SourceError
from pipeline.ingest.cells import LINE
from pipeline.ingest.delimited import Rows, read_rows
from pipeline.ingest.layout import Layout

PLAIN = Layout(("a", "b"))


def read(text: bytes, layout: Layout = PLAIN, chunk_rows: int = 100, block_bytes: int = 1 << 16) -> Rows:
    batches = list(read_rows(io.BytesIO(text), "log.csv", layout, chunk_rows, block_bytes))
    return Rows(pl.concat([rows.cells for rows in batches]), pl.concat([rows.rejects for rows in batches]))


def rejected(rows: Rows) -> list[tuple[int, str, str]]:
    return rows.rejects.select("line", "raw", "reason").rows()


def test_rows_know_their_line_across_blank_lines_blocks_and_chunks() -> None:
    """Blocks of 5 bytes cut lines anywhere; line 3 is blank and counts."""
    rows = read(b"1,x\r\n2,y\n\n4,\n5,z", block_bytes=5, chunk_rows=1)
    assert rows.cells.select(LINE, "a", "b").rows() == [(1, "1", "x"), (2, "2", "y"), (4, "4", ""), (5, "5", "z")]
    assert rows.rejects.is_empty()


def test_a_line_with_too_few_or_too_many_fields_is_rejected_alone() -> None:
    rows = read(b"1,x\n2\n3,y\n4,z,!\n5,w\n")
    assert rows.cells["a"].to_list() == ["1", "3", "5"]
    assert rejected(rows) == [(2, "2", "wrong number of fields"), (4, "4,z,!", "wrong number of fields")]


def test_quoted_fields_keep_separators_quotes_and_line_breaks() -> None:
    """Line 2 runs on to line 3, so that the row after it stands on line 4."""
    rows = read(b'a,b\n1,"x, ""y""\nz"\n2,w\n', Layout(multiline=True))
    assert rows.cells.select(LINE, "a", "b").rows() == [(2, "1", 'x, "y"\nz'), (4, "2", "w")]


def test_a_quote_never_closed_spoils_its_own_line_only() -> None:
    """The csv module would swallow lines 2 and 3. Line 2 has its two fields as it stands; line 4 would have three."""
    rows = read(b'1,"x"\n2,"y\n3,z\n4,"w,\n5,v\n')
    assert rows.cells.select(LINE, "a", "b").rows() == [(1, "1", "x"), (2, "2", '"y'), (3, "3", "z"), (5, "5", "v")]
    assert rejected(rows) == [(4, '4,"w,', "broken quotes")]


def test_bytes_that_are_no_text_spoil_their_line_only() -> None:
    rows = read(b"1,x\n2,\xe9\n3,z\n")
    assert rejected(rows) == [(2, "2,\ufffd", "not readable as text in the file's encoding")]
    assert read(b"1,x\n2,\xe9\n", Layout(("a", "b"), encoding="latin-1")).cells["b"].to_list() == ["x", "é"]


def test_a_byte_order_mark_is_no_part_of_the_first_name() -> None:
    assert read(b"\xef\xbb\xbfa,b\n1,2\n", Layout()).cells["a"].to_list() == ["1"]


@pytest.mark.parametrize(
    ("text", "layout", "message"),
    [
        (b"1;x\n2;y\n3,z\n", PLAIN, "2 of the first 3 lines are not 2 fields parted by ','"),
        (b"a,b\n", Layout(), "no rows"),
        (b"", PLAIN, "no rows"),
        (b"a,a\n1,2\n", Layout(), "the header repeats a"),
        (b"\x00" * (9 << 20), PLAIN, "no line break"),
    ],
)
def test_a_file_of_another_layout_is_refused_in_one_line(text: bytes, layout: Layout, message: str) -> None:
    with pytest.raises(SourceError, match=r"^log\.csv: ") as refusal:
        read(text, layout, block_bytes=1 << 20)
    assert message in str(refusal.value)
    assert "\n" not in str(refusal.value)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.lists(st.text(alphabet='ab," é', max_size=4), min_size=2, max_size=2), min_size=1), st.integers(4, 40))
def test_what_a_csv_writer_writes_is_read_back(table: list[list[str]], block_bytes: int) -> None:
    """Round trip: any cells on one line, any block size."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(table)
    rows = read(text.getvalue().encode(), Layout(("left", "right")), block_bytes=block_bytes, chunk_rows=3)
    assert rows.cells.select("left", "right").rows() == [tuple(row) for row in table]
    assert rows.rejects.is_empty()


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 99).map(str), st.text(alphabet='ab"\n é', max_size=5)), min_size=1), st.integers(4, 40))
def test_what_a_csv_writer_writes_over_several_lines_is_read_back(table: list[tuple[str, str]], block_bytes: int) -> None:
    """Round trip with line breaks in the texts, none of whose lines has two fields."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(table)
    rows = read(text.getvalue().encode(), Layout(("left", "right"), multiline=True), block_bytes=block_bytes, chunk_rows=3)
    assert rows.cells.select("left", "right").rows() == table
    assert rows.rejects.is_empty()


@settings(max_examples=60, deadline=None)
@given(st.lists(st.sampled_from(["1,x", "2,y,z", "w", '3,"q"', '4,"open', '5,"a"b', ""]), min_size=1), st.integers(1, 40))
def test_every_line_is_either_a_row_or_a_reject(lines: list[str], block_bytes: int) -> None:
    """Good lines come first and in number, so that the file as a whole is not refused; an open quote closes nowhere here.
    Broken quotes are text where the line has its two fields as it stands."""
    lines = ["0,ok"] * (len(lines) + 1) + [line for line in lines if line]
    is_good = [line in ("0,ok", "1,x", '3,"q"', '4,"open', '5,"a"b') for line in lines]
    rows = read("\n".join(lines).encode(), block_bytes=block_bytes, chunk_rows=1000)
    good = [number for number, fits in enumerate(is_good, 1) if fits]
    bad = [number for number, fits in enumerate(is_good, 1) if not fits]
    assert rows.cells[LINE].to_list() == good
    assert rows.rejects["line"].to_list() == bad
