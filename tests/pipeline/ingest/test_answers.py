"""Answers in one spelling."""

import polars as pl
import pytest

from pipeline.ingest.answers import answer, canonical


@pytest.mark.parametrize("text", ["1", "1.0", "01", "+1", " 1 ", "1e0", "1.", "true", "True", "TRUE"])
def test_what_is_one_is_one(text: str) -> None:
    assert canonical(text) == "1"


@pytest.mark.parametrize(
    ("text", "spelt"),
    [("0.50", "0.5"), (".5", "0.5"), ("-0", "0"), ("False", "0"), ("100", "100"), ("buy", "buy"), ("Buy", "Buy"), ("nan", "nan"),
     ("1_0", "1_0"), ("0x1", "0x1"), ("1e9999", "1e9999"), ("-1.50", "-1.5"), ("1/2", "1/2")],
)  # fmt: skip
def test_other_numbers_lose_superfluous_digits_and_other_texts_stay(text: str, spelt: str) -> None:
    assert canonical(text) == spelt


@pytest.mark.parametrize("kind", [pl.Boolean, pl.Float32, pl.Float64, pl.UInt8, pl.Int64])
def test_cells_of_every_type_are_spelt_alike(kind: type[pl.DataType]) -> None:
    frame = pl.DataFrame({"c": pl.Series([1, 0, None]).cast(kind)})
    assert frame.select(answer("c"))["c"].to_list() == ["1", "0", None]
