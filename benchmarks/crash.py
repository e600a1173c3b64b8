"""SIGKILL at random moments of a refresh, a retrain and a gc: what readers see, what a rerun gives, what is left lying about.

    python -m benchmarks.crash --kills 120 --out docs/results/crash.md
    python -m benchmarks.crash --kills 60 --server "host=127.0.0.1 port=5432 user=hsrl" --data s3://crash/ --out docs/results/crash-s3.md

Each case begins from a copy of a prepared warehouse (none yet; two days with a third to process; three days to retrain on; three
releases of which one may go), is killed after a random share of an unbroken run's processor time (which does not depend on what else
the machine does), looked at by a reader, run again to its end, and compared with the unbroken run: the rows of every table, sorted,
without the columns that name runs, releases and times.
"""

import argparse
import json
import math
import multiprocessing
import os
import random
import signal
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from benchmarks.crash_page import Conditions, page
from benchmarks.crash_served import DATA, SERVER, catalogue_for, copy_warehouse, data_for
from benchmarks.crash_state import LEAST, Seen, garbage, look, orphans, torn
from benchmarks.pages import out_file
from tests.support.small_feed import TOKENIZER, feed

MORE = """
[simulator]
n_epochs = 6
n_training = 1
[learner.schedule]
n_iterations = 60
learn_after = 200
[learner.search]
n_rounds = 1
[evaluation]
n_sessions = 40
"""
_PATIENCE_SECONDS = 1800  # with a run that is no more killed; seconds on a machine of one's own
_BAD_ROWS = 3  # planted in every day's events: an item that no catalogue lists


@dataclass(frozen=True)
class Case:
    """A flow, and the warehouse it begins from."""

    name: str
    flow: str
    base: Path


def work(flow: str, root: str, config: str, home: str) -> None:
    """The run that is killed; its words go to a file."""
    os.setpgid(0, 0)
    log = Path(home, "log").open("a")  # noqa: SIM115 stays open as long as the process
    os.dup2(log.fileno(), 1)
    os.dup2(log.fileno(), 2)
    from flows.runtime.run import Run
    from flows.runtime.settings import load_settings
    from flows.runtime.steps import DirectSteps

    root_path = Path(root)
    if catalogue := catalogue_for(Path(home), root_path):
        os.environ["HSRL_ENGINE__CATALOG"] = catalogue
        if url := data_for(Path(home), root_path):
            os.environ["HSRL_ENGINE__DATA"] = url
    settings = load_settings(Path(config), root_path)
    if flow == "refresh":
        from flows.refresh.flow import refresh

        refresh(settings, root_path, Run("daily-refresh"), DirectSteps())
    elif flow == "gc":
        from flows.maintenance.gc import collect_garbage
        from pipeline.warehouse.config import RetentionConfig

        collect_garbage(root_path, Run("gc"), RetentionConfig(**LEAST), dry_run=False)
    else:
        from flows.retrain.flow import retrain

        retrain(settings, root_path, Run("nightly-retrain"), DirectSteps())
    Path(home, "cpu").write_text(str(time.process_time()))


class Bench:
    """Runs cases in a scratch folder."""

    def __init__(self, home: Path, seed: int) -> None:
        self.home = home
        self.random = random.Random(seed)  # noqa: S311 moments of death, no secrets
        self.context = multiprocessing.get_context("forkserver")
        self.context.set_forkserver_preload(
            ["flows.refresh.flow", "flows.retrain.flow", "flows.runtime.settings", "flows.maintenance.gc"]
        )
        self.config, self.raw = home / "config.toml", home / "raw"

    def start(self, flow: str, root: Path) -> Any:
        """The process of a run."""
        process = self.context.Process(target=work, args=(flow, str(root), str(self.config), str(self.home)))
        process.start()
        return process

    def finish(self, flow: str, root: Path) -> float:
        """A run to its end; the seconds it took."""
        began = time.monotonic()
        process = self.start(flow, root)
        process.join(_PATIENCE_SECONDS)
        if process.exitcode is None:
            process.kill()
            process.join()
        if process.exitcode != 0:
            raise RuntimeError(f"{flow} ended with {process.exitcode}: " + (self.home / "log").read_text()[-2000:])
        return time.monotonic() - began

    @property
    def cpu_seconds(self) -> float:
        """Processor time of the last run that came to its end."""
        return float((self.home / "cpu").read_text())

    def bases(self, *, with_retrain: bool) -> list[Case]:
        """The warehouses that cases begin from."""
        made = [Case("refresh, first release", "refresh", self.home / "none")]
        last = None
        for name, n_days in (("one", 1), ("two", 2), ("three", 3)):
            self.log_days(n_days)
            copy_warehouse(self.home, last or self.home / "none", self.home / name)
            last = self.home / name
            self.finish("refresh", last)
        made.append(Case("refresh, one more day", "refresh", self.home / "two"))
        littered = self.home / "littered"
        copy_warehouse(self.home, self.home / "three", littered)
        for spare in ("staging/delivery/dead", "artifacts/policy/dead"):  # what dead runs left, old enough to go
            (littered / spare).mkdir(parents=True)
            (littered / spare / "x").write_text("x" * 100_000)
        made.append(Case("gc", "gc", littered))
        if with_retrain:
            made.append(Case("retrain", "retrain", self.home / "three"))
        return made

    def log_days(self, n_days: int) -> None:
        """The raw files of the first ``n_days`` days, with some rows in each that no one can accept."""
        from flows.refresh.feed import write_missing_days
        from flows.runtime.settings import load_settings

        self.config.write_text(feed(self.raw, n_days, users=60) + TOKENIZER + MORE)
        known = set(self.raw.glob("events-*"))
        write_missing_days(load_settings(self.config, self.home / "none").source)
        for day in set(self.raw.glob("events-*")) - known:
            events = pl.read_parquet(day)
            bad = events.head(_BAD_ROWS).with_columns(item_id=pl.lit(10**9, pl.Int64))
            pl.concat([events, bad]).write_parquet(day)

    def kill_once(self, case: Case, cpu_seconds: float) -> bool:
        """Start a run on ``work`` and kill it after a random share of ``cpu_seconds``; False where it had ended before."""
        root = self.home / "work"
        copy_warehouse(self.home, case.base, root)
        process = self.start(case.flow, root)
        share = self.random.uniform(0.0, cpu_seconds)
        while process.exitcode is None and _spent(process.pid) < share:
            time.sleep(0.005)
        if process.exitcode is None:
            process.kill()
        process.join(30)
        return process.exitcode == -signal.SIGKILL


