"""SIGKILL at random moments of a refresh and of a retrain: what readers see, what a rerun gives, what is left lying about.

    python -m benchmarks.crash --kills 100 --out docs/results/crash.md

Each case begins from a copy of a prepared warehouse (none yet; two days with a third to process; three days to retrain on), is
killed after a random share of an unbroken run's time, looked at by a reader, run again to its end, and compared with the
unbroken run: the rows of every table, sorted, without the columns that name runs, releases and times.
"""

import argparse
import hashlib
import json
import multiprocessing
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

TOML = """
[source]
kind = "generated"
path = "HOME/raw"
days = 3
users = 120
items = 80
new_items_per_day = 2
vanishing_items_per_day = 1
[ingest]
buckets = 2
[sids]
levels = 2
vocabulary = 4
[embeddings]
width = 4
[simulator]
n_epochs = 12
n_training = 1
[learner]
n_iterations = 60
learn_after = 200
[evaluation]
n_sessions = 40
"""
# Columns that tell which run, which release and when, or how long it took; and tables that are the diary of runs.
_UNSTABLE = ("run_id", "release_id", "created_at", "cpu_seconds", "checked_at", "code_version")
_DIARY = ("runs", "audits", "dictionary")


@dataclass(frozen=True)
class Case:
    """A flow, and the warehouse it begins from."""

    name: str
    flow: str
    base: Path


def content(root: Path) -> dict[str, str]:
    """A hash of the rows of each table of the last release, as a reader sees them; {} where there is no warehouse yet."""
    from pipeline.warehouse.lake import open_readers
    from pipeline.warehouse.tables import TABLES

    if not (root / "readers.sqlite").exists():
        return {}
    hashes = {}
    with open_readers(root) as connection:
        for name, table in TABLES.items():
            if name in _DIARY:
                continue
            columns = ", ".join(f'"{column}"' for column in table.schema if column not in _UNSTABLE)
            timeless = "WHERE metric NOT IN ('seconds', 'cpu_seconds', 'peak_memory_mb')" if name == "sid_metrics" else ""
            rows = connection.execute(
                f"SELECT to_json(row_of)::VARCHAR FROM (SELECT {columns} FROM {name} {timeless}) AS row_of ORDER BY 1"
            )
            hashes[name] = hashlib.sha256("\n".join(text for (text,) in rows.fetchall()).encode()).hexdigest()[:16]
    return hashes


def orphans(root: Path) -> list[str]:
    """Whatever lies in the warehouse's folder and is neither in use nor a lock."""
    from pipeline.warehouse.warehouse import Warehouse

    with Warehouse.open(root) as warehouse:
        named = {str(root / path) for path in warehouse.query("SELECT path FROM artifacts")["path"]}
        listed = {str(path) for table in ("events", "record_rows", "embeddings") for path in warehouse.files(table)}
        spare = warehouse.connection.execute("CALL ducklake_delete_orphaned_files('lake', dry_run => true, cleanup_all => true)")
        found = [path for (path, *_) in spare.fetchall()]
    found += [str(path) for path in (root / "data").rglob("*.parquet") if str(path) not in listed | named]
    found += [str(path) for path in (root / "staging").rglob("*") if path.is_file()]
    found += [str(path) for path in (root / "artifacts").glob("*/*") if str(path) not in named]
    found += [str(path) for path in root.rglob(".*") if path.name.endswith((".draft", ".gone"))]
    return sorted(set(found))


def work(flow: str, root: str, config: str, home: str) -> None:
    """The run that is killed; its words go to a file."""
    os.setpgid(0, 0)
    log = Path(home, "log").open("a")  # noqa: SIM115 stays open as long as the process
    os.dup2(log.fileno(), 1)
    os.dup2(log.fileno(), 2)
    from flows.run import Run
    from flows.settings import load_settings
    from flows.steps import DirectSteps

    place = Path(root)
    settings = load_settings(Path(config), place)
    if flow == "refresh":
        from flows.refresh import refresh

        refresh(settings, place, Run("daily-refresh"), DirectSteps())
    else:
        from flows.retrain import retrain

        retrain(settings, place, Run("nightly-retrain"), DirectSteps())


class Bench:
    """Runs cases in a scratch folder."""

    def __init__(self, home: Path, seed: int) -> None:
        self.home = home
        self.random = random.Random(seed)  # noqa: S311 moments of death, no secrets
        self.context = multiprocessing.get_context("forkserver")
        self.context.set_forkserver_preload(["flows.refresh", "flows.retrain", "flows.settings"])
        self.config = home / "config.toml"
        self.toml = TOML.replace("HOME", str(home))  # the same for all, as it stands in the settings of each release

    def start(self, flow: str, root: Path) -> Any:
        """The process of a run."""
        process = self.context.Process(target=work, args=(flow, str(root), str(self.config), str(self.home)))
        process.start()
        return process

    def finish(self, flow: str, root: Path) -> float:
        """A run to its end; the seconds it took."""
        began = time.monotonic()
        process = self.start(flow, root)
        process.join(600)
        if process.exitcode != 0:
            raise RuntimeError(f"{flow} ended with {process.exitcode}: " + (self.home / "log").read_text()[-2000:])
        return time.monotonic() - began

    def bases(self, *, with_retrain: bool) -> list[Case]:
        """The warehouses that cases begin from."""
        (self.home / "raw").mkdir()
        made = [Case("refresh, first release", "refresh", self.home / "none")]
        two = self.home / "two"
        self.config.write_text(self.toml.replace("days = 3", "days = 2"))
        self.finish("refresh", two)
        self.config.write_text(self.toml)
        made.append(Case("refresh, one more day", "refresh", two))
        if with_retrain:
            three = self.home / "three"
            shutil.copytree(two, three)
            self.finish("refresh", three)
            made.append(Case("retrain", "retrain", three))
        return made

    def kill_once(self, case: Case, seconds: float) -> bool:
        """Start a run on ``work`` and kill it after a random share of ``seconds``; False where it had ended before."""
        root = self.home / "work"
        shutil.rmtree(root, ignore_errors=True)
        if case.base.exists():
            shutil.copytree(case.base, root)
        process = self.start(case.flow, root)
        process.join(self.random.uniform(0.0, seconds))
        if process.exitcode is None:
            os.kill(process.pid, signal.SIGKILL)
        process.join(30)
        return process.exitcode == -signal.SIGKILL


