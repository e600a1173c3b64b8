"""Cells that hold lists: a row that is a whole slate, or all of a user's items, becomes a row for each of them."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from pipeline.errors import SourceError
from pipeline.ingest import reasons
from pipeline.ingest.cells import JOINED, OWN, split_rejects
from pipeline.ingest.delimited import Rows
from pipeline.ingest.lines import LineCount

PLACE = OWN + "place"
ANSWER_IN_ITEM = OWN + "answer in item"
_ELEMENTS = OWN + "elements of "
_NUMBERS_IN_A_LIST = r"^\s*\[?\s*\d+(?:\s*[,;| ]\s*\d+)+\s*\]?\s*$"
_QUOTES_AND_BRACKETS = r"""[\[\]()'"]"""


def refuse_lists(first_rows: pl.DataFrame, item: str, path: str) -> None:
    """Refuse a log most of whose items are lists of whole numbers, which would otherwise be taken for texts.

    Args:
        first_rows: some rows.
        item: the column of the items.
        path: of the log, for the message.

    Raises:
        SourceError: names the settings that read it; ``ids = "text"`` takes such texts as ids.
    """
    texts = first_rows[item].cast(pl.String).drop_nulls()
    lists = texts.filter(texts.str.contains(_NUMBERS_IN_A_LIST))
    if 2 * len(lists) > len(texts):
        first = lists[0]
        mark = re.search(r"\d\s*([,;| ])", first)
        separator = mark[1] if mark else ","
        raise SourceError(
            f'{path}: {item} holds lists, such as {first[:60]!r}; set lists = ["item"] and list_separator = "{separator}" '
            '(and name in lists what else has an element for each item), or ids = "text" if these are ids'
        )


@dataclass(frozen=True)
class ListCells:
    """Which columns of a file hold lists of one length.

    Attributes:
        names: the columns, that of the items first.
        separator: what parts the elements in a text; lists of Parquet and JSON need none.
        answer_after: what stands between an item and its answer, as in ``N55689-1``.
    """

    names: Sequence[str]
    separator: str | None = None
    answer_after: str | None = None

    def rows_of_elements(self, rows: Rows, file: str) -> Rows:
        """A row for each element, in order, with its ``PLACE`` (0 = first); a row without any element stays as it is.

        A line counts once for each of its elements, so that lines and rows stay equal. Rows whose lists differ in length are
        rejected whole.
        """
        split = rows.cells.with_columns(self._elements(name).alias(_ELEMENTS + name) for name in self.names)
        n = pl.col(_ELEMENTS + self.names[0]).list.len()
        differ = [n != pl.col(_ELEMENTS + name).list.len() for name in self.names[1:]]
        checks = [(reasons.LIST_LENGTHS, pl.any_horizontal(differ))] if differ else []
        good, rejects = split_rejects(split, checks, file)
        elements = good.drop(self.names).rename({_ELEMENTS + name: name for name in self.names})
        elements = elements.with_columns(pl.int_ranges(0, pl.col(self.names[0]).list.len()).alias(PLACE))
        cells = elements.explode(*self.names, PLACE)
        if self.answer_after:
            cells = cells.with_columns(*self._parted(self.names[0], self.answer_after))
        lines = rows.lines + LineCount(n_lines=cells.height - good.height)
        return Rows(cells, pl.concat([rows.rejects, rejects]), lines)

    def _elements(self, name: str) -> pl.Expr:
        """The cell's elements; of an empty cell one that is empty. Brackets and quotes of a list as Python writes it are left out."""
        cell = pl.col(name).cast(pl.String)
        separator = self.separator or JOINED
        if separator == JOINED or not separator.isspace():  # Python takes JOINED for a blank
            cell = pl.when(cell.str.starts_with("[")).then(cell.str.replace_all(_QUOTES_AND_BRACKETS, "")).otherwise(cell)
        else:
            cell = cell.str.strip_chars().str.replace_all(r"\s+", separator)
        both = cell.str.replace_all(JOINED, separator, literal=True) if separator != JOINED else cell
        return both.str.split(separator).fill_null([None])

    @staticmethod
    def _parted(item: str, mark: str) -> tuple[pl.Expr, pl.Expr]:
        """The item before the last ``mark``, and its answer after it; without one the whole is the item, and there is no answer."""
        pattern = f"^(.*){re.escape(mark)}(.*)$"
        cell = pl.col(item).str.strip_chars()
        return cell.str.extract(pattern, 1).fill_null(cell).alias(item), cell.str.extract(pattern, 2).alias(ANSWER_IN_ITEM)
