"""What it costs to make records of a log, as a ratio to what Polars, DuckDB and pandas need for about the same work in the same run.

    python -m benchmarks.ingest --events 200000
    python -m benchmarks.ingest --events 2000000 --day 2000000
    python -m benchmarks.ingest --events 1000000 --days 50

Events of Zipf items, ten a slate, 100 a user, are written as CSV and Parquet. Each way reads a file, sorts by user and time, numbers
the events, and makes lists of K items and answers; hsrl also checks every row, makes histories and user states, and writes all of it
as one delivery (no warehouse). With ``--day`` one more day of so many events is staged onto it; with ``--days`` as many days of
``--events`` follow one another, and the largest memory is told as they grow. Each way is a process of its own: its CPU seconds, all
threads, and its largest resident memory.
"""

import argparse
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import polars as pl

K = 10
EVENTS_PER_USER = 100
N_ITEMS = 100_000
START = 1_700_000_000
DAY = 86_400
MB = 1 << 10  # of ru_maxrss, which counts in KiB


def write_log(path: Path, n_events: int, n_users: int, day: int) -> None:
    """Events of ``day`` by time: user, item, time (s), clicked; as Parquet or CSV by the name."""
    random = np.random.default_rng(day)
    frame = pl.DataFrame(
        {
            "user": random.integers(1, n_users + 1, n_events),
            "item": random.zipf(1.2, n_events) % N_ITEMS + 1,
            "time": START + day * DAY + np.sort(random.integers(0, DAY, n_events)),
            "clicked": (random.random(n_events) < 0.3).astype(np.int64),
        }
    )
    frame.write_parquet(path) if path.suffix == ".parquet" else frame.write_csv(path)


def by_hsrl(*files: Path) -> None:
    """Stage each file as a delivery on the ones before, as a refresh does up to the warehouse; print the costs after each."""
    from flows.refresh.deliveries import stage_delivery
    from flows.refresh.delivery_job import Decided, DeliveryJob, EarlierData
    from flows.refresh.new_deliveries import NewDelivery
    from flows.refresh.staging import StagedDelivery, live_files
    from flows.runtime.steps import DirectSteps
    from pipeline.contracts import ITEMS, USERS
    from pipeline.ingest.config import IngestConfig
    from pipeline.ingest.ids import IdKinds
    from pipeline.ingest.table_config import TableSource
    from pipeline.records.config import RecordsConfig

    found, decided = EarlierData([], [], ITEMS.empty(), USERS.empty()), Decided(IdKinds(), counts_own_time=False)
    columns = {"user": "user", "item": "item", "time": "time", "feedback": "clicked"}
    for number, path in enumerate(files):
        section = {"path": path, "positive": ["1"], "columns": columns}
        source = TableSource.model_validate(section).open()
        (delivery,) = source.deliveries()
        latest = datetime.fromtimestamp(START + 10**4 * DAY, UTC)
        job = DeliveryJob(source, delivery, f"i{number}", IngestConfig(), RecordsConfig(slate_size=K), decided, latest)
        folder = path.parent / f"staged-{path.suffix[1:]}-{number}"
        stage_delivery(job, found, folder, DirectSteps(), lambda names: pl.DataFrame())
        staged = StagedDelivery(NewDelivery(delivery, (), ""), folder)
        found = EarlierData(
            live_files(found.events, [staged], "events"), staged.files("state"), staged.frame("items"), staged.frame("users")
        )
        if len(files) > 1:
            print(json.dumps(costs()), flush=True)