def moment(root: Path, before: dict[str, str], seen: dict[str, str]) -> str:
    """How far the killed run had come."""
    if seen != before and seen:
        return "after the commit" if any(seen[name] != before.get(name) for name in ("releases",)) else "warehouse made"
    if any((root / "data" / "main").glob("*/*/*.parquet")) and orphans(root):
        return "something staged, stored or placed"
    return "nothing left behind"


def run(n_kills: int, seed: int, out: Path | None, *, with_retrain: bool) -> int:
    """All kills, dealt to the cases in turn; returns the number of failures."""
    with tempfile.TemporaryDirectory(prefix="hsrl-crash-") as folder:
        bench = Bench(Path(folder), seed)
        cases = bench.bases(with_retrain=with_retrain)
        told: list[dict[str, Any]] = []
        whole: dict[str, tuple[dict[str, str], dict[str, str], float]] = {}
        for case in cases:
            target = bench.home / "unbroken"
            shutil.rmtree(target, ignore_errors=True)
            if case.base.exists():
                shutil.copytree(case.base, target)
            seconds = bench.finish(case.flow, target)
            whole[case.name] = (content(case.base), content(target), seconds)
            if left := orphans(target):
                raise RuntimeError(f"an unbroken {case.name} leaves {left[:3]}")
        dealt = [*cases[:2], *cases]  # a retrain takes much longer than a refresh
        tries = 0
        while len(told) < n_kills and tries < 5 * n_kills:
            case = dealt[tries % len(dealt)]
            tries += 1
            before, after, seconds = whole[case.name]
            if not bench.kill_once(case, seconds):
                continue
            told.append({"case": case.name, **_judge(bench, case, before, after)})
            print(len(told), json.dumps(told[-1]), flush=True)
        text = _report(told, seed, {name: seconds for name, (*_, seconds) in whole.items()})
        print(text)
        if out:
            out.parent.mkdir(parents=True, exist_ok=True)
            out.write_text(text)
        return sum(bool(one["faults"]) for one in told) + (len(told) < n_kills)


def _judge(bench: Bench, case: Case, before: dict[str, str], after: dict[str, str]) -> dict[str, Any]:
    root, faults = bench.home / "work", []
    seen = content(root)
    empty = not before and bool(seen) and seen["releases"] == hashlib.sha256(b"").hexdigest()[:16]
    if seen not in (before, after) and not empty and not _only_ledger(seen, before):
        faults.append("a reader sees neither the last release nor the next: " + ", ".join(_different(seen, before)))
    when = moment(root, before, seen) if (root / "catalog.sqlite").exists() else "before there was a warehouse"
    try:
        seconds = bench.finish(case.flow, root)
    except RuntimeError as error:
        return {"when": when, "seconds": 0.0, "faults": [*faults, f"the rerun failed: {str(error)[-300:]}"]}
    final = content(root)
    if final != after:
        faults.append("the rerun differs from an unbroken run in " + ", ".join(_different(final, after)))
    if left := orphans(root):
        faults.append(f"{len(left)} orphans, such as {Path(left[0]).relative_to(root)}")
    return {"when": when, "seconds": round(seconds, 1), "faults": faults}


def _only_ledger(seen: dict[str, str], before: dict[str, str]) -> bool:
    return bool(before) and _different(seen, before) <= {"quarantine"}


def _different(one: dict[str, str], other: dict[str, str]) -> set[str]:
    return {name for name in one.keys() | other.keys() if one.get(name) != other.get(name)}


def _report(told: list[dict[str, Any]], seed: int, seconds: dict[str, float]) -> str:
    lines = [
        "# Killed at random moments",
        "",
        f"`python -m benchmarks.crash --kills {len(told)} --seed {seed} --out docs/results/crash.md`, {time.strftime('%Y-%m-%d')}, "
        f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}.",
        "",
        "| case | unbroken run, s | kills | readers saw another state | rerun differs | orphans left | rerun, s (median) |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for name in dict.fromkeys(one["case"] for one in told):
        mine = [one for one in told if one["case"] == name]
        bad = {key: sum(any(word in fault for fault in one["faults"]) for one in mine) for key, word in
               (("reader", "a reader"), ("rerun", "the rerun"), ("orphan", "orphans"))}  # fmt: skip
        median = sorted(one["seconds"] for one in mine)[len(mine) // 2]
        lines.append(
            f"| {name} | {seconds[name]:.1f} | {len(mine)} | {bad['reader']} | {bad['rerun']} | {bad['orphan']} | {median:.1f} |"
        )
    moments = Counter(one["when"] for one in told)
    lines += ["", "Where the kills fell: " + ", ".join(f"{when} {count}" for when, count in moments.most_common()) + ".", ""]
    return "\n".join(lines)


def main() -> None:
    """Read the arguments and run."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--refresh-only", action="store_true")
    arguments = parser.parse_args()
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ.setdefault(name, "1")
    sys.exit(min(run(arguments.kills, arguments.seed, arguments.out, with_retrain=not arguments.refresh_only), 1))


if __name__ == "__main__":
    main()
