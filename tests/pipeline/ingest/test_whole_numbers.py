"""The quick way through plain text gives what the careful way gives, or is not taken."""

import io
from dataclasses import replace

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.ingest.delimited import read_rows
from pipeline.ingest.layout import Layout
from pipeline.ingest.whole_numbers import read_whole_numbers

NAMES = ("user", "item", "note")


def read(text: str) -> list[list[object]] | None:
    cells = read_whole_numbers(text.encode(), NAMES, ",", ["user", "item"])
    return None if cells is None else [column.to_list() for column in cells]


def test_whole_numbers_are_numbers_and_other_fields_are_texts() -> None:
    assert read("1,20,a\n300,,\n0,9999,7\n") == [[1, 300, 0], [20, None, 9999], ["a", "", "7"]]
    assert read("1,2,é") == [[1], [2], ["é"]]


@pytest.mark.parametrize(
    "text",
    [
        *("007,1,a\n", "+7,1,a\n", " 7,1,a\n", "7 ,1,a\n", "-7,1,a\n", "-0,1,a\n", "x,1,a\n", "7.0,1,a\n", f"{2**63},1,a\n"),
        *("1,2\n", "1,2,a,b\n", "1,2\n1,2,a,b\n", "1,2,a\n\n3,4,b\n", "\n"),
    ],
)
def test_text_that_is_no_plain_rows_of_numbers_is_read_with_care(text: str) -> None:
    assert read(text) is None


CELL = st.one_of(st.integers(0, 10**12).map(str), st.sampled_from(["", "007", "+1", " 5", "-3", "x", "1,2", "1.5", '"a"']))


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(CELL, CELL, CELL), min_size=1, max_size=12), st.booleans())
def test_both_ways_give_the_same_rows_and_rejects(rows: list[tuple[str, str, str]], has_header: bool) -> None:
    """Half of the cells are odd, so that most blocks of 30 bytes are read with care and some are not."""
    lines = [",".join(NAMES)] * has_header + ["1,2,3"] * 20 + [",".join(row) for row in rows]
    careful = Layout(() if has_header else NAMES)
    quick = replace(careful, whole=("user", "item"))

    def read_all(layout: Layout) -> tuple[pl.DataFrame, pl.DataFrame]:
        found = list(read_rows(io.BytesIO("\n".join(lines).encode()), "log.csv", layout, 4, block_bytes=30))
        cells = pl.concat(
            [rows.cells.cast(dict.fromkeys(NAMES, pl.String)).with_columns(pl.col(NAMES).fill_null("")) for rows in found]
        )
        return cells, pl.concat([rows.rejects for rows in found])

    for ours, theirs in zip(read_all(quick), read_all(careful), strict=True):
        assert ours.equals(theirs)
