"""Items and their tokens from a file of any tool: CSV, JSON, JSON lines or Parquet, however the tokens are written."""

import json
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from pipeline.errors import ContractError, reason_of
from pipeline.printable import printable

_ITEM_NAMES = ("raw_id", "item_id", "item", "id", "asin", "parent_asin", "iid")
_TOKEN_NAMES = ("tokens", "sid", "semantic_id", "sids", "codes", "index", "text")
_MOST = 2**63 - 1
# <a_12>, a_12 or 12; what may stand between; anything else
_PIECE = re.compile(r"<?(?:[A-Za-z]+_?)?(\d+)>?|[\s,;|:/()'\"\[\]-]+|(.)", re.DOTALL)
_NEGATIVE = re.compile(r"(?<![\d>])-")
_MOST_DIGITS = len(str(_MOST))


@dataclass(frozen=True)
class AnyMapping:
    """Semantic IDs of any origin.

    Attributes:
        where: the file.
        items: n texts, different ones.
        tokens: (n, L) int64, from 0.
    """

    where: str
    items: tuple[str, ...]
    tokens: npt.NDArray[np.int64]

    def prefixes(self) -> npt.NDArray[np.int64]:
        """(L, n): a number for each item's prefix of each length, in [0, number of prefixes), in the order of the prefixes."""
        found = []
        above = np.zeros(len(self.items), dtype=np.int64)
        for level in self.tokens.T:
            _, codes = np.unique(level, return_inverse=True)
            _, above = np.unique(above * (codes.max(initial=0) + 1) + codes, return_inverse=True)
            found.append(above)
        return np.array(found, dtype=np.int64)


def read_any_mapping(path: Path) -> AnyMapping:
    """Read item → tokens.

    CSV (with or without a header, parted by commas, semicolons or bars), JSON lines and Parquet have a column of items (raw_id, item_id,
    item, id …; else the first) and either a column of tokens (tokens, sid, semantic_id …: a list, or a text such as ``12-203-7``,
    ``[12, 203, 7]`` or ``<a_12><b_203><c_7>``) or a column a level. JSON is an object of item → tokens, alone or under ``items``.

    Raises:
        ContractError: no such file, another format, no rows, an item twice, or tokens that are no whole numbers from 0 or not as many for every
            item.
    """
    readers = {".csv": _csv, ".tsv": _csv, ".json": _json, ".jsonl": _lines, ".ndjson": _lines, ".parquet": _parquet}
    if path.suffix not in readers:
        raise ContractError(f"{path}: ends in {path.suffix or 'nothing'}, expected one of: {', '.join(readers)}")
    try:
        items, cells = readers[path.suffix](path)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError, pl.exceptions.PolarsError) as error:
        raise ContractError(
            f"{path}: cannot be read as item and tokens ({reason_of(error)}); give a whole {path.suffix}"
        ) from error
    return mapping_from(items, cells, str(path))


def mapping_from(items: Sequence[Any], cells: Sequence[Any], where: str) -> AnyMapping:
    """The mapping of n items and what stands for their tokens.

    Raises:
        ContractError: see ``read_any_mapping``.
    """
    if not len(items):
        raise ContractError(f"{where}: holds no items, expected at least one with its tokens")
    names = [str(item) for item in items]
    if missing := sum(item is None for item in items):
        raise ContractError(f"{where}: {missing:,} of {len(items):,} rows have no item, expected an id in each")
    if twice := [name for name, count in Counter(names).items() if count > 1]:
        raise ContractError(f"{where}: {len(twice):,} items stand twice, such as {_shown(twice[0])}; expected each once")
    rows = [_tokens(cell) for cell in cells]
    bad = [number for number, row in enumerate(rows) if row is None]
    if bad:
        first = bad[0]
        raise ContractError(
            f"{where}: the tokens of {len(bad):,} of {len(rows):,} items cannot be read, such as {_shown(cells[first])} of item "
            f"{_shown(names[first])}; expected whole numbers from 0 to {_MOST}, such as 12-203-7, [12, 203, 7] or <a_12><b_203><c_7>"
        )
    lengths = Counter(len(row) for row in rows if row is not None)
    usual = lengths.most_common(1)[0][0]
    if len(lengths) > 1:
        first = next(number for number, row in enumerate(rows) if row is not None and len(row) != usual)
        raise ContractError(
            f"{where}: {len(rows) - lengths[usual]:,} of {len(rows):,} items have not the {usual} tokens that most have, such as "
            f"{_shown(names[first])} with {len(rows[first] or [])}; give all of them as many"
        )
    return AnyMapping(where, tuple(names), np.array(rows, dtype=np.int64).reshape(len(rows), usual))


