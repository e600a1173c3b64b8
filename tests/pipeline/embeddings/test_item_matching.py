"""Which vector belongs to which item."""

from typing import Any

import numpy as np
import polars as pl
import pytest

from pipeline.contracts import ITEMS
from pipeline.embeddings.item_matching import ItemIndex, match_vectors
from pipeline.embeddings.vector_rows import VectorRows
from pipeline.errors import ContractError

# Items 1 … 4 of the logs' 1, 07, sku-3 and sku-4; the last is gone.
CATALOGUE = pl.DataFrame(
    [
        {"item_id": number, "raw_id": raw, "categories": [], "is_active": number < 4}
        for number, raw in enumerate(("1", "07", "sku-3", "sku-4"), start=1)
    ],
    schema=ITEMS.schema,
)


def rows(name: str, ids: list[Any], dtype: Any = None) -> VectorRows:
    """Vectors (1, 0), (2, 0) … of those ids."""
    vectors = np.array([[number, 0.0] for number in range(1, len(ids) + 1)])
    return VectorRows(vectors, pl.Series(name, ids, dtype=dtype), None)


@pytest.mark.parametrize(
    ("name", "ids", "dtype", "found"),
    [
        ("item_id", [3, 1, 9], pl.Int32, [3, 1, None]),
        ("item_id", [3, 1, 2**63], pl.UInt64, [3, 1, None]),
        ("item_id", ["sku-3", "1", "07", "7", "2", "+2"], None, [3, 1, 2, None, 2, None]),
        ("raw_id", [1, 2], pl.Int64, [1, None]),
        ("raw_id", ["07", "2"], None, [2, None]),
    ],
)
def test_items_are_found_by_the_warehouse_s_ids_and_by_the_log_s(name: str, ids: list[Any], dtype: Any, found: list[Any]) -> None:
    """A whole number is an item_id, and else what the log has; a text is what the log has, and else an item_id."""
    assert ItemIndex(CATALOGUE).find(pl.Series(name, ids, dtype=dtype)).to_list() == found


def test_whole_numbers_that_the_log_has_as_texts_are_found() -> None:
    """Hashed ids: the file's 7 is the log's "7", not the hash."""
    hashed = CATALOGUE.with_columns(item_id=pl.col("item_id") + 10**12, raw_id=pl.Series(["7", "8", "x", "y"]))
    assert ItemIndex(hashed).find(pl.Series("item_id", [8, 7])).to_list() == [10**12 + 2, 10**12 + 1]


def test_vectors_are_gathered_over_chunks_and_counted() -> None:
    """Of the active items 1, 2 and 3 the first has a vector; 9, 8 and 7 are of no item."""
    vectors, coverage = match_vectors([rows("item_id", [9, 1]), rows("item_id", [4, 8, 7])], CATALOGUE, "v")
    assert vectors.rows() == [(1, [2.0, 0.0]), (4, [1.0, 0.0])]
    assert (coverage.rows, coverage.unknown, coverage.items, coverage.without, coverage.zero) == (5, 3, 3, 2, 0)
    assert (coverage.unknown_ids, coverage.without_ids) == (("9", "8", "7"), ("07", "sku-3"))
    assert str(coverage) == (
        "1 of 3 active items have a brought vector; 2 have none: 07, sku-3; 3 of the file's 5 ids are of no item: 9, 8, 7"
    )


def test_a_vector_of_zeros_is_none() -> None:
    zeros = VectorRows(np.zeros((2, 2)), pl.Series("item_id", [1, 2]), None)
    coverage = match_vectors([zeros], CATALOGUE, "v")[1]
    assert (coverage.without, coverage.zero) == (3, 2)


@pytest.mark.parametrize(
    ("ids", "message"),
    [
        ([1, 3, 1], "2 of 3 vectors repeat an id, expected one vector an item: item 1; leave"),
        (["07", "2", "x", "x"], "4 of 4 vectors repeat an id, expected one vector an item: item 07, 2, x; leave"),
    ],
)
def test_two_vectors_of_one_item_are_refused(ids: list[Any], message: str) -> None:
    """By one id twice, by its two ids, and of no item at all."""
    with pytest.raises(ContractError, match=message):
        match_vectors([rows("item_id", ids[:2]), rows("item_id", ids[2:])], CATALOGUE, "v")
