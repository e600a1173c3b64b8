"""JSON as rows of text cells: an object a line, whose nested fields have dotted names, or one object that maps ids to values."""

import ast
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, BinaryIO

import polars as pl

from pipeline.contracts import REJECTS
from pipeline.errors import EmptyFileError, SourceError
from pipeline.ingest import reasons
from pipeline.ingest.causes import missing_columns
from pipeline.ingest.cells import JOINED, LINE, RAW, split_rejects
from pipeline.ingest.delimited import BLOCK_BYTES, Rows
from pipeline.ingest.layout import OpenLine
from pipeline.ingest.lines import REPLACEMENT, Block, LineCount, read_blocks
from pipeline.ingest.parquet import is_pattern

_HALF_CHARACTER = re.compile("[\ud800-\udfff]")
_PYTHON = ("{'", "{u'", '{u"')
Found = tuple[list[dict[str, str | None]], list[str | None]]


def read_json_lines(
    stream: BinaryIO, file: str, wanted: "WantedFields", chunk_rows: int, open_line: OpenLine = "take"
) -> Iterator[Rows]:
    """Stream the objects of a text, one a line; blank lines are skipped.

    A number keeps the digits it is written with, true and false are these words, null and what is left out are empty. Lists of
    single values are joined by ``cells.JOINED``. A line that is a Python object, as in Amazon's files of 2014, is read as well.

    Args:
        stream: the file's bytes; read once and closed.
        file: its name, for rejects and errors.
        wanted: the fields to read.
        chunk_rows: rows handed out at once, at most.
        open_line: what is done with a last line that has no line end.

    Raises:
        EmptyFileError: there are no rows (yet).
        SourceError: most of the first lines are no objects, none of them has a wanted field, or the last line is open where that
            refuses the file.
    """
    with stream:
        counted, n_rows, is_first = LineCount(), 0, True
        for block in read_blocks(stream, file, "utf-8", BLOCK_BYTES):
            rows = _rows_of(block, file, wanted, open_line)
            n_read = rows.cells.height + rows.rejects.height
            if is_first and n_read:
                _refuse_if_most(file, rows, wanted)
                is_first = False
            counted += rows.lines
            n_rows += n_read
            yield Rows(rows.cells[:chunk_rows], rows.rejects, rows.lines)
            for start in range(chunk_rows, rows.cells.height, chunk_rows):
                yield Rows(rows.cells[start : start + chunk_rows], REJECTS.empty())
        counted.require(n_rows, file)
        if is_first:
            raise EmptyFileError(f"{file}: no rows; expected a JSON object a line")


class WantedFields:
    """Which fields of an object become cells.

    Args:
        names: fields, nested ones by dotted names; every row has a cell for each.
        lists: those of them that may be lists.
        may_lack: those that no object need have.
        with_others: whether other fields with single values, or lists of them, become cells too.
    """

    def __init__(
        self, names: Sequence[str], lists: Sequence[str] = (), may_lack: Sequence[str] = (), *, with_others: bool = False
    ) -> None:
        self.names = tuple(names)
        self.lists = frozenset(lists)
        self.may_lack = frozenset(may_lack)
        self.with_others = with_others
        self._paths = [(name, name.split(".")) for name in names]
        self._mapped = frozenset(names)

    def cells_of(self, value: Mapping[str, Any]) -> tuple[dict[str, str | None], str | None]:
        """The cells of an object, and the reason to reject it, if there is one."""
        cells: dict[str, str | None] = {}
        for name, path in self._paths:
            found = value[name] if name in value else _nested(value, path)
            if type(found) is str:  # as nearly all are: numbers keep their digits
                cells[name] = found
                continue
            if isinstance(found, dict) or (isinstance(found, list) and (name not in self.lists or not _is_flat(found))):
                return {}, reasons.is_not(name, "a single value")
            cells[name] = _text(found)
        if self.with_others:
            cells |= {name: text for name, text in _flat(value, "") if name not in self._mapped and not is_pattern(name)}
        return cells, None


def _nested(value: Any, path: Sequence[str]) -> Any:
    for key in path:
        if not isinstance(value, dict):
            return None
        value = value.get(key)
    return value


def _is_flat(values: Sequence[Any]) -> bool:
    """Whether a list holds single values, or lists of them, as the categories of Amazon's files do."""
    return not any(isinstance(value, dict) or (isinstance(value, list) and not _is_flat(value)) for value in values)


def _text(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return JOINED.join(_text(each) or "" for each in value)
    return repr(value)


def _flat(value: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, str | None]]:
    """Single values and lists of them, by dotted names."""
    for key, inner in value.items():
        if isinstance(inner, dict):
            yield from _flat(inner, f"{prefix}{key}.")
        elif not isinstance(inner, list):
            yield prefix + key, _text(inner)
        elif _is_flat(inner):
            yield prefix + key, ", ".join(filter(None, map(_text, inner)))


def _refuse_constant(text: str) -> Any:
    raise ValueError(f"{text} is no JSON")


_DECODER = json.JSONDecoder(parse_float=str, parse_int=str, parse_constant=_refuse_constant)


def object_of(line: str) -> dict[str, Any] | None:
    """The object that a line is; None where it is none."""
    try:
        value = ast.literal_eval(line) if line.startswith(_PYTHON) else _DECODER.decode(line)
    except (ValueError, SyntaxError, RecursionError, MemoryError):
        return None
    return value if isinstance(value, dict) else None


