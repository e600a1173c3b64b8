"""Delimited text as frames of text cells, with the line and the raw text of every row."""

import csv
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import BinaryIO, NamedTuple

import polars as pl

from pipeline.contracts import REJECTS
from pipeline.errors import EmptyFileError, SourceError
from pipeline.ingest import causes, reasons
from pipeline.ingest.cells import LINE, OWN, RAW, Check, split_rejects
from pipeline.ingest.layout import Layout, OpenLine
from pipeline.ingest.lines import BOM, REPLACEMENT, Block, LineCount, read_blocks
from pipeline.ingest.quotes import QuoteReader
from pipeline.ingest.whole_numbers import read_whole_numbers

BLOCK_BYTES = 8 << 20
_INDEX = OWN + "index"
# Blocks that had to be read with care, after which the quick way is not tried any more.
_CAREFUL_TO_STOP = 3


class Rows(NamedTuple):
    """Rows of a file: the named cells with ``cells.LINE`` and ``cells.RAW``, and REJECTS of those that have none.

    Attributes:
        cells: the rows.
        rejects: REJECTS.
        lines: what became of the physical lines; over a file n_lines is the sum of all but the rows and rejects.
    """

    cells: pl.DataFrame
    rejects: pl.DataFrame
    lines: LineCount = LineCount()


def read_rows(
    stream: BinaryIO,
    file: str,
    layout: Layout,
    chunk_rows: int,
    block_bytes: int = BLOCK_BYTES,
    open_line: OpenLine = "take",
) -> Iterator[Rows]:
    """Stream the rows of a delimited text; blank lines are skipped, and so is the header where it comes again.

    Every physical line is a row, a reject, a header, blank, or the continuation of a field (``Layout.multiline``), which is
    checked against the line breaks counted in the bytes. How quotes are read: ``quotes``.

    Args:
        stream: the file's bytes; read once and closed.
        file: its name, for rejects and errors.
        layout: how lines are split.
        chunk_rows: rows handed out at once, at most.
        block_bytes: bytes read at once.
        open_line: what is done with a last line that has no line end, as of a file that is still being written.

    Yields:
        Text cells by the layout's (or the header's) names, and the rejects of lines that have no such cells.

    Raises:
        EmptyFileError: there are no rows (yet).
        SourceError: no line break, a header that repeats a name or comes again in another order, most of the first lines have
            another number of fields than expected, or the last line is open where that refuses the file.
    """
    with stream:
        reader = _Reader(file, layout, open_line)
        counted, n_rows, is_first = LineCount(), 0, True
        for block in read_blocks(stream, file, layout.encoding, block_bytes):
            for rows in reader.read(block, chunk_rows):
                if is_first and (n_read := rows.cells.height + rows.rejects.height):
                    causes.refuse_if_most(file, rows.rejects, n_read, replace(layout, names=reader.names))
                    is_first = False
                counted += rows.lines
                n_rows += rows.cells.height + rows.rejects.height
                yield rows
        counted.require(n_rows, file)
        if is_first:
            raise EmptyFileError(
                f"{file}: no rows; expected lines of {', '.join(reader.names[:8])} parted by {layout.separator!r}"
            )


class _Marks(NamedTuple):
    """What occurs somewhere in a block, so that what does not is not looked for line by line."""

    quote: bool
    carriage_return: bool
    null: bool
    replacement: bool

    def with_those_of(self, other: "_Marks") -> "_Marks":
        return _Marks(*(mine or others for mine, others in zip(self, other, strict=True)))


