"""Headers of RecBole's atomic files, which name columns with their types: ``user_id:token``, ``rating:float``."""

import re
from collections.abc import Sequence
from pathlib import PurePath

import polars as pl

from pipeline.ingest.cells import OWN

_TYPED = re.compile(r"(.+):(?:token|token_seq|float|float_seq)")
# Names of files whose fields a tab parts.
_TABBED = {".tsv", ".inter", ".item", ".user", ".kg", ".link", ".net"}


def default_separator(name: str) -> str:
    """What parts the fields of a file of this name where no setting says it: a tab for .tsv and atomic files, else a comma."""
    return "\t" if _TABBED & set(PurePath(name).suffixes) else ","


def without_types(rows: pl.DataFrame, wanted: Sequence[str]) -> pl.DataFrame:
    """The rows with their columns named without types, if all columns have types and not all wanted ones are named with them."""
    columns = [name for name in rows.columns if not name.startswith(OWN)]
    if all(name in columns for name in wanted):
        return rows
    found = {name: typed[1] for name in columns if (typed := _TYPED.fullmatch(name))}
    is_typed = len(found) == len(columns) == len(set(found.values()))
    return rows.rename(found) if is_typed else rows
