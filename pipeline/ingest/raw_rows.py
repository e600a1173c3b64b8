"""Whose a refused row is: the ids of user and item in the raw text that the quarantine keeps of it, as far as it can be read."""

import csv
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import polars as pl

from pipeline.contracts import REJECTS
from pipeline.ingest.cells import id_text
from pipeline.ingest.delimited import Rows
from pipeline.ingest.ids import IDS
from pipeline.ingest.json_lines import WantedFields, object_of
from pipeline.ingest.lists import ListCells
from pipeline.ingest.reasons import OPEN_LINE, RAW_LENGTH
from pipeline.ingest.shape import key_of, with_keys
from pipeline.ingest.table_layout import Columns

Kind = Literal["user", "item"]
KINDS: tuple[Kind, ...] = ("user", "item")
FOUND = pl.Schema({"row": pl.Int64(), "kind": pl.String(), "id": pl.String()})
# A row that was refused after it was read is kept as the event it would have been, with the ids that the warehouse has.
_STORED = {"user": "user_id", "item": "item_id"}  # as RAW_EVENTS has them, its first columns
_DECODER = json.JSONDecoder(parse_float=str, parse_int=str)

# The names of the columns that hold them, and their texts in a row.
Cells = dict[str, str | None]


@dataclass(frozen=True)
class RawRows:
    """How the raw rows of a file name their user and item.

    Attributes:
        columns: ``user`` and ``item`` → the column or columns of the id; what is left out is in no row of the file.
        fields: names of a line's fields in order; empty where rows are no delimited lines.
        separator: what stands between fields.
        quote: what they are quoted by, or an empty text.
        last_takes_rest: whether the last field holds all that is left of the line.
        items: reads the items of a row, where a cell holds a list of them.
        in_path: columns that the file's path holds.
    """

    columns: Mapping[str, Columns]
    fields: tuple[str, ...] = ()
    separator: str = ","
    quote: str = '"'
    last_takes_rest: bool = False
    items: ListCells | None = None
    in_path: Mapping[str, str] = field(default_factory=dict)

    def ids(self, rows: Sequence[tuple[str, str]]) -> pl.DataFrame:
        """FOUND of raw texts and the reasons they were refused for: row (0 = first), kind, and the id as text, null where it is of nobody.

        A row has several ids of a kind where it holds a list. What cannot be read of a row is left out: it may be anybody's.
        """
        cells = [self._cells(raw, reason) for raw, reason in rows]
        return pl.concat([pl.DataFrame(schema=FOUND), *(self._ids_of_kind(kind, cells) for kind in KINDS)])

    def _ids_of_kind(self, kind: Kind, cells: Sequence[Cells]) -> pl.DataFrame:
        columns = self.columns.get(kind)
        if columns is None:
            return pl.DataFrame([(row, kind, None) for row in range(len(cells))], schema=FOUND, orient="row")
        names = [columns] if isinstance(columns, str) else list(columns)
        stored = [(row, kind, known[IDS[kind]]) for row, known in enumerate(cells) if IDS[kind] in known]
        mapped = [
            (row, *(known[name] for name in names))
            for row, known in enumerate(cells)
            if IDS[kind] not in known and all(name in known for name in names)
        ]
        frame = pl.DataFrame(mapped, schema={"row": pl.Int64(), **dict.fromkeys(names, pl.String())}, orient="row")
        if kind == "item" and self.items is not None:
            frame = self.items.rows_of_elements(Rows(frame, REJECTS.empty()), "").cells
        key = key_of(kind, columns)
        found = with_keys(frame, {kind: columns}).select("row", kind=pl.lit(kind), id=id_text(key, pl.String()))
        return pl.concat([pl.DataFrame(stored, schema=FOUND, orient="row"), found.cast(FOUND)])

    def _cells(self, raw: str, reason: str) -> Cells:
        """The cells that are known for sure; a column that is cut off, or in a broken line, is not among them."""
        is_cut = len(raw) >= RAW_LENGTH or reason == OPEN_LINE
        is_object = raw.lstrip().startswith("{")
        return {**self.in_path, **(self._of_object(raw, is_cut=is_cut) if is_object else self._of_line(raw, is_cut=is_cut))}

    def _of_object(self, raw: str, *, is_cut: bool) -> Cells:
        whole = object_of(raw.strip())
        value = _members(raw) if whole is None and is_cut else whole or {}
        named = [[columns] if isinstance(columns, str) else columns for columns in self.columns.values()]
        names = [name for columns in named for name in columns if name not in self.in_path]
        if not any(name in value for name in names) and value.keys() >= set(_STORED.values()):
            return {IDS[kind]: str(value[name]) for kind, name in _STORED.items()}
        known = [name for name in names if whole is not None or name.split(".")[0] in value]
        return WantedFields(known, known).cells_of(value)[0]

    def _of_line(self, raw: str, *, is_cut: bool) -> Cells:
        texts = self._parted(raw, is_cut=is_cut)
        if len(texts) > len(self.fields) or (len(texts) < len(self.fields) and not is_cut):
            return {}
        whole = texts[:-1] if is_cut else texts
        return {name: text for name, text in zip(self.fields, whole, strict=False) if text is not None}

    def _parted(self, raw: str, *, is_cut: bool) -> Sequence[str | None]:
        """The fields of a line, None for those with a broken quote."""
        if self.last_takes_rest:
            return [text.strip() for text in raw.strip().split(self.separator, len(self.fields) - 1)]
        if not (self.quote and self.quote in raw):
            return raw.split(self.separator)
        lines = raw.splitlines(keepends=True)
        try:
            return next(csv.reader(lines, delimiter=self.separator, quotechar=self.quote, strict=not is_cut))
        except csv.Error:  # read as it stands, as ``quotes`` reads it
            return [None if self.quote in text else text for text in raw.split(self.separator)]


def _members(raw: str) -> dict[str, Any]:
    """The whole members at the beginning of an object that is cut off."""
    found: dict[str, Any] = {}
    at = raw.index("{") + 1
    try:
        while True:
            name, at = _DECODER.raw_decode(raw, _behind_blanks(raw, at))
            at = _behind_blanks(raw, at)
            if raw[at] != ":":
                return found
            value, at = _DECODER.raw_decode(raw, _behind_blanks(raw, at + 1))
            at = _behind_blanks(raw, at)
            if raw[at] != ",":
                return found
            found[str(name)] = value
            at += 1
    except (ValueError, IndexError, RecursionError):
        return found


def _behind_blanks(raw: str, at: int) -> int:
    while at < len(raw) and raw[at] in " \t\r\n":
        at += 1
    return at
