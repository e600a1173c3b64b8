"""Lines with quotes to fields: a quote never takes in lines that are rows by themselves.

A line whose quotes close is read as CSV. A line whose quotes are broken is taken as it is where that gives the right number of
fields (a title such as 12" or "Heroes" in a log that nobody quoted), unless the quote is in an id, a time or an answer, which would
be another one with it. Only where a quoted field is closed on a later line, and the lines up to there are no rows by themselves, does
the field span lines: then they are one row, or each a reject, as the layout says.
"""

import csv
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from pipeline.ingest import reasons

# The csv module refuses longer fields by default, which cannot be set for a single reader; a line's length is bounded elsewhere.
csv.field_size_limit(1 << 30)

MOST_LINES_OF_A_FIELD = 1_000
_LINES_AT_ONCE = 1_000
_LINES_THAT_SHOW_NUMBERS = 200
_NUMBER = re.compile(r"\s*[-+]?\d+(?:\.\d+)?\s*$")


class Read(NamedTuple):
    """What some neighbouring lines are.

    Attributes:
        at: index of the first line.
        n_lines: how many lines; of several only the first has the fields, the others continue it.
        fields: the row's cells, or None where the line is rejected.
        reason: why it is rejected.
    """

    at: int
    n_lines: int
    fields: list[str] | None
    reason: str | None = None


@dataclass
class QuoteReader:
    """Reads lines with quotes; remembers which columns hold numbers, by which a row is distinguished from a line of prose.

    Attributes:
        separator: one character.
        quote: one character.
        n_fields: of a row.
        multiline: whether a field may span lines.
        exact: indices of the fields that a broken quote may not be part of.
    """

    separator: str
    quote: str
    n_fields: int
    multiline: bool
    exact: Sequence[int] = ()
    _numbers: list[int] | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        """Prepare the look for a quote that closes a field begun on an earlier line: one that is not doubled."""
        quote = re.escape(self.quote)
        self._closing = re.compile(f"(?:[^{quote}]|{quote}{quote})*{quote}(?!{quote})")

    def read(self, lines: Sequence[str], quoted: Sequence[int], *, is_last: bool) -> tuple[list[Read], int]:
        """Read the lines with quotes.

        Args:
            lines: neighbouring physical lines.
            quoted: indices of the lines with a quote, rising.
            is_last: whether no line follows.

        Returns:
            What they are, by index (with other lines where a field spans them), and the index from which on lines have to be
            read again together with those that follow: ``len(lines)`` unless a quoted field may close there.
        """
        found: list[Read] = []
        done = 0  # lines before this index are part of a field that was read
        for start in range(0, len(quoted), _LINES_AT_ONCE):
            indices = [index for index in quoted[start : start + _LINES_AT_ONCE] if index >= done]
            texts = [lines[index] for index in indices]
            if (rows := self._each_by_itself(texts)) is not None:
                found += [self._by_count(index, row) for index, row in zip(indices, rows, strict=True)]
                continue
            for index in indices:
                if index < done:
                    continue
                read = self._read_line(lines, index, is_last=is_last)
                if read is None:
                    return found, index
                found += read
                done = read[-1].at + read[-1].n_lines
        return found, len(lines)

    def _each_by_itself(self, texts: list[str]) -> list[list[str]] | None:
        """The fields of each line where all quotes close; the quick way."""
        try:
            rows = list(self._csv(texts))
        except csv.Error:
            return None
        return rows if len(rows) == len(texts) else None  # a row takes a line at least

    def _csv(self, texts: list[str]) -> Iterator[list[str]]:
        return csv.reader(texts, delimiter=self.separator, quotechar=self.quote, strict=True)

    def _by_count(self, at: int, row: list[str]) -> Read:
        return Read(at, 1, row) if len(row) == self.n_fields else Read(at, 1, None, reasons.FIELD_COUNT)

    def _read_line(self, lines: Sequence[str], at: int, *, is_last: bool) -> list[Read] | None:
        """What the line is, with those it takes in; None where that depends on lines that are not there yet."""
        if (rows := self._each_by_itself([lines[at]])) is not None:
            return [self._by_count(at, rows[0])]
        n_lines = self._closes_after(lines, at)
        if n_lines is None and not is_last and len(lines) - at < MOST_LINES_OF_A_FIELD:
            return None
        if n_lines and (row := self._spanning(lines[at : at + n_lines])):
            if self.multiline:
                return [Read(at, n_lines, row)]
            indices = range(at, at + n_lines)
            return [Read(index, 1, None, reasons.SPANS) for index in indices if lines[index]]
        literal = lines[at].split(self.separator)
        is_row = len(literal) == self.n_fields and not any(self.quote in literal[index] for index in self.exact)
        return [Read(at, 1, literal) if is_row else Read(at, 1, None, reasons.QUOTES)]

    def _closes_after(self, lines: Sequence[str], at: int) -> int | None:
        """Lines up to the one that closes the quote left open by line ``at``; 0 if none does, None if it may come."""
        if not self._is_open([lines[at]]):
            return 0
        for n_lines in range(2, MOST_LINES_OF_A_FIELD + 1):
            if at + n_lines > len(lines):
                return None
            last = lines[at + n_lines - 1]
            if self.quote in last and self._closing.match(last):
                together = [f"{line}\n" for line in lines[at : at + n_lines]]
                if not self._is_open(together):
                    return n_lines if self._are_a_row(together) else 0
        return 0

    def _is_open(self, texts: list[str]) -> bool:
        """Whether the lines end inside a quoted field."""
        try:
            list(self._csv(texts))
        except csv.Error as error:
            return "unexpected end of data" in str(error)
        return False

    def _are_a_row(self, texts: list[str]) -> bool:
        try:
            return len(list(self._csv(texts))) == 1
        except csv.Error:
            return False

    def _spanning(self, lines: Sequence[str]) -> list[str] | None:
        """The fields of lines that are one row, or None where they are rows by themselves."""
        row: list[str] = next(self._csv([f"{line}\n" for line in lines[:-1]] + [lines[-1]]))
        if len(row) != self.n_fields:
            return None
        if self._numbers:
            return None if any(self._is_row(line) for line in lines[1:]) else row
        return None if all(self._is_row(line) for line in lines) else row

    def _is_row(self, line: str) -> bool:
        cells = self._cells(line)
        return len(cells) == self.n_fields and all(_NUMBER.match(cells[index]) for index in self._numbers or [])

    def _cells(self, line: str) -> list[str]:
        rows = self._each_by_itself([line]) if self.quote in line else None
        return rows[0] if rows else line.split(self.separator)

    def learn_numbers(self, lines: Sequence[str]) -> None:
        """Note, once, the columns that hold numbers in nearly all rows among ``lines``."""
        if self._numbers is None:
            rows = [
                cells for line in lines[:_LINES_THAT_SHOW_NUMBERS] if line and len(cells := self._cells(line)) == self.n_fields
            ]
            if rows:
                self._numbers = [
                    index
                    for index, cells in enumerate(zip(*rows, strict=True))
                    if sum(bool(_NUMBER.match(cell)) for cell in cells) >= 0.9 * len(cells)
                ]