def _tokens(cell: Any) -> list[int] | None:
    """The tokens that a cell stands for; None where it cannot be read."""
    if isinstance(cell, str):
        pieces = [] if _NEGATIVE.search(cell) else _PIECE.findall(cell)
        numbers = [number for number, _ in pieces if number]
        is_foreign = any(other for _, other in pieces) or any(len(number) > _MOST_DIGITS for number in numbers)
        found = [] if is_foreign else [int(number) for number in numbers]
    elif isinstance(cell, Iterable) and not isinstance(cell, dict):
        found = []
        for part in cell:
            inner = _tokens(part) if isinstance(part, str) else [part] if type(part) is int and part >= 0 else None
            if inner is None or len(inner) != 1:
                return None
            found += inner
    else:
        found = [cell] if type(cell) is int and cell >= 0 else []
    return found if found and max(found) <= _MOST else None


def _csv(path: Path) -> tuple[Sequence[Any], Sequence[Any]]:
    with path.open(encoding="utf-8-sig", errors="replace") as stream:
        first = stream.readline()
    separator = next((mark for mark in ("\t,;|" if path.suffix == ".tsv" else ",;|\t") if mark in first), ",")
    rows = pl.read_csv(path, separator=separator, infer_schema=False, has_header=False)
    if _has_names(rows):
        names = [name or f"column {number}" for number, name in enumerate(rows.row(0))]
        rows = rows[1:].rename(dict(zip(rows.columns, names, strict=True)))
    return _columns(rows)


def _has_names(rows: pl.DataFrame) -> bool:
    """Whether the first row names the columns: by a name that is known, or since its cells are no tokens as those below are.

    1, 2, 3 … or 0, 1, 2 … in columns of their own are taken for names of levels.
    """
    head, *below = rows[:50].rows()
    if not below or any(name and name.strip().lower() in (*_ITEM_NAMES, *_TOKEN_NAMES) for name in head):
        return True
    named = list(head[1:])
    if len(named) > 1 and named in ([str(n) for n in range(len(named))], [str(n + 1) for n in range(len(named))]):
        return True
    return any(_shape(cell) not in {_shape(row[1 + number]) for row in below} for number, cell in enumerate(named))


def _shape(cell: str | None) -> str:
    """The text with 0 in place of each number."""
    return re.sub(r"\d+", "0", (cell or "").strip())


def _parquet(path: Path) -> tuple[Sequence[Any], Sequence[Any]]:
    return _columns(pl.read_parquet(path))


def _columns(frame: pl.DataFrame) -> tuple[Sequence[Any], Sequence[Any]]:
    """Items and tokens of a frame, by the names of its columns."""
    by_name = {name.strip().lower(): name for name in reversed(frame.columns)}
    item = next((by_name[name] for name in _ITEM_NAMES if name in by_name), frame.columns[0])
    others = [name for name in frame.columns if name != item]
    tokens = next((by_name[name] for name in _TOKEN_NAMES if by_name.get(name) in others), None)
    if tokens is None and not others:
        raise ValueError("it has a single column, expected items and tokens")
    if tokens is None and len(others) == 1:
        tokens = others[0]
    cells = frame[tokens].to_list() if tokens else [list(row) for row in frame.select(others).iter_rows()]
    return frame[item].to_list(), cells


def _json(path: Path) -> tuple[Sequence[Any], Sequence[Any]]:
    pairs: list[tuple[str, Any]] = []

    def keep_repeats(found: list[tuple[str, Any]]) -> dict[str, Any]:
        if len({key for key, _ in found}) < len(found):
            pairs.extend(found)
        return dict(found)

    found = json.loads(path.read_text(encoding="utf-8"), object_pairs_hook=keep_repeats)
    if isinstance(found, dict) and isinstance(found.get("items"), dict):
        found = found["items"]
    if not isinstance(found, dict):
        raise ValueError("it is no object of item and tokens")
    if pairs:  # JSON keeps the last of two keys; a mapping that has an item twice is refused, not halved
        return [key for key, _ in pairs], [_cell(value) for _, value in pairs]
    return list(found), [_cell(value) for value in found.values()]


def _cell(value: Any) -> Any:
    """The tokens of a value, which may be a row with more in it."""
    return next((value[name] for name in _TOKEN_NAMES if name in value), None) if isinstance(value, dict) else value


def _lines(path: Path) -> tuple[Sequence[Any], Sequence[Any]]:
    items, cells = [], []
    with path.open(encoding="utf-8") as stream:
        for number, line in enumerate(stream, start=1):
            row = json.loads(line) if line.strip() else {"hsrl": None}
            if not isinstance(row, dict):
                raise ValueError(f"line {number} is no object")
            if set(row) == {"hsrl"}:  # the head of an export of ours
                continue
            item = next((row[name] for name in _ITEM_NAMES if name in row), None)
            items.append(item)
            cells.append(_cell(row))
    return items, cells


def _shown(value: Any) -> str:
    text = printable(str(value))
    return repr(text if len(text) <= 60 else text[:60] + "…")
