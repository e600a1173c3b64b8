"""A log that grows by days to hundreds of millions of events: what each night costs by stage, and what the whole weighs.

    python -m benchmarks.scale --users 100000 --days 100000 400000 500000 10000 --out scale.json
    python -m benchmarks.scale --page scale.json --out docs/results/scale.md

Every day is written as a Parquet file (users at random, Zipf items, times in order), taken in by `hsrl refresh` in a process of its
own, and removed again, so that the disk holds the warehouse and a day. K is 1 unless ``--slate`` says otherwise: every event a record.
``--again N`` first tries one more day of N events on a copy of the warehouse after its first day. ``--most-cpu`` ends the run after
the night in which so many CPU seconds were passed. Costs are written after every night; ``--page`` makes the tables of them, and from
the largest day the projection that docs/scale.md explains.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow.parquet as pq

from benchmarks.night_costs import catalogue_rows, disk_mb
from benchmarks.pages import out_file
from benchmarks.scale_page import page

N_ITEMS = 100_000
START, DAY = 1_700_000_000, 86_400
_ROWS_AT_ONCE = 1_000_000

CONFIG = """
[source]
kind = "table"
name = "scale"
path = "raw/day_*.parquet"
delivery = "file"
time_unit = "s"
positive = ["1"]
[source.columns]
user = "user"
item = "item"
time = "time"
feedback = "clicked"
[ingest]
settle_hours = 0
[records]
slate_size = {slate}
[sids]
vocabulary = 128
"""


@dataclass(frozen=True)
class Night:
    """A night and what came of it.

    Attributes:
        n_events: of its day.
        so_far: events in the warehouse after it.
        costs: stage → CPU seconds and largest memory in MB.
        disk: part of the warehouse → MB.
        catalogue: what → rows of the catalogue.
        n_users: with an event so far.
        aside: it was tried on a copy, and is not part of what came after.
    """

    n_events: int
    so_far: int
    costs: dict[str, tuple[float, float]]
    disk: dict[str, float]
    catalogue: dict[str, int]
    n_users: int
    aside: bool = False


@dataclass
class Growth:
    """A log that grows, in a folder of its own."""

    folder: Path
    n_users: int
    slate: int
    nights: list[Night] = field(default_factory=list)

    def take_in(self, day: int, n_events: int, so_far: int, warehouse: str = "w", *, aside: bool = False) -> None:
        """Write a day, take it in, remove it, and note what it cost."""
        raw, root = self.folder / "raw", self.folder / warehouse
        raw.mkdir(exist_ok=True)
        config = self.folder / "scale.toml"
        config.write_text(CONFIG.format(slate=self.slate))
        path = raw / f"day_{day}.parquet"
        write_day(path, n_events, self.n_users, day)
        found = self.folder / "costs.json"
        command = [sys.executable, "-m", "benchmarks.night_costs", str(found), "refresh", "--config", str(config)]
        accepted = ["--accept", "delivery_drift"]  # days of very unlike sizes are meant here
        run = subprocess.run([*command, "--warehouse", str(root), "--json", *accepted], capture_output=True, text=True)  # noqa: S603
        if run.returncode:
            raise RuntimeError(f"day {day} of {n_events:,} events: {run.stderr[-2000:]}")
        report = json.loads(run.stdout)
        path.unlink()
        costs = {name: (cpu, memory) for name, (cpu, memory) in json.loads(found.read_text()).items()}
        night = Night(n_events, so_far, costs, disk_mb(root), catalogue_rows(root), int(report["n_users"]), aside)
        self.nights.append(night)
        print(json.dumps(asdict(night)), flush=True)


def write_day(path: Path, n_events: int, n_users: int, day: int) -> None:
    """Events of ``day`` in the order of their times: user, item, time (s), clicked; as Parquet, some rows at once."""
    random = np.random.default_rng(day)
    writer: pq.ParquetWriter | None = None
    for first in range(0, n_events, _ROWS_AT_ONCE):
        n = min(_ROWS_AT_ONCE, n_events - first)
        span = DAY * np.array([first, first + n]) / n_events
        frame = pl.DataFrame(
            {
                "user": random.integers(1, n_users + 1, n),
                "item": random.zipf(1.2, n) % N_ITEMS + 1,
                "time": START + day * DAY + np.sort(random.uniform(*span, n)).astype(np.int64),
                "clicked": (random.random(n) < 0.3).astype(np.int64),
            }
        ).to_arrow()
        writer = writer or pq.ParquetWriter(path, frame.schema, compression="zstd")
        writer.write_table(frame)
    assert writer is not None
    writer.close()


def grow(arguments: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """Take in day after day; everything that was measured."""
    from flows.runtime.resources import code_version

    growth = Growth(folder, arguments.users, arguments.slate)
    measured: dict[str, Any] = {
        "users": arguments.users,
        "items": N_ITEMS,
        "slate": arguments.slate,
        "date": time.strftime("%Y-%m-%d"),
        "version": code_version(),
        "cores": os.cpu_count(),
        "asked": arguments.days,
    }

    def note() -> None:
        arguments.out.write_text(json.dumps(measured | {"nights": [asdict(night) for night in growth.nights]}, indent=1))

    so_far, spent = 0, 0.0
    for day, n_events in enumerate(arguments.days):
        so_far += n_events
        growth.take_in(day, n_events, so_far)
        note()
        spent += growth.nights[-1].costs["all"][0]
        if day == 0 and arguments.again:
            shutil.copytree(folder / "w", folder / "copy")
            growth.take_in(1, arguments.again, so_far + arguments.again, "copy", aside=True)
            shutil.rmtree(folder / "copy")
            note()
        if arguments.most_cpu and spent > arguments.most_cpu:
            break
    return measured


def main(words: Sequence[str] | None = None) -> None:
    """Measure, or make the page of what was measured."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--users", type=int, default=100_000)
    parser.add_argument("--days", type=int, nargs="+", default=[100_000, 400_000, 500_000, 10_000], help="events of each")
    parser.add_argument("--slate", type=int, default=1, help="K, items of a record")
    parser.add_argument("--again", type=int, help="events of one more day, tried on a copy after the first")
    parser.add_argument("--most-cpu", type=float, help="CPU seconds after which no further night begins")
    parser.add_argument("--folder", type=Path, help="where the log and the warehouse lie meanwhile; a temporary one")
    parser.add_argument("--page", type=Path, help="what was measured, to make the page of")
    parser.add_argument("--out", type=out_file, required=True)
    arguments = parser.parse_args(words)
    if arguments.page:
        arguments.out.write_text(page(json.loads(arguments.page.read_text())))
        return
    folder = Path(tempfile.mkdtemp(prefix="hsrl-scale-", dir=arguments.folder))
    try:
        grow(arguments, folder)
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