@dataclass
class _Reader:
    """Blocks of lines to rows; keeps the header, and the lines at a block's end whose field may close in the next."""

    file: str
    layout: Layout
    open_line: OpenLine
    names: tuple[str, ...] = field(init=False)
    held: tuple[pl.DataFrame, _Marks] | None = None
    n_careful: int = 0
    quotes: QuoteReader | None = None
    before_header: LineCount = field(default_factory=LineCount)

    def __post_init__(self) -> None:
        self.names = self.layout.names

    def read(self, block: Block, chunk_rows: int) -> Iterator[Rows]:
        """The block's rows, ``chunk_rows`` of them at once, at most."""
        lines, count = block.lines, LineCount(n_lines=block.lines.height)
        open_rejects = REJECTS.empty()
        if not self.names:
            lines, count = self._behind_the_header(lines, count + self.before_header, block)
            if not self.names:
                self.before_header = count
                return
        if block.is_open and self.open_line != "take" and lines.height:
            lines, open_rejects, count = self._without_open_line(lines, count)
        lines, count = self._without_headers(lines, block.text, count)
        marks = self._marks(block)
        if self.held is not None:
            lines, marks = pl.concat([self.held[0], lines]), marks.with_those_of(self.held[1])
            self.held = None
        rows = self._whole_numbers(block, lines, marks) or self._parted(lines, marks, is_last=block.is_last)
        rejects = pl.concat([rows.rejects, open_rejects])
        yield Rows(rows.cells[:chunk_rows], rejects, count + rows.lines)
        for start in range(chunk_rows, rows.cells.height, chunk_rows):
            yield Rows(rows.cells[start : start + chunk_rows], REJECTS.empty())

    def _without_open_line(self, lines: pl.DataFrame, count: LineCount) -> tuple[pl.DataFrame, pl.DataFrame, LineCount]:
        if self.open_line == "refuse":
            raise SourceError(
                f"{self.file}: its last line has no line end, so that the list may be cut; if it is whole, end it with a line "
                "break, or set ingest.settle_hours = 0"
            )
        _, rejects = split_rejects(lines[-1:], [(reasons.OPEN_LINE, pl.lit(value=True))], self.file)
        return lines[:-1], rejects, count + LineCount(n_open=1)

    def _behind_the_header(self, lines: pl.DataFrame, count: LineCount, block: Block) -> tuple[pl.DataFrame, LineCount]:
        n_blank = next((index for index, text in enumerate(lines[RAW]) if text), lines.height)
        if n_blank == lines.height:
            return lines[n_blank:], count + LineCount(n_blank=n_blank)
        if block.is_open and self.open_line != "take" and n_blank == lines.height - 1:
            raise EmptyFileError(
                f"{self.file}: no rows, only a first line that is still being written; expected a header and rows"
            )
        self.names = _header(lines[RAW][n_blank], self.file, self.layout)
        return lines[n_blank + 1 :], count + LineCount(n_blank=n_blank, n_header=1)

    def _without_headers(self, lines: pl.DataFrame, text: bytes, count: LineCount) -> tuple[pl.DataFrame, LineCount]:
        """The lines but those that name the columns again, as where files were put together."""
        names = [name for name in self.names if name]
        if not names or max(names, key=len).encode() not in text:
            return lines, count
        is_candidate = pl.all_horizontal(pl.col(RAW).str.contains(name, literal=True) for name in names)
        again = []
        for line, raw in lines.filter(is_candidate).select(LINE, RAW).rows():
            cells = _names_in(raw, self.layout)
            if cells == list(self.names):
                again.append(line)
            elif not self.layout.names and sorted(cells) == sorted(self.names):
                raise SourceError(
                    f"{self.file}: line {line} is a header in another order ({', '.join(cells)[:200]}) than the first; "
                    "take the files apart that were put together here"
                )
        if not again:
            return lines, count
        return lines.filter(~pl.col(LINE).is_in(again)), count + LineCount(n_header=len(again))

    def _marks(self, block: Block) -> _Marks:
        quote, text = self.layout.quote.encode(), block.text
        has_replacement = not block.is_ascii and REPLACEMENT.encode() in text
        return _Marks(bool(quote) and quote in text, b"\r" in text, b"\0" in text, has_replacement)

    def _whole_numbers(self, block: Block, lines: pl.DataFrame, marks: _Marks) -> Rows | None:
        """The block's rows, where ``lines`` are its last ones and ``read_whole_numbers`` reads them."""
        n_before = block.lines.height - lines.height
        is_odd = any(marks) or not (block.is_ascii or BOM.encode() not in block.text)
        if not self.layout.whole or is_odd or lines.is_empty() or self.n_careful > _CAREFUL_TO_STOP:
            return None
        if lines[LINE][0] != block.lines[LINE][0] + n_before or lines[LINE][-1] != block.lines[LINE][-1]:
            return None
        text = block.text.split(b"\n", n_before)[-1] if n_before else block.text
        cells = read_whole_numbers(text, self.names, self.layout.separator, self.layout.whole)
        if cells is None:
            self.n_careful += 1
            return None
        # By a dictionary: see ``_quoted``.
        return Rows(
            pl.DataFrame({LINE: lines[LINE], RAW: lines[RAW]} | dict(zip(self.names, cells, strict=True))), REJECTS.empty()
        )

    def _parted(self, lines: pl.DataFrame, marks: _Marks, *, is_last: bool) -> Rows:
        """Cells and rejects of lines, and the count of those that are blank or continue a field."""
        quoted, n_continued = None, 0
        if marks.quote and lines.height:
            lines, quoted, n_continued = self._quoted(lines, marks, is_last=is_last)
        plain = lines.filter(pl.col(RAW) != "")
        count = LineCount(n_blank=lines.height - plain.height, n_continued=n_continued)
        fields = pl.col("fields")
        is_wrong = fields.list.len() != len(self.names)
        checks = _text_checks(marks)
        if marks.carriage_return:
            checks.append((reasons.RETURN, is_wrong & pl.col(RAW).str.contains("\r", literal=True)))
        checks.append((reasons.FIELD_COUNT, is_wrong))
        good, rejects = split_rejects(plain.with_columns(fields=pl.col(RAW).str.split(self.layout.separator)), checks, self.file)
        cells = good.select(LINE, RAW, *(fields.list.get(index).alias(name) for index, name in enumerate(self.names)))
        if quoted is None:
            return Rows(cells, rejects, count)
        return Rows(pl.concat([cells, quoted.cells]).sort(LINE), pl.concat([rejects, quoted.rejects]).sort("line"), count)

    def _quoted(self, lines: pl.DataFrame, marks: _Marks, *, is_last: bool) -> tuple[pl.DataFrame, Rows, int]:
        """The lines without quotes, the rows of those with, and how many lines continue a field; holds back what may go on."""
        if self.quotes is None:
            exact = [index for index, name in enumerate(self.names) if name in self.layout.exact]
            self.quotes = QuoteReader(self.layout.separator, self.layout.quote, len(self.names), self.layout.multiline, exact)
        texts = lines[RAW].to_list()
        self.quotes.learn_numbers(texts)
        indices = lines[RAW].str.contains(self.layout.quote, literal=True).arg_true().to_list()
        found, end = self.quotes.read(texts, indices, is_last=is_last)
        if end < len(texts):
            self.held = (lines[end:], marks)
        taken = [index for read in found for index in range(read.at, read.at + read.n_lines)]
        rest = lines[:end].with_row_index(_INDEX).filter(~pl.col(_INDEX).is_in(taken)).drop(_INDEX)
        numbers = lines[LINE]
        good, bad = [read for read in found if read.fields is not None], [read for read in found if read.fields is None]
        columns = zip(*(read.fields for read in good), strict=True) if good else ([] for _ in self.names)
        raws = pl.Series(["\n".join(texts[read.at : read.at + read.n_lines]) for read in good], dtype=pl.String)
        # By a dictionary: a column may be named by an empty text, which a series takes for no name.
        cells = pl.DataFrame(
            {LINE: numbers[[read.at for read in good]], RAW: raws}
            | {name: pl.Series(column, dtype=pl.String) for name, column in zip(self.names, columns, strict=True)}
        )
        cells, unreadable = split_rejects(cells, _text_checks(marks), self.file)
        rejects = pl.DataFrame(
            {
                "file": pl.Series([self.file] * len(bad), dtype=pl.String),
                "line": numbers[[read.at for read in bad]],
                "raw": pl.Series([texts[read.at][: reasons.RAW_LENGTH] for read in bad], dtype=pl.String),
                "reason": pl.Series([read.reason for read in bad], dtype=pl.String),
            }
        )
        n_continued = sum(read.n_lines - 1 for read in found)
        return rest, Rows(cells, pl.concat([rejects, unreadable])), n_continued