def _rows_of(block: Block, file: str, wanted: WantedFields, open_line: OpenLine) -> Rows:
    lines, count = block.lines, LineCount(n_lines=block.lines.height)
    rejects = [REJECTS.empty()]
    if block.is_open and open_line != "take" and lines.height:
        if open_line == "refuse":
            raise SourceError(
                f"{file}: its last line has no line end, so that the list may be cut; if it is whole, end it with a line break, or "
                "set ingest.settle_hours = 0"
            )
        rejects.append(split_rejects(lines[-1:], [(reasons.OPEN_LINE, pl.lit(value=True))], file)[1])
        lines, count = lines[:-1], count + LineCount(n_open=1)
    written = lines.filter(pl.col(RAW).str.strip_chars() != "")
    count += LineCount(n_blank=lines.height - written.height)
    cells, faults = _cells(written[RAW], lambda line: object_of(line.strip()), wanted)
    names = list(dict.fromkeys([*wanted.names, *(name for row in cells for name in row)]))
    marked = written.with_columns(pl.Series("reason", faults, dtype=pl.String))
    bad = marked.filter(pl.col("reason").is_not_null())
    rejects.append(
        bad.select(
            pl.lit(file).alias("file"),
            pl.col(LINE).alias("line"),
            pl.col(RAW).str.slice(0, reasons.RAW_LENGTH).alias("raw"),
            "reason",
        )
    )
    good = marked.filter(pl.col("reason").is_null()).drop("reason")
    columns = pl.DataFrame({name: [row.get(name) for row in cells] for name in names}, schema=dict.fromkeys(names, pl.String()))
    return Rows(pl.concat([good, columns], how="horizontal"), pl.concat(rejects).sort("line"), count)


def _cells(lines: pl.Series, read: Callable[[str], dict[str, Any] | None], wanted: WantedFields) -> Found:
    """The cells of the good lines, and for every line the reason to reject it or None."""
    cells, faults = [], []
    for line in lines.to_list():
        value = read(line)
        row, fault = wanted.cells_of(value) if value is not None else ({}, reasons.NO_OBJECT)
        fault = fault or _fault_of_text(line, row)
        if fault is None:
            cells.append(row)
        faults.append(fault)
    return cells, faults


def _fault_of_text(line: str, row: Mapping[str, str | None]) -> str | None:
    """Whether a cell holds what is no text: bytes of another encoding, half a character, null bytes."""
    if REPLACEMENT in line:
        return reasons.TEXT
    if "\\u" not in line:  # nothing is spelt by its number
        return None
    texts = "".join(filter(None, row.values()))
    if "\0" in texts:
        return reasons.NULL_BYTES
    return reasons.TEXT if _HALF_CHARACTER.search(texts) else None


def _refuse_if_most(file: str, rows: Rows, wanted: WantedFields) -> None:
    """Refuse a file most of whose first lines are no objects, or whose objects never have a wanted field."""
    no_objects = rows.rejects.filter(pl.col("reason") == reasons.NO_OBJECT)
    n_read = rows.cells.height + rows.rejects.height
    if 2 * no_objects.height > n_read:
        first = no_objects.row(0, named=True)
        raise SourceError(
            f"{file}: {no_objects.height:,} of its first {n_read:,} lines are no JSON object, the first is line {first['line']}: "
            f"{first['raw']:.80}; write an object a line with: jq -c . FILE > NEW.jsonl"
        )
    missing = [
        name for name in wanted.names if name not in wanted.may_lack and rows.cells[name].null_count() == rows.cells.height
    ]
    if missing and rows.cells.height:
        found = _names_found(rows)
        if absent := [name for name in missing if name not in found]:
            raise missing_columns(file, absent, found, is_text=False)


def _names_found(rows: Rows) -> list[str]:
    """Dotted names of the first objects, in order."""
    objects = [object_of(line.strip()) or {} for line in rows.cells[RAW].head(100).to_list()]
    return list(dict.fromkeys(name for each in objects for name in _names(each, "")))


def _names(value: Mapping[str, Any], prefix: str) -> Iterator[str]:
    for key, inner in value.items():
        yield prefix + key
        if isinstance(inner, dict):
            yield from _names(inner, f"{prefix}{key}.")


def read_map(stream: BinaryIO, file: str) -> Iterator[Rows]:
    """The members of one JSON object as rows ``key``, ``value``: ``{"4": [1, 2], "7": [3]}``; lists are joined by ``cells.JOINED``.

    A row's number is its place, 1 = first; the object counts as one line a member.

    Raises:
        SourceError: it is no whole object, names a key twice, or has another value than single values and lists of them.
    """
    with stream:
        try:
            members = json.load(stream, parse_float=str, parse_int=str, object_pairs_hook=_each_once)
        except (ValueError, RecursionError) as error:
            raise SourceError(f"{file}: no whole JSON object ({error}); mend it, or fetch it again") from error
    if not isinstance(members, dict):
        raise SourceError(f'{file}: no JSON object of ids; expected one such as {{"4": [1, 2], "7": [3]}}')
    if not members:
        raise EmptyFileError(f"{file}: no rows; expected a JSON object of ids")
    if odd := [
        key for key, value in members.items() if isinstance(value, dict) or (isinstance(value, list) and not _is_flat(value))
    ]:
        raise SourceError(
            f"{file}: {len(odd):,} of its {len(members):,} values are objects, the first of {odd[0]!r}; expected texts or lists"
        )
    cells = pl.DataFrame(
        {LINE: range(1, len(members) + 1), "key": list(members), "value": list(map(_text, members.values()))},
        schema={LINE: pl.Int64(), "key": pl.String(), "value": pl.String()},
    )
    yield Rows(cells, REJECTS.empty(), LineCount(n_lines=cells.height))


def _each_once(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    """The object of these members.

    Raises:
        ValueError: a key comes twice.
    """
    found = dict(pairs)
    if n_twice := len(pairs) - len(found):
        raise ValueError(f"{n_twice:,} of {len(pairs):,} keys come again")
    return found
