"""The quick way through a block of delimited text whose wanted cells are whole numbers, spelt as such: numbers are read at once.

It is only taken where it gives what the careful way (``delimited``) gives. Every line has to have its fields, and no number may be
spelt in another way than numbers are ("007", "+7", " 7"): all other spellings are longer, so that the bytes of the block add up only
where there are none.
"""

from collections.abc import Sequence

import polars as pl


def read_whole_numbers(text: bytes, names: Sequence[str], separator: str, whole: Sequence[str]) -> list[pl.Series] | None:
    """The cells of each field by ``names``; None where the text has to be read with care.

    Args:
        text: lines without quotes, carriage returns and null bytes, UTF-8.
        names: of the fields.
        separator: what stands between them.
        whole: names of fields that are i64 if all their cells are whole numbers or empty; the others are texts.

    Returns:
        For each name i64 (null where a cell is empty) or text (empty where it is), or None.
    """
    n_lines = text.count(b"\n") + (not text.endswith(b"\n"))
    is_simple = len(separator) == 1 and separator.isascii() and len(names) > 1
    if not is_simple or text.count(separator.encode()) != n_lines * (len(names) - 1):
        return None
    dtypes = {str(number): pl.Int64() if name in whole else pl.String() for number, name in enumerate(names)}
    try:  # a line with too many fields is an error; so none has too few, as there are as many separators as there have to be
        cells = pl.read_csv(
            text, has_header=False, schema=dtypes, separator=separator, quote_char=None, empty_string_is_null=False
        )
    except pl.exceptions.PolarsError:
        return None
    sizes = [_n_bytes(column) for column in cells]
    n_bytes = text.count(b"\n") + n_lines * (len(names) - 1)
    if cells.height != n_lines or None in sizes or n_bytes + sum(size or 0 for size in sizes) != len(text):
        return None
    return [column.alias(name) for column, name in zip(cells, names, strict=True)]


def _n_bytes(cells: pl.Series) -> int | None:
    """The bytes that texts have, and numbers if they are spelt as such; None of numbers below 0."""
    if cells.dtype == pl.String:
        return int(cells.str.len_bytes().sum())
    least, most = cells.min(), cells.max()
    if not isinstance(least, int) or not isinstance(most, int):
        return 0  # all are empty
    if least < 0:
        return None
    n_cells = cells.len() - cells.null_count()
    # A number of n digits is at least 10, 100, … 10^(n − 1).
    powers = [10**n for n in range(1, len(str(most)))]
    return n_cells + sum(n_cells if least >= power else int((cells >= power).sum()) for power in powers)
