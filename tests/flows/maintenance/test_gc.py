"""Garbage collection beside other processes: killed at each of its steps, and begun in the middle of a refresh or a retrain."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from flows.maintenance.forget import forget
from flows.maintenance.gc import collect_garbage
from flows.runtime.run import Run
from pipeline.errors import WarehouseError
from pipeline.warehouse import gc as collecting
from pipeline.warehouse.adhoc import run_sql
from pipeline.warehouse.config import RetentionConfig, WarehouseConfig
from pipeline.warehouse.gc import find_garbage
from pipeline.warehouse.verify import inspect
from pipeline.warehouse.warehouse import Warehouse
from tests.support import forked
from tests.support.small_feed import config_of, night, settings_of

pytestmark = pytest.mark.slow
LEAST = RetentionConfig(keep_days=0, keep_releases=2, resume_days=0)
GREEDY = ("--keep-days", "0", "--keep-releases", "2", "--resume-days", "0")
STATE = (
    "SELECT count(*) AS n, sum(hash(user_id, user_seq, item_id, feedback)) AS events, (SELECT sum(hash(item_id, sid, slot)) "
    "FROM sids) AS sids, (SELECT sum(hash(item_id, vector)) FROM embeddings) AS vectors FROM events"
)
TABLES_OF_A_NIGHT = (
    "events",
    "records",
    "items",
    "users",
    "splits",
    "embeddings",
    "sids",
    "sid_history",
    "codebooks",
)
HSRL = "from flows.cli.app import main; main()"


def dying(steps: str, *words: str) -> None:
    """The command, but gc dies when it has taken so many steps and is about to take the next."""
    left = int(steps)

    def mortal(step: Callable[..., Any]) -> Callable[..., Any]:
        def take(*given: Any, **named: Any) -> Any:
            nonlocal left
            left -= 1
            if left < 0:
                os.kill(os.getpid(), signal.SIGKILL)
            return step(*given, **named)

        return take

    collecting._call, collecting.renew = mortal(collecting._call), mortal(collecting.renew)
    shutil.rmtree, Path.rmdir = mortal(shutil.rmtree), mortal(Path.rmdir)
    forked.command(*words)


@pytest.fixture(scope="module")
def three_nights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a warehouse ``w`` of three releases; not to be written."""
    home = tmp_path_factory.mktemp("three")
    for days in (1, 2, 3):
        night(home / "w", days)
    for litter in ("staging/delivery/dead", "artifacts/policy/dead", "data/main/events/r000009"):
        (home / "w" / litter).mkdir(parents=True)
        (home / "w" / litter / "x.parquet").write_text("of a dead run")
    return home


@pytest.fixture
def root(three_nights: Path, tmp_path: Path) -> Path:
    shutil.copytree(three_nights, tmp_path, dirs_exist_ok=True)
    return tmp_path / "w"


@pytest.fixture
def begin() -> Iterator[Callable[..., subprocess.Popen]]:
    """Start a Python process; those that still run in the end are killed."""
    begun = []

    def start(*words: object) -> subprocess.Popen:
        process = subprocess.Popen(
            [sys.executable, *map(str, words)],
            stderr=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": str(Path.cwd())},
        )  # fmt: skip
        begun.append(process)
        return process

    yield start
    for process in begun:
        process.kill()
        process.communicate()


def files(root: Path) -> set[str]:
    folders = (root / "data" / "main", root / "artifacts", root / "staging" / "delivery")
    return {str(path.relative_to(root)) for folder in folders for path in folder.rglob("*")}


def stop_at(process: subprocess.Popen, is_reached: Callable[[], bool]) -> None:
    """Halt a process as soon as it has come so far."""
    give_up_at = time.monotonic() + 120
    while not is_reached():
        assert process.poll() is None and time.monotonic() < give_up_at, "it ended before"
        time.sleep(0.002)
    process.send_signal(signal.SIGSTOP)


