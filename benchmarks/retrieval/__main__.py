"""Next-item retrieval on Amazon Beauty, leave-last-out, all items ranked.

    python -m benchmarks.retrieval --minutes 15.6 --out docs/results/retrieval.md

One thread. The rows of the table share ``--minutes`` of CPU alike, a third of a row's share for each of three runs: two learning rates,
and a second seed of the one that validated better; codes and ranking come on top. What is done is kept under ``--work``: the same
command goes on where it stopped, and ``--report`` writes the page of what is there.
"""

import argparse
import json
import os
import sys
from functools import partial
from pathlib import Path

import torch

from benchmarks.pages import out_file
from benchmarks.retrieval.codes import ROWS
from benchmarks.retrieval.log import amazon_beauty
from benchmarks.retrieval.report import page
from benchmarks.retrieval.runs import carried_out, done, results


def main() -> None:
    """Carry out what is not done yet, then write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=15.6, help="CPU minutes of learning, all rows together")
    parser.add_argument("--out", type=out_file, default=Path("docs/results/retrieval.md"))
    parser.add_argument("--work", type=Path, default=Path("warehouse/retrieval"), help="where what is done is kept")
    parser.add_argument("--report", action="store_true", help="write the page of what is done, learn nothing")
    given = parser.parse_args()
    if given.minutes <= 0:
        sys.exit(f"retrieval: --minutes is {given.minutes:g}, expected above 0")
    shared = Path(os.environ.get("HSRL_SHARED", "../shared"))
    if not (shared / "data" / "amazon-beauty").is_dir():
        sys.exit(f"retrieval: no folder data/amazon-beauty under {shared}; set HSRL_SHARED to the folder that has it")
    torch.set_num_threads(1)
    sequences = amazon_beauty(shared)
    seconds = given.minutes * 60.0 / len(ROWS)
    result_of = partial(done, folder=given.work) if given.report else partial(carried_out, sequences=sequences, folder=given.work)
    found = []
    for result in results(seconds, result_of):
        print(json.dumps(result.figures), flush=True)
        found.append(result)
    if not found:
        sys.exit(
            f"retrieval: nothing is done yet under {given.work}; run without --report, or with the --minutes of what is there"
        )
    given.out.write_text(page(found, given.minutes))


if __name__ == "__main__":
    main()
