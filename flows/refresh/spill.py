"""The rows of a delivery on their way from the reader to the user buckets, in few and narrow files."""

import json
import os
from dataclasses import dataclass, field
from pathlib import Path

import polars as pl

from pipeline.contracts import RAW_EVENTS
from pipeline.ingest.ordering import bucket_of

# Bytes of rows that are held before they are written: many batches make one file a bucket.
_HELD_BYTES = 64 << 20
_NAMES = "names.json"


@dataclass
class Spill:
    """Writes RAW_EVENTS by user bucket; names of files are written as their numbers, columns without values not at all."""

    folder: Path
    n_buckets: int
    _names: list[str] = field(default_factory=list)
    _held: list[pl.DataFrame] = field(default_factory=list)
    _n_bytes: int = 0
    _n_written: int = 0

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
        (self.folder / _NAMES).write_text(json.dumps(self._names))

    def _write(self) -> None:
        if not self._held:
            return
        rows = pl.concat(self._held, how="diagonal").with_columns(bucket=bucket_of(pl.col("user_id"), self.n_buckets))
        self._held, self._n_bytes = [], 0
        for (bucket,), part in rows.partition_by("bucket", as_dict=True, include_key=False).items():
            part.write_ipc(self.folder / f"{self._n_written:06}-b{bucket:04}.arrow")
        self._n_written += 1


def spilled(folder: Path, bucket: int) -> pl.DataFrame:
    """RAW_EVENTS of a bucket in the order in which they were read."""
    ending = f"-b{bucket:04}.arrow"
    files = [folder / name for name in sorted(os.listdir(folder)) if name.endswith(ending)]  # noqa: PTH208 thousands of files
    if not files:
        return RAW_EVENTS.empty()
    rows = pl.concat([pl.read_ipc(file) for file in files], how="diagonal")
    names = pl.Series(json.loads((folder / _NAMES).read_text()), dtype=pl.String)
    file = pl.lit(names[0]) if len(names) == 1 else names.gather(rows["file"])
    missing = [pl.lit(None, dtype).alias(name) for name, dtype in RAW_EVENTS.schema.items() if name not in rows.columns]
    return rows.with_columns(file.alias("file"), *missing).select(list(RAW_EVENTS.schema))
