"""A table's files, found by path or glob and read as rows of named cells, whether they are text or Parquet."""

import glob
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from pipeline.errors import SourceError
from pipeline.ingest.causes import missing_columns
from pipeline.ingest.cells import OWN
from pipeline.ingest.delimited import Rows, read_rows
from pipeline.ingest.files import open_raw, refusing, require_regular
from pipeline.ingest.layout import Layout, OpenLine
from pipeline.ingest.parquet import MAGIC, is_pattern, parquet_rows
from pipeline.ingest.table_config import TextFormat


def matching(path: Path) -> list[Path]:
    """The file at ``path``, or those its glob matches, in the natural order of their names (day_2 before day_10).

    Raises:
        SourceError: there is none, or it may not be read.
    """
    with refusing(path):
        is_pattern = glob.has_magic(str(path)) and not path.exists()
    if is_pattern:
        anchor = Path(path.anchor)
        # A link that leads nowhere is no file, but one was meant.
        found = anchor.glob(str(path.relative_to(anchor)))
        files = sorted((file for file in found if file.is_file() or file.is_symlink()), key=_natural)
        if not files:
            raise SourceError(f"{path}: matches no file; check the path in the source's configuration")
    else:
        files = [path]
    for file in files:
        with refusing(file):
            require_regular(file)
    with refusing(files[0]):
        files[0].open("rb").close()
    return files


def _natural(path: Path) -> tuple[list[list[tuple[int, str]]], str]:
    """By which names sort as people number them: runs of digits as numbers."""
    return [
        [(int(run), "") if run.isdigit() else (-1, run) for run in re.findall(r"[0-9]+|[^0-9]+", part)] for part in path.parts
    ], str(path)


def name_in(pattern: Path, file: Path) -> str:
    """The file's name, from the first folder on that ``pattern`` leaves open."""
    fixed = pattern.parent
    while glob.has_magic(str(fixed)) and not fixed.exists():
        fixed = fixed.parent
    return str(file.relative_to(fixed))


@dataclass(frozen=True)
class RawFile:
    """A file to read.

    Attributes:
        path: where it lies.
        name: its name, for rejects and errors.
        n_bytes: read only so many of its bytes, those that were hashed; None for all.
        open_line: what is done with a last line that has no line end.
    """

    path: Path
    name: str
    n_bytes: int | None = None
    open_line: OpenLine = "take"


@dataclass(frozen=True)
class WantedColumns:
    """Which columns of a file are read.

    Attributes:
        names: columns that it must have.
        exact: columns of text that a broken quote may not be part of.
        whole: columns of text that usually are whole numbers (``Layout.whole``).
        with_others: whether columns that are not wanted are needed too; of text they are read in any case.
    """

    names: Sequence[str]
    exact: Sequence[str] = ()
    whole: Sequence[str] = ()
    with_others: bool = False


def read_file(file: RawFile, text: TextFormat | None, wanted: WantedColumns, chunk_rows: int) -> Iterator[Rows]:
    """Stream a file's rows with ``cells.LINE``.

    Args:
        file: Parquet if it begins as such or its name ends in .parquet, else text.
        text: how it is written (plain, gzipped or xz) if it is text; None where only Parquet is expected.
        wanted: the columns.
        chunk_rows: rows handed out at once, at most.

    Raises:
        EmptyFileError: it holds no rows.
        SourceError: the file is refused as a whole, lacks a wanted column, or has one that cannot be addressed.
    """
    if text is None or _is_parquet(file.path):
        yield from parquet_rows(file.path, file.name, wanted.names, chunk_rows, with_others=wanted.with_others)
        return
    for rows in _text_rows(file, text, chunk_rows, wanted):
        columns = [column for column in rows.cells.columns if not column.startswith(OWN)]
        if missing := [column for column in wanted.names if column not in columns]:
            raise missing_columns(file.path, missing, columns, is_text=True)
        if patterns := [column for column in columns if is_pattern(column)]:
            raise SourceError(
                f"{file.path}: column {', '.join(patterns)} is named like a pattern of Polars; rename it in the file"
            )
        yield rows


def _is_parquet(path: Path) -> bool:
    with refusing(path), path.open("rb") as file:
        return path.suffix == ".parquet" or file.read(len(MAGIC)) == MAGIC


def _text_rows(file: RawFile, text: TextFormat, chunk_rows: int, wanted: WantedColumns) -> Iterator[Rows]:
    separator = text.separator or ("\t" if ".tsv" in file.path.suffixes else ",")
    layout = Layout(
        tuple(text.names), separator, text.quote, text.encoding, text.multiline, tuple(wanted.exact), tuple(wanted.whole)
    )
    with refusing(file.path):
        yield from read_rows(open_raw(file.path, file.n_bytes), file.name, layout, chunk_rows, open_line=file.open_line)
