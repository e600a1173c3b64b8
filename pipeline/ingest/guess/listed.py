"""Whether cells hold lists of items, or ids that hold a comma or a blank: a list is only taken where something shows it."""

import re
from collections.abc import Collection, Sequence
from typing import NamedTuple

from pipeline.ingest.cells import JOINED
from pipeline.ingest.guess.content import is_answer
from pipeline.ingest.guess.form import Sample
from pipeline.ingest.guess.names import named

_MARKS = (JOINED, ",", "|", ";", " ")
_NEARLY_ALL = 0.95


class Listed(NamedTuple):
    """What cells hold.

    Attributes:
        mark: what parts the elements of their lists; ``JOINED`` for those of Parquet and JSON; None where cells are ids.
        alike: what would part them if they were lists, where they are ids and nothing but the lack of evidence says so.
        is_text: ids that the reader would take for lists of numbers.
    """

    mark: str | None = None
    alike: str | None = None
    is_text: bool = False


def listed(sample: Sample, item: str, catalogue: Collection[str]) -> Listed:
    """Whether the cells of a column are lists of items.

    Args:
        sample: the log.
        item: the column.
        catalogue: ids of a list of items, its first at least; empty without any.
    """
    cells = sample.column(item)
    mark = _mark_in(cells)
    if mark is None or mark == JOINED:
        return Listed(mark)
    lists = [[part.strip() for part in cell.split(mark)] for cell in cells]
    is_number = all(part.isdigit() for parts in lists for part in parts)
    if any(mark in cell and cell in catalogue for cell in cells):
        return Listed(is_text=is_number)
    n_known = sum(all(part in catalogue for part in parts) for parts in lists)
    if 2 * n_known > len(lists) or _vary(lists, mark) or _has_lists_of_answers(sample, item, mark):
        return Listed(mark)
    if is_number and _come_at_several_places(lists):
        return Listed(mark)
    return Listed(alike=mark, is_text=is_number)


def _mark_in(cells: Sequence[str]) -> str | None:
    """What may part the elements of lists in the cells."""
    for mark in _MARKS:
        if 2 * sum(mark in cell for cell in cells) > len(cells):
            parts = [part.strip() for cell in cells for part in cell.split(mark)]
            if mark == JOINED or (all(parts) and all(re.fullmatch(r"[\w-]{1,64}", part) for part in parts)):
                return mark
    return None


def _vary(lists: Sequence[Sequence[str]], mark: str) -> bool:
    """Whether lists have several lengths; words parted by blanks are no list, as Big Hat and Big Red Hat are none."""
    is_prose = mark == " " and not all(any(letter.isdigit() for letter in part) for parts in lists for part in parts)
    return not is_prose and len({len(parts) for parts in lists}) > 1


def _has_lists_of_answers(sample: Sample, item: str, mark: str) -> bool:
    """Whether a column of answers, by its name if it has one, holds as many of them as there are items, row by row."""
    at = sample.names.index(item)
    usual = [*named("feedback", sample.names), *named("value", sample.names)]
    for other, name in enumerate(sample.names):
        if other == at or (sample.has_names and name not in usual):
            continue
        pairs = [(row[at].split(mark), row[other].split(mark)) for row in sample.rows if max(at, other) < len(row)]
        fitting = [answers for items, answers in pairs if len(items) == len(answers) and all(map(is_answer, answers))]
        if len(fitting) >= _NEARLY_ALL * len(pairs) and any(len(answers) > 1 for answers in fitting):
            return True
    return False


def _come_at_several_places(lists: Sequence[Sequence[str]]) -> bool:
    """Whether most of what stands first in lists of a length stands at another place too, as parts of an id do not."""
    first, further = {parts[0] for parts in lists}, {part for parts in lists for part in parts[1:]}
    return 2 * len(first & further) > len(first)
