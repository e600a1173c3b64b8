"""Readers that loop while releases are published: errors, torn reads and how long a question takes.

    python -m benchmarks.readers --readers 4 --publishes 20 --out docs/results/readers.md

Release n holds n nights of a tiny shop: n liked events, n records, splits that say n, and vectors whose second coordinate is n. Each
question compares four tables with the number of the release. At the end a tear is planted, which the same question must find.
"""

import argparse
import multiprocessing
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import polars as pl

from benchmarks.pages import out_file
from pipeline import contracts
from pipeline.contracts import Table
from pipeline.warehouse.adhoc import run_sql
from pipeline.warehouse.release import Changes, ReleaseDraft
from pipeline.warehouse.tables import INGESTS
from pipeline.warehouse.warehouse import Warehouse

ASK = """
SELECT
    (SELECT max(release_id) FROM releases) AS n, (SELECT sum(feedback) FROM events) AS liked,
    (SELECT max(record_index) + 1 FROM record_rows) AS records, (SELECT sum(n_records) FROM splits) AS split_records,
    (SELECT sum(vector[2]) / 2 FROM embeddings) AS vectors
"""
DRAFT = ReleaseDraft("bench", "refresh", "0", {}, 0, ())


def is_torn(row: tuple[Any, ...]) -> bool:
    """Whether the tables do not all tell the same release."""
    return row[0] is not None and any(value != row[0] for value in row[1:])


def rows(table: Table, **columns: list[Any]) -> pl.DataFrame:
    """Rows of a table; columns that are not given are empty."""
    n = len(next(iter(columns.values())))
    return pl.DataFrame({name: columns.get(name, [None] * n) for name in table.schema}, schema=table.schema)


def night(folder: Path, n: int) -> Changes:
    """What the shop's night n brings."""
    frames = {
        "events": rows(contracts.EVENTS, user_id=[1, 1], item_id=[10, 11], user_seq=[2 * n, 2 * n + 1], feedback=[1, 0],
                       source=["shop"] * 2, ingest_id=[f"i{n}"] * 2),
        "record_rows": rows(contracts.RECORD_ROWS, record_id=[f"1-{n - 1}"], user_id=[1], record_index=[n - 1], sequence_id=[n - 1],
                            exposed_items=[[10, 11]], feedback=[[1, 0]], history=[[10] * min(n - 1, 50)], ingest_id=[f"i{n}"]),
        "embeddings": rows(contracts.EMBEDDINGS, embedding_id=["e"] * 2, item_id=[10, 11], vector=[[0.0, float(n)], [1.0, float(n)]],
                           has_signal=[True] * 2),
    }  # fmt: skip
    files = {}
    for name, frame in frames.items():
        files[name] = [folder / f"{name}-{n}.parquet"]
        frame.write_parquet(files[name][0])
    ingest = rows(INGESTS, ingest_id=[f"i{n}"], source=["shop"], delivery_id=[f"day {n}"], n_rows=[2], n_accepted=[2], n_rejected=[0],
                  n_known=[0], sequence=[n],
                  n_positives=[1], n_users=[1], n_new_users=[0], n_items=[2], n_new_items=[0], release_id=[n])  # fmt: skip
    return Changes(
        replace_files={"embeddings": files["embeddings"]},
        register={name: files[name] for name in ("events", "record_rows")},
        replace={"splits": rows(contracts.SPLITS, user_id=[1], n_records=[n], n_train=[n - 1], method=["per_user"])},
        append={"ingests": ingest},
    )


def read(root: Path, done: Any, results: Any) -> None:
    """Ask until told to stop; report (seconds, torn row or None, error or None) for each question."""
    while not done.is_set():
        began = time.perf_counter()
        torn, error = None, None
        try:
            row = run_sql(root, ASK).row(0)
            torn = row if is_torn(row) else None
        except Exception as failure:  # noqa: BLE001 every error counts
            error = repr(failure)[:200]
        results.put((time.perf_counter() - began, torn, error))


def main() -> None:
    """Run, report, and fail on a torn read, an error, or a planted tear that was not found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--readers", type=int, default=4)
    parser.add_argument("--publishes", type=int, default=20)
    parser.add_argument("--out", type=out_file)
    arguments = parser.parse_args()
    context = multiprocessing.get_context("spawn")
    done, results = context.Event(), context.Queue()
    with tempfile.TemporaryDirectory(prefix="hsrl-readers-") as folder:
        root, staged = Path(folder, "w"), Path(folder, "staged")
        staged.mkdir()
        publish_seconds: list[float] = []
        with Warehouse.create_or_open(root) as warehouse, warehouse.writer("bench", 0):
            readers = [context.Process(target=read, args=(root, done, results)) for _ in range(arguments.readers)]
            for reader in readers:
                reader.start()
            answers = [results.get(timeout=1200)]  # they are at work
            for n in range(1, arguments.publishes + 1):
                began = time.perf_counter()
                warehouse.publish(DRAFT, night(staged, n), audits=[])
                publish_seconds.append(time.perf_counter() - began)
            done.set()
            while any(reader.is_alive() for reader in readers) or not results.empty():
                while not results.empty():
                    answers.append(results.get())
                time.sleep(0.05)
            warehouse.publish(DRAFT, Changes(replace={"splits": night(staged, 99).replace["splits"]}), audits=[])
        is_found = is_torn(run_sql(root, ASK).row(0))
    torn = [row for _, row, _ in answers if row]
    errors = [error for _, _, error in answers if error]
    seconds = sorted(second for second, *_ in answers)
    text = "\n".join(
        [
            "# Readers beside a writer",
            "",
            f"`python -m benchmarks.readers --readers {arguments.readers} --publishes {arguments.publishes} --out "
            f"docs/results/readers.md`, {time.strftime('%Y-%m-%d')}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}.",
            "",
            "| readers | publishes | questions | errors | torn reads | planted tear found | question p50, s | p99, s | publish p50, s |",
            "| ---: | ---: | ---: | ---: | ---: | --- | ---: | ---: | ---: |",
            f"| {arguments.readers} | {arguments.publishes} | {len(answers)} | {len(errors)} | {len(torn)} | {'yes' if is_found else 'no'} | "
            f"{seconds[len(seconds) // 2]:.2f} | {seconds[int(len(seconds) * 0.99)]:.2f} | "
            f"{sorted(publish_seconds)[len(publish_seconds) // 2]:.2f} |",
            "",
            "A question opens the readers' copy anew, as `hsrl sql` does.",
            "",
        ]
    )
    print(text, *torn[:3], *errors[:3], sep="\n")
    if arguments.out:
        arguments.out.write_text(text)
    sys.exit(bool(torn or errors or not is_found))


if __name__ == "__main__":
    main()
