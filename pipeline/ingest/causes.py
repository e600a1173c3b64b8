"""Why a text file is not what its source expects: the true cause and the key that helps, in one line."""

import csv
import re
from collections.abc import Sequence
from pathlib import Path

import polars as pl

from pipeline.errors import SourceError
from pipeline.ingest import reasons
from pipeline.ingest.date_formats import format_in
from pipeline.ingest.layout import Layout

_SEPARATORS = {",": '","', ";": '";"', "\t": '"\\t"', "|": '"|"', "::": '"::" and quote = ""'}
_NUMBER = re.compile(r"\s*[-+]?\d+(?:[.,]\d+)?\s*$")


def refuse_if_most(file: str, rejects: pl.DataFrame, n_read: int, layout: Layout) -> None:
    """Refuse a file most of whose first lines are no rows.

    Args:
        file: its name.
        rejects: REJECTS of its first lines.
        n_read: how many lines these are among.
        layout: the columns, and how the configuration says that they are written.

    Raises:
        SourceError: more than half of the lines are rejected.
    """
    wrong = rejects.filter(pl.col("reason") != reasons.OPEN_LINE)
    if wrong.height <= n_read / 2:
        return
    reason = wrong.group_by("reason").len().sort("len", "reason", descending=[True, False])["reason"][0]
    first = wrong.filter(pl.col("reason") == reason).sort("line").row(0, named=True)
    begin = f"{file}: {wrong.height} of the first {n_read} lines are"
    if reason == reasons.TEXT:
        raise SourceError(f"{begin} not readable as {layout.encoding}, the first is line {first['line']}; {_HINTS[reason]}")
    if reason in (reasons.SPANS, reasons.NULL_BYTES, reasons.RETURN):
        raise SourceError(f"{begin} no rows: {reason}, the first is line {first['line']}; {_HINTS[reason]}")
    other = _separator_of(wrong["raw"][:100].to_list(), len(layout.names), layout.separator)
    hint = f"set separator = {other}" if other else "check the separator and the layout"
    columns = ", ".join(layout.names[:8])
    raise SourceError(
        f"{begin} not {len(layout.names)} fields parted by {layout.separator!r} ({columns}), the first is line {first['line']}: "
        f"{first['raw']:.80}; {hint}"
    )


def missing_columns(path: object, missing: Sequence[str], names: Sequence[str], *, is_text: bool) -> SourceError:
    """What to say of a file that lacks mapped columns."""
    begin = f"{path}: has no column {', '.join(missing)}, only {', '.join(names)[:300]}"
    if is_text and (note := re.fullmatch(r"sep=(.)", ",".join(names).strip(), re.IGNORECASE)):
        return SourceError(
            f"{path}: its first line is {names[0]!r}, a note for Excel; remove that line and set separator = {note[1]!r}".replace(
                "'", '"'
            )
        )
    if is_text and len(names) == 1 and (other := _separator_in_header(names[0], len(missing))):
        return SourceError(f"{begin}; check the separator: set separator = {other}")
    if is_text and are_data(names):
        return SourceError(f"{begin}, which is no line of names; {NO_HEADER}")
    if in_path := [name for name in missing if f"/{name}=" in str(path)]:
        template = "/".join(f"{name}={{{name}}}" for name in in_path)
        return SourceError(
            f'{begin}; its path holds {", ".join(in_path)}: set path_columns = "{template}/*{Path(str(path)).suffix}"'
        )
    near = {name.strip().casefold(): name for name in names}
    spelt = [f"{name!r} for {wanted!r}" for wanted in missing if (name := near.get(wanted.strip().casefold()))]
    if spelt:
        return SourceError(f"{begin}; names are case-sensitive: write {', '.join(spelt)} in the source's columns")
    hint = "check the separator" if len(names) == 1 else "mend the mapping in the source's configuration"
    return SourceError(f"{begin}; {hint}")


