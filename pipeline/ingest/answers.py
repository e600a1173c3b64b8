"""Answers of a log in one spelling: what is equal as a number is equal (1, 1.0, 01, true), and other texts stay as they are."""

import re
from decimal import Decimal

import polars as pl

_NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]{1,3})?")
_TRUTH = {"true": "1", "false": "0"}


def canonical(text: str) -> str:
    """The text in one spelling: blanks around it gone, numbers without superfluous digits, true and false as 1 and 0."""
    stripped = text.strip()
    if truth := _TRUTH.get(stripped.lower()):
        return truth
    if not _NUMBER.fullmatch(stripped):
        return stripped
    number = Decimal(stripped)
    return f"{number.normalize():f}" if number else "0"


def answer(name: str) -> pl.Expr:
    """The cell in one spelling (``canonical``), null where it is empty. Logs hold few different answers, so that each is converted once."""

    def spell_each(series: pl.Series) -> pl.Series:
        if not series.dtype.is_integer():
            series = series.cast(pl.String)
        raw = series.unique().drop_nulls()
        spelt = pl.Series([canonical(text) or None for text in raw.cast(pl.String)], dtype=pl.String)
        return series.replace_strict(raw, spelt, default=None, return_dtype=pl.String)

    return pl.col(name).map_batches(spell_each, return_dtype=pl.String)
