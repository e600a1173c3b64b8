"""A table's files, found by path or glob and read as rows of named cells, whether they are text or Parquet."""

import glob
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import BinaryIO

import polars as pl

from pipeline.errors import SourceError
from pipeline.ingest.causes import missing_columns
from pipeline.ingest.cells import OWN
from pipeline.ingest.delimited import Rows, read_rows
from pipeline.ingest.files import open_raw, refusing, require_regular
from pipeline.ingest.formats import HEAD_BYTES, TakenJson, is_json_lines
from pipeline.ingest.json_lines import WantedFields, read_json_lines, read_map
from pipeline.ingest.layout import Layout, OpenLine
from pipeline.ingest.natural_order import natural
from pipeline.ingest.parquet import MAGIC, is_pattern, parquet_rows
from pipeline.ingest.path_columns import values_in
from pipeline.ingest.recbole import default_separator, without_types
from pipeline.ingest.sequences import read_sequences
from pipeline.ingest.table_config import TextFormat
from pipeline.ingest.wanted import WantedColumns
from pipeline.ingest.zip_members import members_of, open_member


def matching(path: Path) -> list[Path]:
    """The file at ``path``, or those its glob matches, in the natural order of their names (day_2 before day_10).

    Raises:
        SourceError: there is none, or it may not be read.
    """
    with refusing(path):
        is_pattern = glob.has_magic(str(path)) and not path.exists()
    if is_pattern:
        # A folder that is there is meant as it is named, whatever marks its name holds.
        anchor = next(parent for parent in (*path.parents, Path(path.anchor)) if parent.exists())
        # A link that leads nowhere is no file, but one was meant.
        found = anchor.glob(str(path.relative_to(anchor)))
        files = sorted((file for file in found if file.is_file() or file.is_symlink()), key=lambda file: natural(file.as_posix()))
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
        member: the member of the zip that the file is; None for the file itself.
        path_values: columns that its path holds.
    """

    path: Path
    name: str
    n_bytes: int | None = None
    open_line: OpenLine = "take"
    member: str | None = None
    path_values: Mapping[str, str] = field(default_factory=dict)

    def parts(self, text: TextFormat) -> list["RawFile"]:
        """The file as it is read: with the columns of its path, and of a zip each of its members.

        Raises:
            SourceError: a zip is damaged, or holds no such member; the path does not end as ``path_columns`` says.
        """
        members = members_of(self.path, text.member)
        if members is None:
            if text.member:
                raise SourceError(f"{self.path}: no zip, but member = {text.member!r} is set; leave it out".replace("'", '"'))
            return [replace(self, path_values=_values_in(text.path_columns, self.path.as_posix()))]
        return [
            replace(
                self,
                name=f"{self.name}/{member}",
                open_line="take",  # what an archive holds was written before its end
                member=member,
                path_values=_values_in(text.path_columns, f"{self.path.as_posix()}/{member}"),
            )
            for member in members
        ]

    def open(self, takes_json: TakenJson) -> BinaryIO:
        """The text that it holds.

        Raises:
            EmptyFileError: it is empty.
            SourceError: it cannot be opened, or is no text.
        """
        if self.member is not None:
            return open_member(self.path, self.member, takes_json)
        return open_raw(self.path, self.n_bytes, takes_json=takes_json)


def _values_in(template: str | None, path: str) -> Mapping[str, str]:
    return values_in(template, path) if template else {}


def read_file(file: RawFile, text: TextFormat | None, wanted: WantedColumns, chunk_rows: int) -> Iterator[Rows]:
    """Stream a file's rows with ``cells.LINE``.

    Args:
        file: Parquet if it begins as such or its name ends in .parquet, else text: JSON if it begins as such, else delimited.
        text: how it is written (plain or packed) if it is text; None where only Parquet is expected.
        wanted: the columns.
        chunk_rows: rows handed out at once, at most.

    Raises:
        EmptyFileError: it holds no rows.
        SourceError: the file is refused as a whole, lacks a wanted column, or has one that cannot be addressed.
    """
    in_file = replace(wanted, names=[name for name in wanted.names if name not in file.path_values])
    for rows in _rows(file, text, in_file, chunk_rows):
        if twice := [name for name in file.path_values if name in rows.cells.columns]:
            raise SourceError(f"{file.name}: column {', '.join(twice)} is in the file and in its path; rename it in path_columns")
        cells = rows.cells.with_columns(pl.lit(value).alias(name) for name, value in file.path_values.items())
        yield rows._replace(cells=cells) if file.path_values else rows


def _rows(file: RawFile, text: TextFormat | None, wanted: WantedColumns, chunk_rows: int) -> Iterator[Rows]:
    if text is None or (file.member is None and _is_parquet(file.path)):
        yield from parquet_rows(file.path, file.name, wanted, chunk_rows)
        return
    for rows in _text_rows(file, text, chunk_rows, wanted):
        cells = without_types(rows.cells, wanted.names)
        columns = [column for column in cells.columns if not column.startswith(OWN)]
        missing = [column for column in wanted.names if column not in columns]
        if refused := [column for column in missing if column not in wanted.may_lack]:
            raise missing_columns(file.path, refused, columns, is_text=True)
        if patterns := [column for column in columns if is_pattern(column)]:
            raise SourceError(
                f"{file.path}: column {', '.join(patterns)} is named like a pattern of Polars; rename it in the file"
            )
        yield rows._replace(cells=cells.with_columns(pl.lit(None, pl.String).alias(column) for column in missing))


def _is_parquet(path: Path) -> bool:
    with refusing(path), path.open("rb") as file:
        return path.suffix == ".parquet" or file.read(len(MAGIC)) == MAGIC


def _text_rows(file: RawFile, text: TextFormat, chunk_rows: int, wanted: WantedColumns) -> Iterator[Rows]:
    with refusing(file.path):
        stream = file.open("any" if text.format == "map" else "lines")
        if text.format == "map":
            yield from read_map(stream, file.name)
        elif text.format == "sequences":
            yield from read_sequences(stream, file.name, text.separator or " ", chunk_rows, file.open_line)
        elif is_json_lines(stream.peek(HEAD_BYTES)[:HEAD_BYTES]):  # type: ignore[attr-defined]  # whatever is opened can peek
            fields = WantedFields(wanted.names, wanted.lists, wanted.may_lack, with_others=wanted.with_others)
            yield from read_json_lines(stream, file.name, fields, chunk_rows, file.open_line)
        else:
            separator = text.separator or default_separator(file.member or file.path.name)
            layout = Layout(
                tuple(text.names), separator, text.quote, text.encoding, text.multiline, tuple(wanted.exact), tuple(wanted.whole)
            )
            yield from read_rows(stream, file.name, layout, chunk_rows, open_line=file.open_line)
