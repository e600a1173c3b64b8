"""Vectors that lie in a column of a delimited text, as RL4RS's ``item_info.csv`` has them: ``1 -0.2,0.5,… 7.0``."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from pipeline.embeddings.vector_rows import RawRows
from pipeline.errors import ContractError

SUFFIXES = (".csv", ".tsv", ".txt")
_VECTORS, _IDS = ("vector", "item_vec"), ("item_id", "raw_id")
# What may part the columns; the comma comes last, as it often parts the numbers within a vector.
_SEPARATORS = ("\t", ";", "|", "@", " ", ",")
_WHOLE = r"^-?[0-9]+$"


@dataclass(frozen=True)
class TextTable:
    """A text of which the columns of vectors and ids are read.

    Attributes:
        path: the file.
        where: who reads, for the messages.
        separator: what parts its columns.
        vector_name: the column of vectors, their numbers parted by commas or spaces.
        id_name: ``item_id`` or ``raw_id``.
    """

    path: Path
    where: str
    separator: str
    vector_name: str
    id_name: str
    n_rows: int | None = None
    has_space: bool = False
    fixed_width: int | None = None

    def batches(self, n_rows: int | None = None) -> Iterator[RawRows]:
        """Its rows, all at once: a text is no form for many vectors.

        Raises:
            ContractError: its lines have no columns, a value is no number, or an id no whole number where ``item_id`` names them.
        """
        try:
            rows = pl.read_csv(self.path, separator=self.separator, infer_schema=False, columns=[self.vector_name, self.id_name])
        except pl.exceptions.PolarsError as error:
            detail = str(error).splitlines()[0]
            raise ContractError(
                f"{self.where}: its lines are not parted by {self.separator!r} ({detail:.120}); mend it"
            ) from None
        numbers = rows[self.vector_name].str.strip_chars(" []()").str.replace_all(r"[\s,;]+", ",").str.split(",")
        lengths = numbers.list.len().fill_null(-1).cast(pl.Int64).to_numpy()
        parts = numbers.drop_nulls().list.explode()
        values = parts.cast(pl.Float64, strict=False)
        odd = parts.filter(values.is_null() & ~parts.str.to_lowercase().is_in(["", "null", "none", "na"]))
        if odd.len():
            raise ContractError(
                f"{self.where}: {odd.len():,} of {parts.len():,} values of its vectors are no numbers, such as {odd[0]!r}; "
                "write plain numbers, parted by commas or spaces"
            )
        yield RawRows(lengths, values.fill_null(np.nan).to_numpy(), self._ids(rows[self.id_name].str.strip_chars()), None)

    def _ids(self, texts: pl.Series) -> pl.Series:
        if self.id_name == "raw_id":
            return texts
        if n_odd := int((~texts.fill_null("").str.contains(_WHOLE)).sum()):
            raise ContractError(
                f"{self.where}: {n_odd:,} of {texts.len():,} item_ids are no whole numbers; name the column raw_id"
            )
        return texts.cast(pl.Int64)


def text_table(path: Path, where: str) -> TextTable:
    """The table of a text, by its first line.

    Raises:
        ContractError: it names no column of vectors and none of ids.
    """
    with path.open(encoding="utf-8-sig", errors="replace") as file:
        first = file.readline().rstrip("\r\n")
    for separator in _SEPARATORS:
        names = [name.strip().strip('"') for name in first.split(separator)]
        vector, ids = (next((name for name in wanted if name in names), None) for wanted in (_VECTORS, _IDS))
        if vector and ids:
            return TextTable(path, where, separator, vector, ids)
    raise ContractError(
        f"{where}: its first line is {first[:80]!r}, expected names of columns, vector (or item_vec) and item_id or raw_id among them"
    )
