"""Texts of a user a line: the user's id, then the items in the order of time."""

from collections.abc import Iterator
from typing import BinaryIO

import polars as pl

from pipeline.contracts import REJECTS
from pipeline.errors import EmptyFileError, SourceError
from pipeline.ingest import reasons
from pipeline.ingest.cells import RAW, split_rejects
from pipeline.ingest.delimited import BLOCK_BYTES, Rows
from pipeline.ingest.layout import OpenLine
from pipeline.ingest.lines import REPLACEMENT, LineCount, read_blocks

USER, ITEMS = "user", "items"


def read_sequences(stream: BinaryIO, file: str, separator: str, chunk_rows: int, open_line: OpenLine = "take") -> Iterator[Rows]:
    """Stream the lines as rows of ``user`` and ``items``, the latter as the line has them; blank lines are skipped.

    Args:
        stream: the file's bytes; read once and closed.
        file: its name, for rejects and errors.
        separator: what stands between user and items.
        chunk_rows: rows handed out at once, at most.
        open_line: what is done with a last line that has no line end.

    Raises:
        EmptyFileError: there are no rows (yet).
        SourceError: most of the first lines hold no items, or the last line is open where that refuses the file.
    """
    with stream:
        counted, n_rows, is_first = LineCount(), 0, True
        for block in read_blocks(stream, file, "utf-8", BLOCK_BYTES):
            lines, rejects = block.lines, REJECTS.empty()
            count = LineCount(n_lines=lines.height)
            if block.is_open and open_line != "take":
                _, rejects = split_rejects(lines[-1:], [(reasons.OPEN_LINE, pl.lit(value=True))], file)
                lines, count = lines[:-1], count + LineCount(n_open=1)
            text = pl.col(RAW).str.strip_chars()
            written = lines.filter(text != "")
            count += LineCount(n_blank=lines.height - written.height)
            parts = text.str.splitn(separator, 2).struct
            rows = written.with_columns(parts[0].alias(USER), parts[1].str.strip_chars().alias(ITEMS))
            is_empty = (pl.col(ITEMS).fill_null("") == "") | (pl.col(USER) == "")
            checks = [
                (reasons.TEXT, pl.col(RAW).str.contains(REPLACEMENT, literal=True)),
                (reasons.NULL_BYTES, pl.col(RAW).str.contains("\0", literal=True)),
                (reasons.is_missing("item id"), is_empty),
            ]
            good, bad = split_rejects(rows, checks, file)
            if is_first and written.height:
                _refuse_if_most(file, bad, written.height, separator)
                is_first = False
            counted += count
            n_rows += good.height + bad.height + rejects.height
            yield Rows(good[:chunk_rows], pl.concat([bad, rejects]), count)
            for start in range(chunk_rows, good.height, chunk_rows):
                yield Rows(good[start : start + chunk_rows], REJECTS.empty())
        counted.require(n_rows, file)
        if is_first:
            raise EmptyFileError(f"{file}: no rows; expected lines of a user and items parted by {separator!r}")


def _refuse_if_most(file: str, bad: pl.DataFrame, n_read: int, separator: str) -> None:
    if 2 * bad.height > n_read:
        first = bad.row(0, named=True)
        raise SourceError(
            f"{file}: {bad.height:,} of its first {n_read:,} lines are no user and items parted by {separator!r}, the first is line "
            f'{first["line"]}: {first["raw"]:.80}; set separator, or leave out format = "sequences"'
        )
