"""Delimited text as frames of text cells, with the line and the raw text of every row."""

import codecs
import csv
import io
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain, islice
from typing import BinaryIO, NamedTuple

import polars as pl

from pipeline.errors import SourceError
from pipeline.ingest import reasons
from pipeline.ingest.cells import LINE, RAW, part

BLOCK_BYTES = 8 << 20
REPLACEMENT = "\ufffd"  # stands where bytes are no text in the file's encoding


class Rows(NamedTuple):
    """Rows of a file: the named cells with ``cells.LINE`` and ``cells.RAW``, and REJECTS of those that have none."""

    cells: pl.DataFrame
    rejects: pl.DataFrame


@dataclass(frozen=True)
class Layout:
    """How lines are parted into fields.

    Attributes:
        names: the fields in order; empty where the first line names them.
        separator: what parts them; more than one character only without quotes.
        quote: what fields that hold separators are quoted by, or an empty text.
        encoding: any in which a line break is the byte 10.
    """

    names: tuple[str, ...] = ()
    separator: str = ","
    quote: str = '"'
    encoding: str = "utf-8"


def read_rows(stream: BinaryIO, file: str, layout: Layout, chunk_rows: int, block_bytes: int = BLOCK_BYTES) -> Iterator[Rows]:
    """Stream the rows of a delimited text; blank lines are skipped.

    Blocks without a quote are split at the separator. From the first block with a quote on, the csv module reads, because
    only then may a separator or a line break lie inside a field.

    Args:
        stream: the file's bytes; read once and closed.
        file: its name, for rejects and errors.
        layout: how lines are parted.
        chunk_rows: rows handed out at once, at most.
        block_bytes: bytes read at once.

    Yields:
        Text cells by the layout's (or the header's) names, and the rejects of lines that have no such cells.

    Raises:
        SourceError: no line break, no rows, a header that repeats a name, or most of the first lines have another number of
            fields than expected.
    """
    with stream:
        blocks = _blocks(stream, file, block_bytes)
        n_lines, names = 0, layout.names
        if not names:
            first, blocks = _behind_the_header(blocks)
            n_lines, names = 1, _header(first, file, layout)
        is_first = True
        for chunk in chain.from_iterable(rows.iter_slices(chunk_rows) for rows in _parted(blocks, n_lines, layout, chunk_rows)):
            rows = _named(chunk, file, names)
            if is_first and rows.rejects.height > chunk.height / 2:
                raise SourceError(
                    f"{file}: {rows.rejects.height} of the first {chunk.height} lines are not {len(names)} fields parted by "
                    f"{layout.separator!r} ({', '.join(names[:8])}); check the separator and the layout"
                )
            is_first = False
            yield rows
        if is_first:
            raise SourceError(f"{file}: no rows; expected lines of {', '.join(names[:8])} parted by {layout.separator!r}")


def _blocks(stream: BinaryIO, file: str, size: int) -> Iterator[bytes]:
    """Whole lines, about ``size`` bytes of them at once; the file's last line may lack its line break."""
    rest = stream.read(len(codecs.BOM_UTF8)).removeprefix(codecs.BOM_UTF8)
    while block := stream.read(size):
        block = rest + block
        cut = block.rfind(b"\n") + 1
        if not cut and len(block) > BLOCK_BYTES:
            raise SourceError(f"{file}: no line break in {len(block):,} bytes; expected a delimited text file")
        if cut:
            yield block[:cut]
        rest = block[cut:]
    if rest:
        yield rest


def _behind_the_header(blocks: Iterator[bytes]) -> tuple[bytes, Iterator[bytes]]:
    first, _, rest = next(blocks, b"").partition(b"\n")
    return first, chain([rest] if rest else [], blocks)


