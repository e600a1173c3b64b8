"""Requests for ranking from a file, as they come: ids as the raw log spells them, and each bad request with its line and reason."""

import difflib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.errors import ConfigError
from pipeline.printable import printable

FORMATS = (".parquet", ".jsonl", ".ndjson")
_NAMES = ("user_id", "history", "candidates")
_EXPECTED = "expected history and candidates, lists of ids, and user_id if it is known"
_BATCH_ROWS = 256
_IDS = frozenset({int, str})
_LONGEST = 80  # characters of an id in a reason


@dataclass(frozen=True)
class Raw:
    """A request as it stands in its file: ``line`` counts from 1, ``number`` from 0 over all requests; ``fault`` where it is none."""

    number: int
    line: int
    cells: Mapping[str, Any]
    fault: str = ""


class KnownIds:
    """Ids of a release by every spelling that means them: the raw log's text, or the whole number.

    A raw id goes before a number that the warehouse gave: 7 means the raw id 7 wherever there is one.

    Args:
        ids: the warehouse's whole numbers.
        raw_ids: the same as the raw log spells them.
    """

    def __init__(self, ids: Sequence[int], raw_ids: Sequence[str]) -> None:
        self._known: dict[int | str, int] = dict(zip(raw_ids, ids, strict=True))
        for number, raw in zip(ids, raw_ids, strict=True):
            if raw.isdecimal() and str(int(raw)) == raw:
                self._known[int(raw)] = number
        for number in ids:
            self._known.setdefault(number, number)
            self._known.setdefault(str(number), number)

    def number(self, spelled: Any) -> int | None:
        """The warehouse's number of one id; None for an unknown one."""
        return self._known.get(spelled) if type(spelled) in _IDS else None

    def numbers(self, spelled: Any, what: str) -> list[int]:
        """The numbers of a list of ids.

        Raises:
            ValueError: no list, something in it is no id, or an id is unknown: the first is named.
        """
        if not isinstance(spelled, list):
            raise ValueError(f"its {what} are no list of ids")
        if not _IDS.issuperset(map(type, spelled)):
            wrong = next(value for value in spelled if type(value) not in _IDS)
            raise ValueError(f"its {what} hold {_shown(wrong)}, which is no id, expected texts or whole numbers")
        found = list(map(self._known.get, spelled))
        if None in found:
            wrong = spelled[found.index(None)]
            raise ValueError(f"{found.count(None)} of {len(found)} items in its {what} are unknown, such as {_shown(wrong)}")
        return found  # type: ignore[return-value] # none is None


def read_requests(path: Path) -> Iterator[Raw]:
    """The requests of a Parquet or JSON lines file, one after another; the file is never in memory as a whole.

    Raises:
        ConfigError: no such file, another format, or Parquet without the columns.
    """
    if path.suffix not in FORMATS:
        raise ConfigError(f"{path}: ends in {path.suffix or 'nothing'!r}, expected .parquet or .jsonl")
    try:
        yield from _parquet(path) if path.suffix == ".parquet" else _json_lines(path)
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror or str(error).splitlines()[0]}; {_EXPECTED}") from error
    except pa.ArrowException as error:
        raise ConfigError(f"{path}: is no whole Parquet file ({str(error).splitlines()[0]}); {_EXPECTED}") from error


def _json_lines(path: Path) -> Iterator[Raw]:
    number = 0
    with path.open("rb") as stream:
        for line, text in enumerate(stream, 1):
            if not text.strip():
                continue
            try:
                cells = json.loads(text)
                fault = "" if isinstance(cells, dict) else "is no JSON object"
            except (ValueError, RecursionError):
                cells, fault = {}, "is no JSON"
            yield Raw(number, line, cells if not fault else {}, fault or _fault_of_names(tuple(cells)))
            number += 1


def _parquet(path: Path) -> Iterator[Raw]:
    with pq.ParquetFile(path) as file:
        names = file.schema_arrow.names
        if fault := _fault_of_names(tuple(names)):
            raise ConfigError(f"{path}: {fault}")
        wanted = [name for name in _NAMES if name in names]
        number = 0
        for batch in file.iter_batches(_BATCH_ROWS, columns=wanted):
            columns = [column.to_pylist() for column in batch.columns]
            for row in zip(*columns, strict=True):
                yield Raw(number, number + 1, dict(zip(batch.schema.names, row, strict=True)))
                number += 1


def _fault_of_names(names: tuple[str, ...]) -> str:
    """What is wrong with the keys of a request; one that is nearly a known one was meant to be it."""
    for needed in ("history", "candidates"):
        if needed not in names:
            near = difflib.get_close_matches(needed, names, n=1)
            return f"has no {needed}{f' but {_shown(near[0])}' if near else ''}, {_EXPECTED}"
    if "user_id" not in names:
        near = [name for name in names if name not in _NAMES and name.lower() in ("user", "userid", "user id", "uid", "users")]
        return f"has {_shown(near[0])}; name it user_id" if near else ""
    return ""


def _shown(value: Any) -> str:
    text = printable(json.dumps(value, ensure_ascii=False, default=str))
    return text if len(text) <= _LONGEST else text[:_LONGEST] + "…"