def _spent(pid: int) -> float:
    """Processor time of a process so far, seconds, as Linux tells it; without end where the process has ended."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return math.inf
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def moment(case: Case, root: Path, before: Seen, seen: Seen) -> str:
    """How far the killed run had come."""
    if not any((root / name).exists() for name in ("catalog.sqlite", "storage.json")):
        return "before there was a warehouse"
    if case.flow == "gc":
        return "in a gc"
    if seen.tables != before.tables:
        return "after the commit" if not seen.is_empty else "warehouse made"
    if any((root / "data" / "main").glob("*/*/*.parquet")) and orphans(root):
        return "something staged, stored or placed"
    return "nothing left behind"


def run(n_kills: int, seed: int, out: Path | None, *, with_retrain: bool, served: tuple[str, str | None] | None = None) -> int:
    """All kills, dealt to the cases in turn; returns the number of failures."""
    conditions = _conditions(seed, out, served, refresh_only=not with_retrain)
    with tempfile.TemporaryDirectory(prefix="hsrl-crash-") as folder:
        bench = Bench(Path(folder), seed)
        for name, where in zip((SERVER, DATA), served or (), strict=False):
            if where:
                (bench.home / name).write_text(where)
        cases = bench.bases(with_retrain=with_retrain)
        results: list[dict[str, Any]] = []
        whole: dict[str, tuple[Seen, Seen, float, float]] = {}
        for case in cases:
            target = bench.home / "unbroken"
            copy_warehouse(bench.home, case.base, target)
            seconds = bench.finish(case.flow, target)
            whole[case.name] = (look(case.base), look(target), bench.cpu_seconds, seconds)
            if left := left_over(case, target):
                raise RuntimeError(f"an unbroken {case.name} leaves {left[:3]}")
            assert whole[case.name][1].quarantine.total() == 3 * _BAD_ROWS
        dealt = [*cases[:2], *cases]  # a retrain takes much longer than a refresh
        tries = 0
        while len(results) < n_kills and tries < 5 * n_kills:
            case = dealt[tries % len(dealt)]
            tries += 1
            before, after, cpu_seconds, _ = whole[case.name]
            if not bench.kill_once(case, cpu_seconds):
                continue
            results.append({"case": case.name, **_judge(bench, case, before, after)})
            print(len(results), json.dumps(results[-1]), flush=True)
            if out:  # after every kill, so that a run that is stopped leaves what it saw
                unbroken = {name: seconds for name, (*_, seconds) in whole.items()}
                out.write_text(page(results, unbroken, conditions))
        return sum(bool(result["faults"]) for result in results) + (len(results) < n_kills)


def _conditions(seed: int, out: Path | None, served: tuple[str, str | None] | None, *, refresh_only: bool) -> Conditions:
    from flows.runtime.resources import code_version

    server, data = served or (None, None)
    name = out.name if out else "crash.md"
    return Conditions(seed, name, code_version(), os.getloadavg()[0], server is not None, data, refresh_only)


def left_over(case: Case, root: Path) -> list[str]:
    """What a run that ended should have taken away."""
    return [*orphans(root), *(garbage(root) if case.flow == "gc" else [])]


def _judge(bench: Bench, case: Case, before: Seen, after: Seen) -> dict[str, Any]:
    root, faults = bench.home / "work", []
    seen = look(root)
    if wrong := torn(seen, before, after):
        faults.append("a reader sees neither the last release nor the next: " + ", ".join(sorted(wrong)))
    when = moment(case, root, before, seen)
    try:
        seconds = bench.finish(case.flow, root)
    except RuntimeError as error:
        return {"when": when, "seconds": 0.0, "faults": [*faults, f"the rerun failed: {str(error)[-300:]}"]}
    if different := look(root).differs(after):
        faults.append("the rerun differs from an unbroken run in " + ", ".join(sorted(different)))
    if left := left_over(case, root):
        faults.append(f"{len(left)} orphans, such as {left[0]}")
    return {"when": when, "seconds": round(seconds, 1), "faults": faults}


def main() -> None:
    """Read the arguments and run."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=out_file)
    parser.add_argument(
        "--server", help="PostgreSQL for the catalogues: a connection string without dbname, of a user that makes databases"
    )
    parser.add_argument("--data", help="with --server: s3://BUCKET/PREFIX/ for the data files; keys from the environment")
    parser.add_argument("--refresh-only", action="store_true")
    arguments = parser.parse_args()
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ.setdefault(name, "1")
    served = (arguments.server, arguments.data) if arguments.server else None
    failures = run(arguments.kills, arguments.seed, arguments.out, with_retrain=not arguments.refresh_only, served=served)
    sys.exit(min(failures, 1))


if __name__ == "__main__":
    main()