def _text_checks(marks: _Marks) -> list[Check]:
    checks = []
    if marks.replacement:
        checks.append((reasons.TEXT, pl.col(RAW).str.contains(REPLACEMENT, literal=True)))
    if marks.null:
        checks.append((reasons.NULL_BYTES, pl.col(RAW).str.contains("\0", literal=True)))
    return checks


def _names_in(line: str, layout: Layout) -> list[str]:
    """The cells of a line that may be a header, without the spaces around them; none where its quotes are broken."""
    if layout.quote and layout.quote in line:
        try:
            names = next(csv.reader([line], delimiter=layout.separator, quotechar=layout.quote, strict=True))
        except csv.Error:
            return []
    else:
        names = line.split(layout.separator)
    return [name.strip() for name in names]


def _header(line: str, file: str, layout: Layout) -> tuple[str, ...]:
    names = _names_in(line, layout)
    if not names:
        raise SourceError(
            f"{file}: the header is no line of names, its quotes are broken: {line[:80]!r}; check the file and its quotes"
        )
    if len(set(names)) < len(names):
        repeated = sorted({name for name in names if names.count(name) > 1})
        hint = causes.NO_HEADER if causes.are_data(names) else "name each column once"
        raise SourceError(f"{file}: the header repeats {', '.join(repeated)[:200] or 'an empty name'}; {hint}")
    return tuple(names)
