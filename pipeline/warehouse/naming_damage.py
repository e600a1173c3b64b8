"""Where a library fails because something stored is damaged: the line that names it. Light, as every question in SQL imports it."""

from collections.abc import Callable
from functools import wraps
from inspect import signature as inspect_signature
from pathlib import Path
from typing import ParamSpec, TypeVar

import duckdb

from pipeline.errors import HsrlError

# DuckDB raises these for a missing or damaged file, and for much else; only in the first case does its text have one of the words.
_OF_FILES = (
    duckdb.IOException,
    duckdb.InvalidInputException,
    duckdb.SerializationException,
    duckdb.InternalException,
    duckdb.FatalException,
)
_FILE_WORDS = ("parquet", "Parquet", "TProtocol", "ecompress", "ZSTD", "page", "disk image", "not a database", "malformed")
P = ParamSpec("P")
T = TypeVar("T")


def naming_damage(function: Callable[P, T]) -> Callable[P, T]:
    """Of a function that is given a warehouse's folder as ``root``: where a library fails in it and something stored is damaged, say so.

    Libraries name the file in some of their errors and in some not; so the files are asked. That costs nothing where all goes well.
    """
    signature = inspect_signature(function)

    @wraps(function)
    def named(*arguments: P.args, **options: P.kwargs) -> T:
        try:
            return function(*arguments, **options)
        except Exception as error:
            name_damage(signature.bind(*arguments, **options).arguments["root"], error)
            raise

    return named


def name_damage(root: Path, error: Exception) -> None:
    """Say what is damaged in the warehouse at ``root``, where an error may come of that.

    Raises:
        WarehouseError: something is; in place of the error.
    """
    if _may_be_damage(error):
        from pipeline.warehouse.damage_at import damage_at
        from pipeline.warehouse.verify import refusal

        if damage := damage_at(root):
            raise refusal(damage) from error


def _may_be_damage(error: Exception) -> bool:
    """An error of a library, or one of ours that passes on what DuckDB says of a file; a wrong question is none."""
    if not isinstance(error, HsrlError):
        return True
    return isinstance(error.__cause__, _OF_FILES) and any(word in str(error.__cause__) for word in _FILE_WORDS)
