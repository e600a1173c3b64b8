"""Merging the small files of nights: live rows of several files of a user bucket become one file, as SQL and Python read them both.

DuckLake's own merge cannot be used: it mixes user buckets, by which Python finds its files, and rows of later releases into one file,
which only SQL can tell apart (docs/nights.md).
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from pipeline.errors import WarehouseError
from pipeline.warehouse.artifacts import fingerprint
from pipeline.warehouse.bucket import Bucket
from pipeline.warehouse.ledger import insert
from pipeline.warehouse.literals import quoted
from pipeline.warehouse.own_files import file_rows
from pipeline.warehouse.publish import link
from pipeline.warehouse.statements import statement
from pipeline.warehouse.stored_files import StoredFile, scan
from pipeline.warehouse.tables import TABLES
from pipeline.warehouse.warehouse import Warehouse

STAGED = "merged"
# Of these a night adds files; the vectors are one file, which each night replaces.
_GROWING = ("events", "record_rows")
# How many small files a user bucket may have; what is small, and what is large enough for one file, in bytes.
MOST, SMALL, FULL = 8, 8 << 20, 32 << 20
_BUCKET = re.compile(r"(-b\d{4,})?$")  # how the names of files end, see flows/refresh/buckets.py
_CONTENT = "SELECT count(*), sum(hash(stored)) FROM (SELECT * FROM {table} WHERE filename IN ({names})) AS stored"


@dataclass(frozen=True)
class Batch:
    """Small files of a user bucket that become one.

    Attributes:
        table: whose.
        ending: of their names, which says the bucket.
        names: how the lake names them, in the order in which they were registered.
    """

    table: str
    ending: str
    names: tuple[str, ...]


def find_small_files(warehouse: Warehouse) -> list[Batch]:
    """The files to merge: of each user bucket that has more than ``MOST`` small ones, the oldest first, until they fill a file."""
    return [batch for table in _GROWING for batch in _batches(warehouse, table)]


def merge(warehouse: Warehouse, batches: Sequence[Batch], run_id: str) -> None:
    """Put the rows of each batch into one file, in one transaction; releases of before keep the files that they had.

    The writer's lock is held. Killed in the middle, it leaves files that no snapshot names.

    Raises:
        WarehouseError: the rows would not be the same; nothing was changed.
    """
    latest = warehouse.latest_release()
    if not batches or latest is None:
        return
    warehouse.staging.discard_all(STAGED)  # of a run that was killed
    written = _written(warehouse, batches, latest.release_id)
    if bucket := Bucket.of(warehouse.root):
        bucket.put(written)
    message = f"{sum(len(batch.names) for batch in batches)} small files merged into {len(batches)}"
    with warehouse.transaction(message, {"run": run_id}):
        for table in _GROWING:
            gone = [name for batch in batches if batch.table == table for name in batch.names]
            new = [warehouse.name_of(path) for batch, path in zip(batches, written, strict=True) if batch.table == table]
            if gone:
                _replace(warehouse, table, gone, new)
        inputs = {path: _inputs(warehouse, batch) for batch, path in zip(batches, written, strict=True)}
        insert(warehouse, "artifacts", file_rows(warehouse.root, inputs, run_id, latest.release_id))
    warehouse.staging.discard_all(STAGED)


def _batches(warehouse: Warehouse, table: str) -> Iterator[Batch]:
    rows = warehouse.query(
        "SELECT data_file, data_file_size_bytes FROM ducklake_list_files('lake', $table)", {"table": table}
    ).rows()

    def ending(row: tuple[str, int]) -> str:
        found = _BUCKET.search(Path(row[0]).stem)
        return found.group() if found else ""

    small = [(ending(row), *row) for row in rows if row[1] < SMALL]
    for bucket, files in groupby(sorted(small), key=lambda row: row[0]):
        for names in _filling((name, size) for _, name, size in files):
            yield Batch(table, bucket, names)


def _filling(files: Iterable[tuple[str, int]]) -> Iterator[tuple[str, ...]]:
    """Names of files that fill a file together, each time; of the rest if they are too many."""
    names: list[str] = []
    total = 0
    for name, size in files:
        names.append(name)
        total += size
        if total >= FULL:
            yield tuple(names)
            names, total = [], 0
    if len(names) > MOST:
        yield tuple(names)


def _written(warehouse: Warehouse, batches: Sequence[Batch], release_id: int) -> list[Path]:
    """Of each batch one new file of the data folder, which no snapshot names yet, with the rows that count."""
    stored: dict[str, StoredFile] = {}
    for table in _GROWING:
        wanted = [name for batch in batches if batch.table == table for name in batch.names]
        stored |= {warehouse.name_of(file.path): file for file in warehouse.stored_files(table, wanted)}
    written = []
    for batch in batches:
        name = fingerprint("merged", *batch.names)
        with warehouse.staging.writing(STAGED, name) as folder:
            rows = scan([stored[each] for each in batch.names], TABLES[batch.table])
            rows.collect().write_parquet(folder / "rows.parquet")
        target = warehouse.root / "data" / "main" / batch.table / f"r{release_id:06}" / f"merged-{name}{batch.ending}.parquet"
        target.unlink(missing_ok=True)  # of a run that was killed
        written.append(link(warehouse.staging.path(STAGED, name) / "rows.parquet", target))
    return written


def _replace(warehouse: Warehouse, table: str, gone: Sequence[str], new: Sequence[str]) -> None:
    # Names are written out, as DuckLake then opens no other file.
    before = warehouse.query(_CONTENT.format(table=table, names=", ".join(map(quoted, gone)))).row(0)
    warehouse.connection.execute(f"DELETE FROM {table} WHERE filename IN ({', '.join(map(quoted, gone))})")
    warehouse.connection.execute("CALL ducklake_add_data_files('lake', ?, ?)", [table, list(new)])
    after = warehouse.query(_CONTENT.format(table=table, names=", ".join(map(quoted, new)))).row(0)
    if before != after:
        raise WarehouseError(
            f"{table}: {after[0]} rows in {len(new)} files, expected the {before[0]} of {len(gone)} small files, the same in every "
            "column; nothing was merged; look at the files with: hsrl verify"
        )


def _inputs(warehouse: Warehouse, batch: Batch) -> tuple[str, ...]:
    """What the files were made from, each once."""
    bucket = Bucket.of(warehouse.root)
    paths = [str((bucket.local(name) if bucket else Path(name)).relative_to(warehouse.root)) for name in batch.names]
    return tuple(sorted(warehouse.query(statement("inputs_of_files"), {"paths": paths})["input"]))
