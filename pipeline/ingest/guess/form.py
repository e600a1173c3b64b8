"""How a raw file is written (packing, encoding, separator, quotes, header), and its first rows as texts."""

import codecs
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, BinaryIO, Literal

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.errors import EmptyFileError, SourceError
from pipeline.ingest.cells import JOINED, OWN
from pipeline.ingest.files import open_raw, refusing, require_regular
from pipeline.ingest.formats import HEAD_BYTES, is_json_lines
from pipeline.ingest.guess.fields import MOST, SAMPLE_ROWS, SEPARATORS, has_header, is_sequences, parted
from pipeline.ingest.parquet import MAGIC, parquet_rows
from pipeline.ingest.recbole import default_separator
from pipeline.ingest.wanted import WantedColumns
from pipeline.ingest.zip_members import members_of, open_member

SAMPLE_BYTES = 1 << 20
_IN_WORDS = 'a comma, a semicolon, a tab, "|", "::", "@" or a blank'
_MAP_KEYS = 20
# Of an object at most some members before the list: plain values, or objects and lists of plain values.
_PLAIN = r'(?:"(?:[^"\\\\]|\\\\.)*"|[^\[\]{}",]+|\{[^\[\]{}]*\}|\[[^\[\]{}]*\])'
_LIST_OF_OBJECTS = re.compile(rf'\s*\{{\s*(?:"[^"]*"\s*:\s*{_PLAIN}\s*,\s*){{0,20}}"(\w+)"\s*:\s*\[\s*\{{')
Kind = Literal["text", "json", "parquet", "sequences", "map"]


@dataclass(frozen=True)
class Sample:
    """A raw file, or a member of a zip, as its first rows show it.

    Attributes:
        path: the file.
        member: the member of a zip; None for the file itself.
        kind: what it is.
        names: its columns.
        rows: the first rows, a text a column; lists are joined by ``cells.JOINED``.
        text: settings of ``TextFormat`` by which it is read, defaults left out.
        has_names: whether the file itself names its columns.
        doubts: what was not certain, a sentence each.
        is_open: whether its last line has no line end.
        fault: why it has no rows; None where it has some.
    """

    path: Path
    member: str | None
    kind: Kind
    names: tuple[str, ...]
    rows: Sequence[Sequence[str]]
    text: Mapping[str, Any] = field(default_factory=dict)
    has_names: bool = True
    doubts: tuple[str, ...] = ()
    is_open: bool = False
    fault: SourceError | None = None

    @property
    def label(self) -> str:
        """Its name for people."""
        return f"{self.path.name}/{self.member}" if self.member else self.path.name

    @property
    def why(self) -> str:
        """Its fault, without its path."""
        return str(self.fault).removeprefix(str(self.path)).removeprefix(f"/{self.member}").removeprefix(": ")

    def column(self, name: str) -> list[str]:
        """The cells of a column that are not blank."""
        at = self.names.index(name)
        return [cell for row in self.rows if at < len(row) and (cell := row[at].strip())]


def samples_of(path: Path) -> list[Sample]:
    """Look at a file; of a zip at each member. What has no rows, or is no table within a zip, says so by its ``fault``.

    Raises:
        SourceError: it is missing, a folder, or no table.
    """
    with refusing(path):
        if path.is_dir():
            raise SourceError(f"{path}: a folder; name its files, such as: hsrl init {path / '*.csv'}")
        require_regular(path)
        if path.suffix == ".parquet" or _begins(path, MAGIC):
            return [_of_parquet(path)]
        members = members_of(path, "*")
        if members is None:
            return [_of_file(path)]
        found = [_of_member(path, member) for member in members]
    faults = [sample.fault for sample in found if sample.fault]
    if len(faults) == len(found):
        raise SourceError(f"{path}: none of its {len(found)} members is a table, the first: {faults[0]}")
    return found


def _of_file(path: Path) -> Sample:
    try:
        with open_raw(path, takes_json="any") as stream:
            return _of_stream(stream, path, None)
    except EmptyFileError as error:
        return Sample(path, None, "text", (), (), fault=error)


