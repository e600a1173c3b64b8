"""The page of benchmarks.crash: what was killed, what readers saw and what a rerun gave."""

import os
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

_BAD = {"reader": "a reader", "rerun": "the rerun", "orphan": "orphans"}  # the words of a fault, by its column


@dataclass(frozen=True)
class Conditions:
    """Under which the kills were done.

    Attributes:
        seed: of the moments of death.
        out: name of the page in docs/results.
        version: of the code, as it was when the run began.
        load: of the machine, at the start.
        server: the catalogues were in PostgreSQL.
        data: where the data files were in S3; None = in the warehouse's folder.
        refresh_only: no retrain was among the cases.
    """

    seed: int
    out: str
    version: str
    load: float
    server: bool = False
    data: str | None = None
    refresh_only: bool = False

    def command(self, n_kills: int) -> str:
        """The command that does it again; the server's address is left out."""
        words = ["python -m benchmarks.crash", f"--kills {n_kills}", f"--seed {self.seed}"]
        words += ["--refresh-only"] * self.refresh_only + ['--server "host=… port=… user=…"'] * self.server
        words += [f"--data {self.data}"] if self.data else []
        return " ".join([*words, f"--out docs/results/{self.out}"])

    @property
    def title(self) -> str:
        """What the page is about."""
        served = ", with the catalogue in PostgreSQL" * self.server
        return f"# Killed at random moments{served}" + (" and the data files in S3" if self.data else "")


def page(results: Sequence[Mapping[str, Any]], seconds: Mapping[str, float], conditions: Conditions) -> str:
    """The page, in Markdown.

    Args:
        results: a kill each: ``case``, ``when`` it fell, ``seconds`` of the rerun, ``faults`` in words.
        seconds: of an unbroken run, by case.
        conditions: under which it was done.
    """
    lines = [
        conditions.title,
        "",
        f"`{conditions.command(len(results))}`,",
        f"{time.strftime('%Y-%m-%d')}, version {conditions.version}, {os.cpu_count()} cores, "
        f"load {conditions.load:.1f} at the start and {os.getloadavg()[0]:.1f} at the end.",
        "",
        "| case | unbroken run, s | kills | readers saw another state | rerun differs | orphans left | rerun, s (median) |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for name in dict.fromkeys(result["case"] for result in results):
        mine = [result for result in results if result["case"] == name]
        bad = [sum(any(words in fault for fault in result["faults"]) for result in mine) for words in _BAD.values()]
        median = sorted(result["seconds"] for result in mine)[len(mine) // 2]
        cells = [f"{seconds[name]:.1f}", str(len(mine)), *map(str, bad), f"{median:.1f}"]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    moments = Counter(result["when"] for result in results)
    lines += ["", "Where the kills fell: " + ", ".join(f"{when} {count}" for when, count in moments.most_common()) + ".", ""]
    return "\n".join(lines)