def test_killed_at_any_step_it_leaves_every_kept_release_whole_and_the_next_one_ends_its_work(
    root: Path, three_nights: Path, tmp_path: Path, begin: Callable[..., subprocess.Popen]
) -> None:
    whole, second = run_sql(root, STATE), release_2(root)
    collect_garbage(root, Run("gc"), LEAST, dry_run=False)
    clean, steps = files(root), 0
    assert not any("dead" in name or "r000009" in name for name in clean)
    while True:
        torn = tmp_path / str(steps) / "w"
        shutil.copytree(three_nights / "w", torn)
        process = forked.call(dying, steps, "gc", *GREEDY, "--warehouse", torn)
        if process.returncode == 0:
            break
        assert process.returncode == -signal.SIGKILL, process.stderr
        assert run_sql(torn, STATE).equals(whole) and release_2(torn) == second, steps
        collect_garbage(torn, Run("gc"), LEAST, dry_run=False)
        assert run_sql(torn, STATE).equals(whole) and release_2(torn) == second, steps
        assert files(torn) == clean, steps
        steps += 1
    assert steps >= 8
    with Warehouse.open(torn) as warehouse, warehouse.writer("looking", 0):
        left = find_garbage(warehouse, LEAST, "looking")
    assert (left.releases, left.n_files, left.orphans, left.folders) == ([], 0, [], [])


def test_nights_after_a_merge_are_as_without_it(
    root: Path, three_nights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two warehouses of three nights, of which one has its small files merged; both take in a fourth and forget a user."""
    unmerged = Path(shutil.copytree(three_nights, tmp_path / "unmerged")) / "w"
    monkeypatch.setattr("pipeline.warehouse.small_files.MOST", 1)
    report = collect_garbage(root, Run("gc"), RetentionConfig(), dry_run=False)
    assert (report["n_merged"], report["n_merged_into"]) == (12, 4), "events and records, two user buckets, three nights"
    found = []
    for warehouse in (root, unmerged):
        night(warehouse, 4)
        forget(settings_of(warehouse, 4), warehouse, "user", "7", Run("forget"))
        found.append({table: run_sql(warehouse, f"FROM {table} ORDER BY ALL") for table in TABLES_OF_A_NIGHT})
        with Warehouse.open_copy(warehouse) as copy:
            assert inspect(copy).damage == []
    for table, frame in found[0].items():
        assert frame.equals(found[1][table]), table


def release_2(root: Path) -> list[tuple]:
    with Warehouse.open_release(root, 2) as second:
        return second.query(STATE).rows()


def test_begun_in_the_middle_of_a_refresh_it_waits_and_nothing_staged_is_lost(
    root: Path, tmp_path: Path, begin: Callable[..., subprocess.Popen]
) -> None:
    """The refresh is halted while it stages night 4; its staged files look like garbage to a collection that keeps nothing."""
    unbroken = tmp_path / "unbroken" / "w"
    shutil.copytree(root, unbroken)
    shutil.copytree(root.parent / "raw", unbroken.parent / "raw")
    night(unbroken, 4)
    staging = root / "staging" / "delivery"
    shutil.rmtree(staging)
    refresh = begin("-c", HSRL, "refresh", "--config", config_of(root, 4), "--warehouse", root)
    stop_at(refresh, lambda: any(staging.glob("*/*")) or any(staging.glob(".*/*")))
    staged = files(root)
    with pytest.raises(WarehouseError, match="run .*-daily-refresh-.* is writing; waited 0 s"):
        collect_garbage(root, Run("gc"), LEAST, dry_run=False, engine=WarehouseConfig(lock_timeout_seconds=0))
    gc = begin("-c", HSRL, "gc", *GREEDY, "--warehouse", root)
    assert gc.stderr and "waiting for run" in gc.stderr.readline()
    assert files(root) == staged
    refresh.send_signal(signal.SIGCONT)
    assert [process.communicate(timeout=60) and process.returncode for process in (refresh, gc)] == [0, 0]
    assert run_sql(root, STATE).equals(run_sql(unbroken, STATE))
    assert run_sql(root, "SELECT status FROM runs ORDER BY started_at DESC LIMIT 2").rows() == [("completed",), ("completed",)]