def _of_member(path: Path, member: str) -> Sample:
    try:
        with open_member(path, member, "any") as stream:
            return _of_stream(stream, path, member)
    except SourceError as error:
        return Sample(path, member, "text", (), (), fault=error)


def _begins(path: Path, magic: bytes) -> bool:
    with path.open("rb") as file:
        return file.read(len(magic)) == magic


def _of_parquet(path: Path) -> Sample:
    try:
        schema = pq.read_schema(path)
    except pa.ArrowException as error:
        raise SourceError(f"{path}: no Parquet file, or a damaged one ({str(error).splitlines()[0]}); fetch it again") from error
    lists = [each.name for each in schema if pa.types.is_list(each.type) or pa.types.is_large_list(each.type)]
    rows = next(parquet_rows(path, path.name, WantedColumns(names=lists, lists=lists, with_others=True), SAMPLE_ROWS))
    cells = rows.cells.select(name for name in rows.cells.columns if not name.startswith(OWN))
    texts = [
        ["" if cell is None else str(cell).lower() if isinstance(cell, bool) else str(cell) for cell in row]
        for row in cells.rows()
    ]
    return Sample(path, None, "parquet", tuple(cells.columns), texts)


def _of_stream(stream: BinaryIO, path: Path, member: str | None) -> Sample:
    begin = stream.read(SAMPLE_BYTES)
    rest = stream.read(1)
    label = f"{path}/{member}" if member else str(path)
    if b"\0" in begin:
        raise SourceError(f"{label}: holds null bytes, so it is no text; give it as CSV, JSON lines or Parquet")
    begin = begin.removeprefix(codecs.BOM_UTF8)
    text, encoding, doubts = _decoded(begin)
    text = _with_line_feeds(text, label)
    if rest:
        text = text[: text.rfind("\n") + 1] or text
    lines = [line for line in text.split("\n") if line.strip()]
    if not lines:
        raise EmptyFileError(f"{label}: no rows; expected some")
    is_open = not rest and not text.endswith("\n") and member is None
    if begin.lstrip()[:1] == b"{":
        _require_an_object_a_line(lines, text, path)
        return _of_json(lines, bool(rest), path, member, is_open=is_open, is_lines=is_json_lines(begin[:HEAD_BYTES]))
    found = _of_lines(lines, text, path, member, encoding)
    return replace(found, doubts=(*doubts, *found.doubts), is_open=is_open)


def _with_line_feeds(text: str, label: str) -> str:
    """The text with each line ended by a line feed alone, as the reader takes it; other carriage returns become blanks.

    Raises:
        SourceError: nearly all lines end by a carriage return alone, and the reader, which sees a line feed, would not part them.
    """
    if "\n" not in text:
        return text.replace("\r", "\n")
    text = re.sub("\r+\n", "\n", text)
    if "\r" in text.strip() and "\n" not in text.strip():
        raise SourceError(
            f"{label}: its lines end by a carriage return alone, as on old Macs, but for a line feed at an end; convert it: "
            "tr '\\r' '\\n' < FILE > NEW_FILE"
        )
    return text.replace("\r", " ")


def _decoded(begin: bytes) -> tuple[str, str, tuple[str, ...]]:
    """The text, its encoding, and what is uncertain of it; bytes at the end may be half a character."""
    for cut in range(4):
        try:
            return begin[: len(begin) - cut].decode("utf-8"), "utf-8", ()
        except UnicodeDecodeError as error:
            if error.start < len(begin) - 4:
                break
    encoding = "latin-1"
    if any(0x80 <= byte < 0xA0 for byte in begin):
        try:
            begin.decode("cp1252")
            encoding = "cp1252"
        except UnicodeDecodeError:
            pass
    doubt = f"it is no UTF-8 and was read as {encoding}; look at letters with accents, and set encoding if they are wrong"
    return begin.decode(encoding), encoding, (doubt,)


