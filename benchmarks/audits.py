"""What the release rules cost: the audits' share of a refresh of a million records and 100,000 items.

    python -m benchmarks.audits --records 1000000 --items 100000 --out docs/results/audits.md

A synthetic log (Zipf items, K = 10) is refreshed from scratch, then once more with one more day of a fiftieth of it. Processor time of
the process, all threads; each audit timed by itself.
"""

import argparse
import os
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from benchmarks.pages import out_file
from flows.refresh.flow import refresh
from flows.runtime.run import Run
from flows.runtime.settings import load_settings
from flows.runtime.steps import DirectSteps
from pipeline.warehouse import audits, publish

TOML = """
[source]
kind = "table"
name = "bench"
path = "LOGS/*.parquet"
ids = "integer"
[source.columns]
user = "user"
item = "item"
order = "place"
feedback = "liked"
[embeddings]
width = 32
[sids]
vocabulary = 256
"""
K = 10


def write_log(folder: Path, name: str, n_records: int, n_users: int, n_items: int, first: int, seed: int) -> None:
    """``n_records`` · K events, the same number for each user, from place ``first`` on."""
    random = np.random.default_rng(seed)
    n = n_records * K
    per_user = n // n_users
    ranks = random.zipf(1.2, n) % n_items
    item = np.where(random.random(n) < 0.5, ranks, random.integers(0, n_items, n))
    frame = pl.DataFrame(
        {
            "user": np.repeat(np.arange(n_users), per_user),
            "item": item[: n_users * per_user],
            "place": np.tile(np.arange(first, first + per_user), n_users),
            "liked": (random.random(n_users * per_user) < 0.4).astype(np.int64),
        }
    )
    frame.write_parquet(folder / name)


def main() -> None:
    """Refresh twice, and report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--records", type=int, default=1_000_000)
    parser.add_argument("--items", type=int, default=100_000)
    parser.add_argument("--out", type=out_file)
    arguments = parser.parse_args()
    spent: dict[str, float] = {}

    def timed(connection: Any, statements: Iterable[Any]) -> list[Any]:
        found = []
        for statement in statements:
            began = time.process_time()
            found += audits.run_audits(connection, [statement])
            spent[statement.name] = time.process_time() - began
        return found

    vars(publish)["run_audits"] = timed  # publishing runs the audits by this name
    nights = []
    with tempfile.TemporaryDirectory(prefix="hsrl-audits-") as home:
        folder = Path(home)
        config = folder / "c.toml"
        config.write_text(TOML.replace("LOGS", home))
        n_users = arguments.records // 50
        for number, n_records in enumerate((arguments.records, arguments.records // 50)):
            write_log(folder, f"day{number}.parquet", n_records, n_users, arguments.items, number * 10**6, number)
            spent.clear()
            began = time.process_time()
            refresh(load_settings(config, folder / "w"), folder / "w", Run("daily-refresh"), DirectSteps())
            nights.append((n_records, time.process_time() - began, dict(spent)))
    lines = [
        "# The cost of the release rules",
        "",
        f"`python -m benchmarks.audits --records {arguments.records} --items {arguments.items} --out docs/results/audits.md`, "
        f"{time.strftime('%Y-%m-%d')}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}. CPU seconds.",
        "",
        "| night | records | refresh | all audits | share |",
        "| --- | ---: | ---: | ---: | ---: |",
    ]
    for number, (n_records, cpu, by_audit) in enumerate(nights, 1):
        total = sum(by_audit.values())
        lines.append(f"| {number} | {n_records:,} | {cpu:.1f} | {total:.2f} | {total / cpu:.1%} |")
    lines += ["", "| audit | night 1 | night 2 |", "| --- | ---: | ---: |"]
    lines += [f"| {name} | {nights[0][2][name]:.2f} | {nights[1][2][name]:.2f} |" for name in sorted(nights[0][2])]
    text = "\n".join([*lines, ""])
    print(text)
    if arguments.out:
        arguments.out.write_text(text)


if __name__ == "__main__":
    main()