def nothing_readable(path: object, rejects: pl.DataFrame) -> SourceError:
    """What to say of a log of which every row is rejected.

    Args:
        path: the log.
        rejects: REJECTS of its first rows.
    """
    if rejects.is_empty():
        return SourceError(f"{path}: no line can be read as a row; check the separator and the encoding")
    first = rejects.row(0, named=True)
    advice = (
        reasons.advice(first["reason"], "") or hint_of(first["reason"], rejects["raw"].to_list()) or "check the configuration"
    )
    return SourceError(
        f"{path}: no row can be read, the first at {first['file']}:{first['line']}: {first['raw']:.80}: {first['reason']}; {advice}"
    )


NO_HEADER = "if the file has no header, set has_header = false and names = [...]"


def are_data(names: Sequence[str]) -> bool:
    """Whether the cells of a first line look like those of a row: half of them or more are numbers."""
    return 2 * sum(bool(_NUMBER.match(name)) for name in names) >= len(names)


def _separator_in_header(line: str, n_wanted: int) -> str | None:
    found = {separator: line.count(separator) for separator in _SEPARATORS if line.count(separator) >= max(1, n_wanted - 1)}
    return _SEPARATORS[max(found, key=lambda separator: found[separator])] if found else None


def _separator_of(lines: Sequence[str], n_fields: int, configured: str) -> str | None:
    """The separator by which most of the lines have the right number of fields."""
    for separator, spelling in _SEPARATORS.items():
        if separator != configured and 2 * sum(_n_fields(line, separator) == n_fields for line in lines) > len(lines):
            return spelling
    return None


def _n_fields(line: str, separator: str) -> int:
    if len(separator) == 1 and '"' in line:
        try:
            return len(next(csv.reader([line], delimiter=separator, strict=True)))
        except csv.Error:
            return 0
    return line.count(separator) + 1


_HINTS = {
    reasons.TEXT: "set encoding to that of the file, such as latin-1 or cp1252",
    reasons.SPANS: "set multiline = true if fields of this file hold line breaks",
    reasons.NULL_BYTES: "the file is damaged or no text; fetch it again",
    reasons.RETURN: "the file mixes line ends; write them all as line feeds",
    reasons.QUOTES: 'set quote = "" if quotes are part of the text',
    reasons.FIELD_COUNT: "check the separator, and that fields which hold it are quoted",
}


# What times look like, and the unit that reads them.
_TIMES = [
    (re.compile(r"(?<![\d.])1\d{15}(?![\d])"), "us", "microseconds"),
    (re.compile(r"(?<![\d.])1\d{12}(?![\d])"), "ms", "milliseconds"),
    (re.compile(r"(?<![\d.])\d{4}-\d\d-\d\d(?!\d)"), "iso", "ISO 8601"),
    (re.compile(r"(?<![\d.])1\d{9}(?![\d])"), "s", "seconds"),
]


def hint_of(reason: str, raws: Sequence[str]) -> str | None:
    """What helps against a reason for rejects, where one thing does.

    Args:
        reason: of ``reasons``.
        raws: some of the rejected rows.
    """
    if reason in _HINTS:
        return _HINTS[reason]
    if reason.startswith("time is not"):
        for pattern, unit, what in _TIMES:
            if 2 * sum(bool(pattern.search(raw)) for raw in raws) > len(raws):
                return f'the times look like {what}: set source.time_unit = "{unit}"'
        if form := format_in(raws):
            return f'set source.time_format = "{form}"'
        return "set source.time_unit to that of the file: s, ms, us or iso, or source.time_format"
    if reason == reasons.is_not("feedback", "0 or 1"):
        return "set positive = [...] to the texts that are positive, or blank_is_no = true if an empty answer is a no"
    if reason.endswith("is not a single value"):
        return "map a field inside it by its dotted name, such as user.id, or name the column in source.lists"
    if reason == reasons.UNKNOWN_ITEM:
        return "the catalogue of the source lacks these items; mend it"
    if reason == reasons.is_not("value", "a number") and any(re.search(r"\d,\d", raw) for raw in raws):
        return "write numbers with a decimal point, not a comma"
    return None