def _header(line: bytes, file: str, layout: Layout) -> tuple[str, ...]:
    text = line.decode(layout.encoding, errors="replace").rstrip("\r")
    if layout.quote and layout.quote in text:
        try:
            names = next(csv.reader([text], delimiter=layout.separator, quotechar=layout.quote, strict=True))
        except csv.Error as error:
            raise SourceError(
                f"{file}: the header is no line of names ({error}): {text[:80]!r}; check the file and its quotes"
            ) from error
    else:
        names = text.split(layout.separator)
    if len(set(names)) < len(names):
        repeated = sorted({name for name in names if names.count(name) > 1})
        raise SourceError(f"{file}: the header repeats {', '.join(repeated)}; name each column once")
    return tuple(names)


def _parted(blocks: Iterator[bytes], n_lines: int, layout: Layout, chunk_rows: int) -> Iterator[pl.DataFrame]:
    """Frames of LINE, RAW and ``fields`` (the texts, null where quotes are broken), after ``n_lines`` earlier lines."""
    for block in blocks:
        text = block.decode(layout.encoding, errors="replace")
        if layout.quote and layout.quote in text:
            later = (part.decode(layout.encoding, errors="replace") for part in blocks)
            yield from _quoted(chain([text], later), n_lines, layout, chunk_rows)
            return
        raw = pl.read_lines(io.BytesIO(text.encode()), name=RAW)[RAW].str.strip_suffix("\r")
        line = pl.int_range(n_lines + 1, n_lines + raw.len() + 1, eager=True).alias(LINE)
        n_lines += raw.len()
        rows = pl.DataFrame([line, raw]).filter(pl.col(RAW) != "")
        yield rows.with_columns(fields=pl.col(RAW).str.split(layout.separator))


class _Feed:
    """Lines for the csv module that can be taken back when what it read of them was no row."""

    def __init__(self, texts: Iterator[str]) -> None:
        self.lines = (line for text in texts for line in io.StringIO(text, newline="\n"))
        self.returned: deque[str] = deque()
        self.taken: list[str] = []

    def __iter__(self) -> "_Feed":
        return self

    def __next__(self) -> str:
        line = self.returned.popleft() if self.returned else next(self.lines)
        self.taken.append(line)
        return line


def _quoted(texts: Iterator[str], n_lines: int, layout: Layout, chunk_rows: int) -> Iterator[pl.DataFrame]:
    rows = _quoted_rows(_Feed(texts), n_lines, layout)
    schema = pl.Schema({LINE: pl.Int64(), RAW: pl.String(), "fields": pl.List(pl.String())})
    while some := list(islice(rows, chunk_rows)):
        yield pl.DataFrame(some, schema=schema, orient="row")


def _quoted_rows(feed: _Feed, n_lines: int, layout: Layout) -> Iterator[tuple[int, str, list[str] | None]]:
    """Line, raw text and fields of each row; a line whose quotes are broken stands alone and those after it are read anew."""
    reader = csv.reader(feed, delimiter=layout.separator, quotechar=layout.quote, strict=True)
    while True:
        feed.taken.clear()
        try:
            fields: list[str] | None = next(reader)
        except StopIteration:
            return
        except csv.Error:
            fields = None
            feed.returned.extendleft(reversed(feed.taken[1:]))
            del feed.taken[1:]
        raw = "".join(feed.taken).rstrip("\r\n")
        if raw:
            yield n_lines + 1, raw, fields
        n_lines += len(feed.taken)


def _named(chunk: pl.DataFrame, file: str, names: tuple[str, ...]) -> Rows:
    fields = pl.col("fields")
    checks = [
        (reasons.TEXT, pl.col(RAW).str.contains(REPLACEMENT, literal=True)),
        (reasons.QUOTES, fields.is_null()),
        (reasons.FIELD_COUNT, fields.list.len() != len(names)),
    ]
    good, rejects = part(chunk, checks, file)
    cells = [fields.list.get(place).alias(name) for place, name in enumerate(names)]
    return Rows(good.select(LINE, RAW, *cells), rejects)