def by_polars(path: Path) -> None:
    """Lists by one lazy query, streamed."""
    log = pl.scan_parquet(path) if path.suffix == ".parquet" else pl.scan_csv(path)
    nth = pl.int_range(pl.len()).over("user")
    lists = (
        log.sort("user", "time", maintain_order=True)
        .with_columns(nth=nth)
        .group_by("user", pl.col("nth") // K)
        .agg("item", "clicked")
    )
    lists.sink_parquet(path.with_suffix(".polars"), engine="streaming")


def by_duckdb(path: Path) -> None:
    """Lists by window functions."""
    import duckdb

    duckdb.sql(
        f"COPY (WITH log AS (SELECT *, row_number() OVER (PARTITION BY user ORDER BY time) - 1 AS nth FROM '{path}') "
        f"SELECT user, nth // {K} AS list, list(item ORDER BY nth) AS items, list(clicked ORDER BY nth) AS answers "
        f"FROM log GROUP BY ALL) TO '{path.with_suffix('.duckdb')}' (FORMAT parquet)"
    )


def by_pandas(path: Path) -> None:
    """Lists by NumPy slices of a sorted frame."""
    import pandas as pd

    log = pd.read_parquet(path) if path.suffix == ".parquet" else pd.read_csv(path)
    log = log.sort_values(["user", "time"], kind="stable")
    log["list"] = log.groupby("user").cumcount() // K
    log.groupby(["user", "list"])[["item", "clicked"]].agg(list).to_parquet(path.with_suffix(".pandas"))


WAYS: dict[str, Callable[[Path], None]] = {"hsrl": by_hsrl, "Polars": by_polars, "DuckDB": by_duckdb, "pandas": by_pandas}


def costs() -> tuple[float, float]:
    """CPU seconds of this process, and its largest resident memory in MB."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime, usage.ru_maxrss / MB


def measured(way: str, *files: Path) -> list[tuple[float, float]]:
    """``costs`` of a process that goes this way: after each file, or at its end."""
    command = [sys.executable, "-m", "benchmarks.ingest", "--way", way, *map(str, files)]
    run = subprocess.run(command, check=True, capture_output=True, text=True)  # noqa: S603 this file
    return [(cpu, memory) for cpu, memory in map(json.loads, run.stdout.splitlines())]


def table_of_ways(folder: Path, n_events: int) -> list[str]:
    """CPU seconds and memory of every way, for CSV and Parquet."""
    lines = ["| file | way | CPU s | to hsrl | MB |", "| --- | --- | ---: | ---: | ---: |"]
    for suffix in ("csv", "parquet"):
        path = folder / f"log.{suffix}"
        write_log(path, n_events, max(1, n_events // EVENTS_PER_USER), 0)
        own = 0.0
        for way in WAYS:
            ((cpu, memory),) = measured(way, path)
            own = own or cpu
            lines.append(f"| {suffix} | {way} | {cpu:.1f} | {cpu / own:.2f} | {memory:,.0f} |")
    return lines


def table_of_days(folder: Path, sizes: list[int]) -> list[str]:
    """CPU seconds of each day's delivery, and the largest memory so far; all days have the same users."""
    files = [folder / f"day_{number}.parquet" for number in range(len(sizes))]
    for number, (path, n_events) in enumerate(zip(files, sizes, strict=True)):
        write_log(path, n_events, max(1, sum(sizes) // EVENTS_PER_USER), number)
    lines = ["| events so far | CPU s of the day | to the first | largest MB so far |", "| ---: | ---: | ---: | ---: |"]
    before, first = measured("hsrl")[0][0], 0.0  # what its imports cost
    for number, (cpu, memory) in enumerate(measured("hsrl", *files)):
        day, before = cpu - before, cpu
        first = first or day
        lines.append(f"| {sum(sizes[: number + 1]):,} | {day:.1f} | {day / first:.1%} | {memory:,.0f} |")
    return lines


def main() -> None:
    """Measure, and print tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=200_000)
    parser.add_argument("--day", type=int, help="events of one more day")
    parser.add_argument("--days", type=int, help="so many days of --events each")
    parser.add_argument("--way", help=argparse.SUPPRESS)
    parser.add_argument("files", type=Path, nargs="*", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.way:
        if arguments.way == "hsrl":
            by_hsrl(*arguments.files)
        elif arguments.files:
            WAYS[arguments.way](arguments.files[0])
        if len(arguments.files) < 2:
            print(json.dumps(costs()))
        return
    folder = Path(tempfile.mkdtemp(prefix="hsrl-ingest-"))
    try:
        print(
            f"{arguments.events:,} events, {time.strftime('%Y-%m-%d')}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}\n"
        )
        if arguments.days:
            lines = table_of_days(folder, [arguments.events] * arguments.days)
        elif arguments.day:
            lines = table_of_days(folder, [arguments.events, arguments.day])
        else:
            lines = table_of_ways(folder, arguments.events)
        print("\n".join(lines))
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
