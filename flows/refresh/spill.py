"""The rows of a delivery on their way from the reader to the user buckets, in few and narrow files."""

import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polars as pl

from pipeline.contracts import RAW_EVENTS
from pipeline.ingest.ordering import bucket_of, part_of

# Bytes of rows that are held before they are written: many batches make one file a bucket.
_HELD_BYTES = 64 << 20
# Rows of a bucket that are ordered at once: a bucket with more is cut into parts.
PART_ROWS = 500_000
_SUMMARY = "summary.json"


@dataclass
class Spill:
    """Writes RAW_EVENTS by user bucket; names of files are written as their numbers, columns without values not at all."""

    folder: Path
    n_buckets: int
    _names: list[str] = field(default_factory=list)
    _held: list[pl.DataFrame] = field(default_factory=list)
    _n_bytes: int = 0
    _n_written: int = 0
    _n_rows: dict[int, int] = field(default_factory=dict)

    def add(self, events: pl.DataFrame) -> None:
        """Take the rows of a batch, RAW_EVENTS."""
        if events.is_empty():
            return
        own = events["file"].unique(maintain_order=True).to_list()
        self._names += [name for name in own if name not in self._names]
        numbers = [self._names.index(name) for name in own]
        file = (
            pl.lit(numbers[0], pl.UInt32)
            if len(own) == 1
            else pl.col("file").replace_strict(own, numbers, return_dtype=pl.UInt32)
        )
        given = [column.name for column in events if column.null_count() < events.height]
        self._held.append(events.select(given).with_columns(file.alias("file")))
        self._n_bytes += int(self._held[-1].estimated_size())
        if self._n_bytes > _HELD_BYTES:
            self._write()

    def close(self) -> None:
        """Write what is held."""
        self._write()
        (self.folder / _SUMMARY).write_text(json.dumps({"names": self._names, "n_rows": self._n_rows}))

    def _write(self) -> None:
        if not self._held:
            return
        rows = pl.concat(self._held, how="diagonal").with_columns(bucket=bucket_of(pl.col("user_id"), self.n_buckets))
        self._held, self._n_bytes = [], 0
        for (bucket,), rows_of_bucket in rows.partition_by("bucket", as_dict=True, include_key=False).items():
            self._n_rows[bucket] = self._n_rows.get(bucket, 0) + rows_of_bucket.height
            rows_of_bucket.write_ipc(self.folder / f"{self._n_written:06}-b{bucket:04}.arrow")
        self._n_written += 1


@dataclass(frozen=True)
class Part:
    """Some users of a bucket, who are staged at once: part ``number`` of ``n`` of them, of ``n_buckets`` buckets."""

    bucket: int
    n_buckets: int
    number: int = 0
    n: int = 1

    def of(self, rows: pl.DataFrame) -> pl.DataFrame:
        """The rows of these users, of rows of the bucket."""
        return rows.filter(self.holds) if self.n > 1 else rows

    @property
    def holds(self) -> pl.Expr:
        """Where user_id is one of them, among users of the bucket."""
        return part_of(pl.col("user_id"), self.n_buckets, self.n) == self.number if self.n > 1 else pl.lit(value=True)


def parts_of(folder: Path, bucket: int, n_buckets: int) -> list[Part]:
    """The parts of a bucket, as many as its spilled rows need."""
    n_rows = _summary(folder)["n_rows"].get(str(bucket), 0)
    n = max(1, -(-n_rows // PART_ROWS))
    return [Part(bucket, n_buckets, number, n) for number in range(n)]


def spilled(folder: Path, part: Part) -> pl.DataFrame:
    """RAW_EVENTS of a part of a bucket, in the order in which they were read."""
    ending = f"-b{part.bucket:04}.arrow"
    files = [folder / name for name in sorted(os.listdir(folder)) if name.endswith(ending)]  # noqa: PTH208 thousands of files
    if not files:
        return RAW_EVENTS.empty()
    rows = pl.concat([part.of(pl.read_ipc(file)) for file in files], how="diagonal")
    names = pl.Series(_summary(folder)["names"], dtype=pl.String)
    file = pl.lit(names[0]) if len(names) == 1 else names.gather(rows["file"])
    missing = [pl.lit(None, dtype).alias(name) for name, dtype in RAW_EVENTS.schema.items() if name not in rows.columns]
    return rows.with_columns(file.alias("file"), *missing).select(list(RAW_EVENTS.schema))


def _summary(folder: Path) -> dict[str, Any]:
    summary: dict[str, Any] = json.loads((folder / _SUMMARY).read_text())
    return summary
