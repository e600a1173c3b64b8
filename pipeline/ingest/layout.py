"""How delimited text is written, and what is done with a last line that may still be written."""

from dataclasses import dataclass
from typing import Literal

OpenLine = Literal["take", "reject", "refuse"]


@dataclass(frozen=True)
class Layout:
    """How lines are split into fields.

    Attributes:
        names: the fields in order; empty where the first line names them.
        separator: what stands between them; more than one character only without quotes.
        quote: what fields that hold separators are quoted by, or an empty text.
        encoding: any in which a line break is the byte 10.
        multiline: whether a quoted field may run over several lines.
        exact: names of the fields that a broken quote may not be part of: ids, times, answers.
        whole: names of the fields that usually are whole numbers: their cells are read as i64 where all of a block are.
    """

    names: tuple[str, ...] = ()
    separator: str = ","
    quote: str = '"'
    encoding: str = "utf-8"
    multiline: bool = False
    exact: tuple[str, ...] = ()
    whole: tuple[str, ...] = ()


def open_line_of(content: str, *, may_grow: bool) -> OpenLine:
    """What is done with a last line that has no line end.

    Args:
        content: events, items or users. Events may come in later; a list of items or users is taken whole or not at all.
        may_grow: whether the file may still be written.
    """
    if not may_grow:
        return "take"
    return "reject" if content == "events" else "refuse"
