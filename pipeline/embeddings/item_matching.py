"""Which vectors of a file belong to which items of the catalogue, by the warehouse's ids or by those of the log."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import polars as pl

from pipeline.contracts import ITEMS, check
from pipeline.embeddings.vector_rows import N_EXAMPLES, Floats, VectorRows, named
from pipeline.errors import ContractError


@dataclass(frozen=True)
class Coverage:
    """How far a file of vectors and the catalogue agree.

    Attributes:
        rows: of the file.
        unknown: rows of the file whose id no item has.
        items: active items.
        without: active items without a vector, or with one of zeros.
        zero: those of them whose vector is zero.
        unknown_ids: the first few of ``unknown``, as the file has them.
        without_ids: the first few of ``without``, as the log has them.
    """

    rows: int
    unknown: int
    items: int
    without: int
    zero: int
    unknown_ids: tuple[str, ...]
    without_ids: tuple[str, ...]

    def __str__(self) -> str:
        """In words, counts first."""
        text = f"{self.items - self.without:,} of {self.items:,} active items have a brought vector"
        if self.without:
            text += f"; {self.without:,} have none"
            text += f" ({self.zero:,} of them one of zeros)" if self.zero else ""
            text += f": {named(self.without_ids, self.without)}"
        if self.unknown:
            text += f"; {self.unknown:,} of the file's {self.rows:,} ids are of no item: {named(self.unknown_ids, self.unknown)}"
        return text


class ItemIndex:
    """Finds items by their ids: a whole number is an item_id, or else the id that the log has; a text the other way round."""

    def __init__(self, items: pl.DataFrame) -> None:
        """``items``: item_id, raw_id."""
        self._ids = items["item_id"].sort().to_numpy()
        self._by_raw = items.select("raw_id", found="item_id").drop_nulls("raw_id").unique("raw_id", keep="first")

    def find(self, ids: pl.Series) -> pl.Series:
        """item_id of each of ``ids``, null where no item has it; ``ids`` bears the name of its column."""
        texts = (
            ids.cast(pl.String)
            .alias("raw_id")
            .to_frame()
            .join(self._by_raw, on="raw_id", how="left", maintain_order="left")["found"]
        )
        if ids.name == "raw_id":
            return texts
        numbers = ids.cast(pl.Int64, strict=False)
        if ids.dtype == pl.String:  # 7, but neither 07 nor +7
            numbers = numbers.set(numbers.cast(pl.String).ne_missing(ids), None)
        by_number = numbers.set(~self._is_known(numbers), None)
        pair = pl.DataFrame(
            {"first": texts, "second": by_number} if ids.dtype == pl.String else {"first": by_number, "second": texts}
        )
        return pair.select(item_id=pl.coalesce("first", "second"))["item_id"]

    def _is_known(self, numbers: pl.Series) -> pl.Series:
        """Whether an item has each number; a chunk of a file is looked up without a table of all items being made for it."""
        asked = numbers.fill_null(0).to_numpy()
        at = np.searchsorted(self._ids, asked)
        found = self._ids[np.minimum(at, len(self._ids) - 1)] == asked if len(self._ids) else np.zeros(len(asked), dtype=bool)
        return pl.Series(found) & numbers.is_not_null()


def match_vectors(chunks: Iterable[VectorRows], items: pl.DataFrame, where: str) -> tuple[pl.DataFrame, Coverage]:
    """The vectors of the catalogue's items; what is held is these, and the file's ids.

    Args:
        chunks: rows with ids.
        items: ITEMS.
        where: the file, for the message.

    Returns:
        item_id and vector (an array of floats), in the order of the file; and the coverage.

    Raises:
        ContractError: an id twice, or two ids of one item.
    """
    items = check(items, ITEMS, "embeddings")
    catalogue = ItemIndex(items)
    file_ids: list[pl.Series] = []
    found: list[pl.Series] = []
    vectors: list[Floats] = []
    for rows in chunks:
        ids = pl.Series("item_id", [], dtype=pl.Int64) if rows.ids is None else rows.ids
        item_ids = catalogue.find(ids)
        file_ids.append(ids)
        found.append(item_ids)
        vectors.append(rows.vectors[item_ids.is_not_null().to_numpy()])
    if not file_ids:
        return pl.DataFrame(schema={"item_id": pl.Int64, "vector": pl.List(pl.Float32)}), _coverage(items, [], [], [])
    _refuse_repeats(file_ids, found, where)
    known = pl.concat(found).drop_nulls()
    values = np.concatenate(vectors)
    frame = pl.DataFrame({"item_id": known, "vector": pl.Series(values)})
    return frame, _coverage(items, file_ids, found, vectors)


def _refuse_repeats(file_ids: list[pl.Series], found: list[pl.Series], where: str) -> None:
    ids, item_ids = pl.concat(file_ids), pl.concat(found)
    again = ids.is_duplicated() | (item_ids.is_duplicated() & item_ids.is_not_null())
    if again.any():
        n = int(again.sum())
        raise ContractError(
            f"{where}: {n:,} of {len(ids):,} vectors repeat an id, expected one vector an item: item "
            f"{named(ids.filter(again).unique(maintain_order=True)[:N_EXAMPLES].to_list(), ids.filter(again).n_unique())}; leave the others out"
        )


def _coverage(items: pl.DataFrame, file_ids: list[pl.Series], found: list[pl.Series], vectors: list[Floats]) -> Coverage:
    active = (
        items.filter("is_active")
        .select("item_id", log_id=pl.coalesce("raw_id", pl.col("item_id").cast(pl.String)))
        .sort("item_id")
    )
    unknown = [ids.filter(item_ids.is_null()).cast(pl.String) for ids, item_ids in zip(file_ids, found, strict=True)]
    known = pl.concat(found).drop_nulls() if found else pl.Series(dtype=pl.Int64)
    is_zero = np.concatenate([~values.any(axis=1) for values in vectors]) if vectors else np.zeros(0, dtype=bool)
    state = pl.DataFrame({"item_id": known, "is_zero": pl.Series(is_zero, dtype=pl.Boolean)})
    without = active.join(state, on="item_id", how="left", maintain_order="left").filter(pl.col("is_zero").fill_null(value=True))
    few = pl.concat(unknown)[:N_EXAMPLES].to_list() if unknown else []
    return Coverage(
        rows=sum(len(ids) for ids in file_ids),
        unknown=sum(len(ids) for ids in unknown),
        items=active.height,
        without=without.height,
        zero=int(without["is_zero"].sum()),
        unknown_ids=tuple(few),
        without_ids=tuple(without["log_id"][:N_EXAMPLES]),
    )
