"""Ranking a file of requests from a warehouse, as they come."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import chain, islice
from pathlib import Path
from typing import IO, Any

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from flows.queries.rank_requests import FORMATS, Raw, read_requests
from flows.queries.service import Service, open_service
from flows.runtime.files import written
from hsrl_train.serving.ranker import Ranked, Request
from pipeline.errors import ConfigError
from pipeline.warehouse.naming_damage import naming_damage

# Requests of one forward pass; more gain nothing on one core.
_AT_ONCE = 256
# Rows that wait to be written together.
_ROWS_AT_ONCE = 50_000
# What a report names of the rejected, and of users that the release does not know.
_NAMED = 3
SCHEMA = pa.schema(
    [
        ("request", pa.uint32()),
        ("place", pa.uint32()),
        ("item_id", pa.int64()),
        ("raw_id", pa.string()),
        ("score", pa.float32()),
    ]
)


@dataclass
class Tally:
    """What happened to the requests of a file."""

    requests: int = 0
    candidates: int = 0
    rejected: int = 0
    first_rejected: list[str] = field(default_factory=list)
    unknown_users: int = 0
    first_unknown_users: list[Any] = field(default_factory=list)


@naming_damage
def rank_file(root: Path, requests: Path, output: Path, memory_limit_mb: int) -> dict[str, Any]:
    """Rank a file of requests, as they come: neither the file nor the answers are in memory as a whole.

    Ids are texts as the raw log spells them, or whole numbers. A request that cannot be answered is left out and stands with its line
    and the reason in ``output``.rejected.jsonl; the others are answered.

    Args:
        root: the warehouse.
        requests: Parquet or JSON lines: history and candidates (lists of ids), user_id (may be absent, null or unknown).
        output: Parquet or JSON lines: request (from 0, rejected ones count), place (1 = best), item_id, raw_id, score (null: may not
            be shown).
        memory_limit_mb: memory of the SQL engine, MB.

    Returns:
        What was done.

    Raises:
        ConfigError: a file that cannot be read or written as such, or of which no request can be answered; nothing is written.
    """
    if output.suffix not in FORMATS:
        raise ConfigError(f"{output}: ends in {output.suffix or 'nothing'!r}, expected .parquet or .jsonl")
    asked = read_requests(requests)
    first = next(asked, None)  # a file that cannot be read is refused before the policy is loaded
    if first is None:
        raise ConfigError(f"{requests}: holds no request, expected one at least")
    return _rank_all(open_service(root, memory_limit_mb), root, chain([first], asked), requests, output)


def _rank_all(service: Service, root: Path, asked: Iterator[Raw], requests: Path, output: Path) -> dict[str, Any]:
    tally, rejected = Tally(), output.with_name(output.name + ".rejected.jsonl")
    with written(output, root) as draft, written(rejected, root) as reasons:
        with reasons.open("w", encoding="utf-8") as bad:
            _rank(service, asked, _Writer(draft, output.suffix == ".parquet"), bad, tally)
        if tally.rejected == tally.requests:
            raise ConfigError(f"{requests}: none of {tally.requests:,} requests can be answered; {tally.first_rejected[0]}")
    if not tally.rejected:
        rejected.unlink()
    return {
        "status": "ranked",
        "policy_id": service.policy_id,
        "release_id": service.release_id,
        "requests": tally.requests,
        "candidates": tally.candidates,
        "rejected": tally.rejected,
        "first_rejected": tally.first_rejected,
        "rejected_file": str(rejected) if tally.rejected else None,
        "unknown_users": tally.unknown_users,
        "first_unknown_users": tally.first_unknown_users,
        "output": str(output),
    }


def _rank(service: Service, asked: Iterator[Raw], answers: "_Writer", bad: IO[str], tally: Tally) -> None:
    """Answer batch after batch; the tally grows with them."""
    with answers:
        while batch := list(islice(asked, _AT_ONCE)):
            good: list[tuple[int, Request]] = []
            for raw in batch:
                tally.requests += 1
                try:
                    good.append((raw.number, service.request(raw)))
                except ValueError as error:
                    bad.write(json.dumps({"request": raw.number, "line": raw.line, "reason": str(error)}) + "\n")
                    tally.rejected += 1
                    if len(tally.first_rejected) < _NAMED:
                        tally.first_rejected.append(f"line {raw.line}: {error}")
                    continue
                _note_user(service, raw.cells.get("user_id"), tally)
            ranked = service.ranker.rank([request for _, request in good])
            if ranked:
                tally.candidates += answers.write(service, [number for number, _ in good], ranked)


def _note_user(service: Service, user: Any, tally: Tally) -> None:
    if user is not None and service.users.number(user) is None:
        tally.unknown_users += 1
        if len(tally.first_unknown_users) < _NAMED:
            tally.first_unknown_users.append(user)


class _Writer:
    """Answers as Parquet or JSON lines, a batch at a time."""

    def __init__(self, target: Path, is_parquet: bool) -> None:
        self._stream = target.open("wb")
        self._parquet = pq.ParquetWriter(self._stream, SCHEMA, compression="zstd") if is_parquet else None
        self._waiting: list[pa.Table] = []

    def write(self, service: Service, numbers: list[int], ranked: list[Ranked]) -> int:
        """Take the answers of some requests; how many rows they are."""
        counts = [len(answer.item_ids) for answer in ranked]
        items = np.concatenate([answer.item_ids for answer in ranked])
        scores = np.concatenate([answer.scores for answer in ranked])
        ends = np.cumsum(counts)
        places = np.arange(1, len(items) + 1) - np.repeat(ends - counts, counts)
        columns = [
            pa.array(np.repeat(numbers, counts), pa.uint32()),
            pa.array(places, pa.uint32()),
            pa.array(items),
            service.raw_ids.take(pa.array(np.searchsorted(service.ranker.item_ids, items))),
            pa.array(scores, mask=np.isneginf(scores)),
        ]
        self._waiting.append(pa.Table.from_arrays(columns, schema=SCHEMA))
        if sum(table.num_rows for table in self._waiting) >= _ROWS_AT_ONCE:
            self._flush()
        return len(items)

    def _flush(self) -> None:
        if self._waiting:
            table = pa.concat_tables(self._waiting)
            self._waiting = []
            if self._parquet:
                self._parquet.write_table(table)
            else:
                frame = pl.from_arrow(table)
                assert isinstance(frame, pl.DataFrame)  # noqa: S101 a table is one
                frame.write_ndjson(self._stream)

    def __enter__(self) -> "_Writer":
        return self

    def __exit__(self, *_: object) -> None:
        self._flush()
        if self._parquet:
            self._parquet.close()
        self._stream.close()