def _require_an_object_a_line(lines: Sequence[str], text: str, path: Path) -> None:
    """Refuse objects that are not one a line, with the command that writes them so; a lone object may be a list of items.

    Raises:
        SourceError: the text is an object that holds a list of events, or begins with an object of several lines before others.
    """
    if len(lines) > 1 and _object_in(lines[0]) is not None:
        return
    if found := _LIST_OF_OBJECTS.match(text):
        what, of = f"a JSON object whose {found[1]} is a list of objects", f"'.{found[1]}[]'"
    elif (end := _object_in(text.lstrip())) and text.lstrip()[end:].strip():
        what, of = "JSON objects over several lines", "."
    else:
        return
    raise SourceError(f"{path}: {what}; write an object a line with: jq -c {of} {path.name} > NEW.jsonl")


def _object_in(text: str) -> int | None:
    """Where the JSON value ends that a text begins with; None where it does not end."""
    try:
        return json.JSONDecoder().raw_decode(text)[1]
    except ValueError:
        return None


def _of_json(lines: Sequence[str], is_cut: bool, path: Path, member: str | None, *, is_open: bool, is_lines: bool) -> Sample:
    """A JSON text that begins with an object."""
    objects = []
    for line in lines[:SAMPLE_ROWS]:
        try:
            value = json.loads(line, parse_float=str, parse_int=str)
        except ValueError:
            continue
        if isinstance(value, dict):
            objects.append(value)
    if (len(lines) == 1 and (is_cut or (objects and len(objects[0]) > _MAP_KEYS))) or not is_lines:
        return Sample(path, member, "map", ("key", "value"), [], {"format": "map"}, has_names=False)
    if 2 * len(objects) < len(lines[:SAMPLE_ROWS]):
        raise SourceError(
            f"{path}: {len(objects)} of its first {len(lines[:SAMPLE_ROWS])} lines are JSON objects; write an object a line with: "
            "jq -c . FILE > NEW.jsonl"
        )
    flat = [dict(_flat(value, "")) for value in objects]
    names = tuple(dict.fromkeys(name for row in flat for name in row))
    return Sample(path, member, "json", names, [[row.get(name, "") for name in names] for row in flat], is_open=is_open)


def _flat(value: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, str]]:
    for key, inner in value.items():
        if isinstance(inner, dict):
            yield from _flat(inner, f"{prefix}{key}.")
        elif isinstance(inner, list):
            yield prefix + key, JOINED.join("" if each is None else str(each) for each in inner)
        else:
            yield prefix + key, "" if inner is None else str(inner).lower() if isinstance(inner, bool) else str(inner)


def _of_lines(lines: Sequence[str], text: str, path: Path, member: str | None, encoding: str) -> Sample:
    """A delimited text, or a user and the items a line."""
    name = member or path.name
    ways = [found for separator in SEPARATORS if (found := parted(lines, text, separator)) is not None]
    if not ways:
        if is_sequences(lines):
            rows = [(line.split()[0], JOINED.join(line.split()[1:])) for line in lines[:SAMPLE_ROWS]]
            return Sample(path, member, "sequences", ("user", "items"), rows, {"format": "sequences"}, has_names=False)
        raise SourceError(
            f"{path if member is None else path / member}: no table; its {len(lines):,} first lines do not part into the same number of "
            f"fields by {_IN_WORDS}"
        )
    best = max(ways, key=lambda found: (found.width > 1, found.share > MOST, found.width))
    records = [record for record in best.records if len(record) == best.width]
    has_names, doubts = has_header(records)
    settings: dict[str, Any] = {} if encoding == "utf-8" else {"encoding": encoding}
    if best.separator != default_separator(name):
        settings["separator"] = best.separator
    settings |= {} if best.quote else {"quote": ""}
    settings |= {"multiline": True} if best.multiline else {}
    if has_names:
        names, records = tuple(cell.strip() for cell in records[0]), records[1:]
    else:
        names = tuple(f"column_{number}" for number in range(1, best.width + 1))
    fault = (
        None if records else EmptyFileError(f"{path if member is None else path / member}: a header and no rows; expected some")
    )
    return Sample(path, member, "text", names, records[:SAMPLE_ROWS], settings, has_names, doubts, fault=fault)
