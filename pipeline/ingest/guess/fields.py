"""Lines parted into fields: by which separator and quotes, and whether the first names the columns."""

import csv
import io
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from pipeline.ingest.guess.names import is_known

SAMPLE_ROWS = 2_000
SEPARATORS = ("::", "\t", ",", ";", "|", "@", " ")
# Share of lines that have as many fields as most, from which on a separator is taken for the right one.
MOST = 0.9


@dataclass(frozen=True)
class Parted:
    """Lines parted by a separator: records, the share of them as wide as most, and how they were quoted."""

    separator: str
    quote: str
    multiline: bool
    records: Sequence[Sequence[str]]
    width: int
    share: float


def parted(lines: Sequence[str], text: str, separator: str) -> Parted | None:
    """The lines parted by a separator, if it parts nearly all of them, and the first, into as many fields."""
    if separator not in lines[0]:
        return None
    some = lines[: SAMPLE_ROWS + 1]
    ways = [("", False, [line.split(separator) for line in some])]
    if len(separator) == 1 and '"' in text:
        csv.field_size_limit(1 << 30)
        ways.append(('"', False, [next(csv.reader([line], delimiter=separator), []) for line in some]))
        records = [record for record in csv.reader(io.StringIO(text, newline=""), delimiter=separator) if record]
        if any("\n" in cell for record in records[: len(some)] for cell in record):
            ways.append(('"', True, records[: len(some)]))
    found = []
    for quote, multiline, records in ways:
        width, n_wide = Counter(map(len, records)).most_common(1)[0]
        if width > 1 and len(records[0]) == width and n_wide >= MOST * len(records):
            found.append(Parted(separator, quote, multiline, records, width, n_wide / len(records)))
    if not found:
        return None
    best = max(found, key=lambda each: (each.share, bool(each.quote), not each.multiline))
    is_plain = len(separator) == 1 and '"' not in text
    return Parted(separator, '"', False, best.records, best.width, best.share) if is_plain else best


def is_sequences(lines: Sequence[str]) -> bool:
    """Whether each line is a user and the items of the user, parted by blanks."""
    parts = [line.split() for line in lines[:SAMPLE_ROWS]]
    good = [len(words) > 1 and all(any(letter.isdigit() for letter in word) for word in words) for words in parts]
    return sum(good) >= MOST * len(good)


def has_header(records: Sequence[Sequence[str]]) -> tuple[bool, tuple[str, ...]]:
    """Whether the first record names the columns, and what is uncertain of it."""
    first = [cell.strip() for cell in records[0]]
    if any(_is_number(cell) or cell[:4].isdigit() for cell in first if cell):
        return False, ()
    if any(is_known(cell) for cell in first):
        return True, ()
    if len(records) == 1:
        return False, ("it has one row, which was taken for a row and not for a header",)
    again = any(cell in {record[at].strip() for record in records[1:]} for at, cell in enumerate(first))
    if again:
        return False, (
            "its first line was taken for a row, since it holds values of further rows; else leave out has_header and names",
        )
    return True, ("its first line was taken for the names of the columns; if it is a row, set has_header = false and names",)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
