"""Refused rows of those who were asked to be forgotten: found by the ids in their raw text, as the quarantine and a reading have it."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

import polars as pl

from flows.refresh.forgotten import Forgotten, hash_of
from pipeline.ingest.cells import hash_of_id
from pipeline.ingest.raw_rows import KINDS, Kind
from pipeline.ingest.section import SourceSection

BLANK = "(forgotten)"  # stands where a forgotten id stood
# What may be an id in a row of which it is not known what its columns are: a word, or all between two marks.
_PIECES = tuple(re.compile(pattern) for pattern in (r"[\w-]+", r"[^,;:\t|\"'\[\]{}\s]+", r"[^,;\t|\"'\[\]{}]+"))
_MOST_COLUMNS_OF_AN_ID = 3
_WHOLE, _FLOAT = re.compile(r"0|-?[1-9]\d*"), re.compile(r"-?\d+\.0")


def numbers_of(text: str) -> set[int]:
    """The ids that a text may be: the whole number that it spells, and the number that a text is hashed to.

    Which of the two ids are was decided once for a warehouse; the other is then nobody's.
    """
    texts = {text, text.removesuffix(".0")} if _FLOAT.fullmatch(text) else {text}  # as Parquet's floats stand in JSON
    return {hash_of_id(each) for each in texts} | {int(each) for each in texts if _WHOLE.fullmatch(each)}


@dataclass(frozen=True)
class RefusedRows:
    """Refused rows, parted by whose they are.

    Attributes:
        others: the rows as they came, but for ids of the forgotten that stand in some of which it is not known whose they are: BLANK
            stands for these.
        theirs: the rows of those who are forgotten.
        n_blanked: how many of ``others`` have a BLANK.
    """

    others: pl.DataFrame
    theirs: pl.DataFrame
    n_blanked: int


def part_refused(rows: pl.DataFrame, forgotten: Forgotten, source: SourceSection) -> RefusedRows:
    """Part the rows of the forgotten from those of others.

    A row is theirs where the column of the user (or item) holds the id, however many other cells spell the same. Where that
    column cannot be found in the row (too few fields, a broken quote, a file that is gone), or holds a list with others in it, the
    row stays, so that nothing of others is lost, but the id is taken out of it.

    Args:
        rows: file, raw, reason and perhaps more.
        forgotten: hashes of ids.
        source: says how raw rows of its files are read.
    """
    if not forgotten.parts or rows.is_empty():
        return RefusedRows(rows, rows.clear(), 0)
    marks = _Marks(forgotten)
    files = rows["file"].unique().to_list()
    layouts = source.raw_rows(files)
    known: dict[Kind, set[int]] = {kind: set() for kind in KINDS}
    theirs: set[int] = set()
    for file in files:
        if file in layouts:
            mine = rows.with_row_index("at").filter(file=file)
            found = layouts[file].ids(mine.select("raw", "reason").rows())
            found = found.with_columns(row=mine["at"].cast(pl.Int64).gather(found["row"]))
            _note(found, marks, known, theirs)
    raws, n_blanked = rows["raw"].to_list(), 0
    for row, raw in enumerate(raws):
        unknown = [kind for kind in KINDS if marks.hashes[kind] and row not in known[kind]]
        if unknown and row not in theirs and (blanked := marks.blanked(raw, unknown)) != raw:
            raws[row], n_blanked = blanked, n_blanked + 1
    is_theirs = pl.Series(row in theirs for row in range(rows.height))
    blanked_rows = rows.with_columns(pl.Series("raw", raws, dtype=pl.String))
    return RefusedRows(blanked_rows.filter(~is_theirs), rows.filter(is_theirs), n_blanked)


def _note(found: pl.DataFrame, marks: "_Marks", known: dict[Kind, set[int]], theirs: set[int]) -> None:
    """Add the rows of FOUND of which an id is known for sure to ``known``, and those of the forgotten to ``theirs``."""
    ids = found.select("kind", "id").unique().drop_nulls().rows()
    gone = pl.DataFrame(
        [pair for pair in ids if marks.is_marked(*pair)], schema={"kind": pl.String, "id": pl.String}, orient="row"
    )
    is_gone = found.join(gone.with_columns(is_gone=pl.lit(value=True)), on=["kind", "id"], how="left", maintain_order="left")
    by_row = is_gone.group_by("row", "kind").agg(n=pl.len(), n_gone=pl.col("is_gone").fill_null(value=False).sum())
    for row, kind, n, n_gone in by_row.rows():
        if n_gone == n:
            theirs.add(row)
        if n_gone in (0, n):  # of a list some may be forgotten
            known[kind].add(row)


class _Marks:
    """Texts that are ids of the forgotten."""

    def __init__(self, forgotten: Forgotten) -> None:
        self.hashes: dict[Kind, frozenset[str]] = {"user": forgotten.users, "item": forgotten.items}
        self._seen: dict[tuple[Kind, str], bool] = {}

    def is_marked(self, kind: Kind, text: str) -> bool:
        """Whether a text is a forgotten user's id, or a forgotten item's."""
        if not self.hashes[kind]:
            return False
        if (kind, text) not in self._seen:
            self._seen[kind, text] = any(hash_of(kind, number) in self.hashes[kind] for number in numbers_of(text))
        return self._seen[kind, text]

    def blanked(self, raw: str, kinds: list[Kind]) -> str:
        """The text with BLANK for all that may be an id of these kinds and is one of the forgotten."""
        spans = [span for span, text in _pieces(raw) if any(self.is_marked(kind, text) for kind in kinds)]
        at, parts = 0, []
        for start, end in sorted(spans, key=lambda span: (span[0], -span[1])):
            if start >= at:
                parts += [raw[at:start], BLANK]
                at = end
        return "".join([*parts, raw[at:]])


def _pieces(raw: str) -> Iterator[tuple[tuple[int, int], str]]:
    """All that may be an id in a raw row, with where it stands; also several pieces next to each other as the id of several columns."""
    for pattern in _PIECES:
        found = [(match.start(), match.end(), match[0].strip()) for match in pattern.finditer(raw)]
        for first in range(len(found)):
            for last in range(first, min(first + _MOST_COLUMNS_OF_AN_ID, len(found))):
                parts = [text.replace("\\", "\\\\").replace("|", "\\|") for _, _, text in found[first : last + 1]]
                yield (found[first][0], found[last][1]), "|".join(parts) if last > first else found[first][2]
