"""Bytes of a text file as physical lines, each with its number, and the count that everything read of the file has to match."""

import codecs
import io
from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import BinaryIO

import polars as pl

from pipeline.errors import ContractError, SourceError
from pipeline.ingest.cells import LINE, RAW

LONGEST_LINE = 8 << 20  # bytes without a line break above which a file is no text of rows
_ENOUGH_TO_SEE_LINE_ENDS = 1 << 20
BOM = "\ufeff"
REPLACEMENT = "\ufffd"  # replaces bytes that are no text in the file's encoding


@dataclass(frozen=True)
class LineCount:
    """What became of physical lines: n_lines = n_header + n_blank + n_continued + rows + rejects.

    Attributes:
        n_lines: physical lines, counted from the bytes.
        n_header: lines that name the columns.
        n_blank: lines without any text.
        n_continued: lines that are part of a field which began on an earlier line.
        n_open: 1 where the last line has no line end and was rejected for it.
    """

    n_lines: int = 0
    n_header: int = 0
    n_blank: int = 0
    n_continued: int = 0
    n_open: int = 0

    def __add__(self, other: "LineCount") -> "LineCount":
        """Both together."""
        return LineCount(*(getattr(self, field.name) + getattr(other, field.name) for field in fields(self)))

    def require(self, n_rows: int, file: str) -> None:
        """Refuse a reading that lost or made a line, which is a fault of the reader.

        Raises:
            ContractError: the lines are not accounted for.
        """
        n_accounted = self.n_header + self.n_blank + self.n_continued + n_rows
        if self.n_lines != n_accounted:
            raise ContractError(
                f"{file}: {n_accounted:,} of {self.n_lines:,} physical lines are accounted for, expected all; {self}"
            )


@dataclass(frozen=True)
class Block:
    """Some whole lines.

    Attributes:
        lines: LINE and RAW (without line end) of every physical line, blank ones included.
        text: their bytes, UTF-8, for quick looks at what occurs in them at all.
        is_ascii: whether these bytes are ASCII.
        is_last: whether the file ends here.
        is_open: whether the last line lacks a line end.
    """

    lines: pl.DataFrame
    text: bytes
    is_ascii: bool
    is_last: bool
    is_open: bool


def read_blocks(stream: BinaryIO, file: str, encoding: str, size: int) -> Iterator[Block]:
    """The file's lines, about ``size`` bytes of them at once.

    Lines end with a line feed, carriage returns before it are no part of them; in a file without any line feed a carriage return
    ends a line. Bytes that are no text in ``encoding`` become U+FFFD.

    Raises:
        SourceError: there is no line break in 8 MiB.
        ContractError: the number of lines is not that of the line breaks, which is a fault of the reader.
    """
    n_lines = 0
    for data, is_last in _whole_lines(stream, file, size):
        text = _as_utf8(data, encoding)
        raw = pl.read_lines(io.BytesIO(text), name=RAW)[RAW]
        is_open = not text.endswith(b"\n")
        n_ends = text.count(b"\n") + is_open
        if raw.len() != n_ends:
            raise ContractError(f"{file}: {raw.len():,} lines were parted where {n_ends:,} end")
        if b"\r" in text:
            raw = raw.str.strip_chars_end("\r")
        is_ascii = text.isascii()
        if not is_ascii and BOM.encode() in text:
            raw = raw.str.strip_prefix(BOM)
        line = pl.int_range(n_lines + 1, n_lines + raw.len() + 1, eager=True).alias(LINE)
        n_lines += raw.len()
        yield Block(pl.DataFrame([line, raw]), text, is_ascii, is_last, is_open)


def _whole_lines(stream: BinaryIO, file: str, size: int) -> Iterator[tuple[bytes, bool]]:
    """Bytes up to a line end, and whether they are the last; carriage returns become line feeds where the file has no other."""
    rest = stream.read(len(codecs.BOM_UTF8)).removeprefix(codecs.BOM_UTF8)
    ends_with_return: bool | None = None
    held = b""  # one block behind, so that the last is known as such
    while True:
        block = stream.read(size)
        is_end = not block
        data = rest + block
        if ends_with_return is None and data and (b"\n" in data or is_end or len(data) > _ENOUGH_TO_SEE_LINE_ENDS):
            ends_with_return = b"\n" not in data and b"\r" in data
        if ends_with_return:
            data = data.replace(b"\r", b"\n")
        cut = len(data) if is_end else data.rfind(b"\n") + 1
        if not cut and len(data) > LONGEST_LINE:
            raise SourceError(f"{file}: no line break in {len(data):,} bytes; expected a delimited text file")
        rest = data[cut:]
        if cut:
            if held:
                yield held, False
            held = data[:cut]
        if is_end:
            if held:
                yield held, True
            return


def _as_utf8(data: bytes, encoding: str) -> bytes:
    is_utf8 = codecs.lookup(encoding).name == "utf-8"
    if is_utf8 and data.isascii():
        return data
    text = data.decode(encoding, errors="replace")
    # Bytes that are UTF-8 already are handed on as they are: encoding them again would give the same.
    return data if is_utf8 and REPLACEMENT not in text else text.encode(errors="replace")
