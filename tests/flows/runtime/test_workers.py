"""Work side by side: the same results as one after another, one bar for all, and an end when something goes wrong."""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from flows.runtime.workers import run_parallel
from flows.stores.pinned import pin_latest
from flows.stores.workspace import Workspace
from pipeline.errors import TrainingError
from pipeline.warehouse.artifacts import sha256_of
from pipeline.warehouse.warehouse import Warehouse

ROOT = Path(__file__).parents[3]
LEFT_ALONE = """
from tests.flows.runtime.test_workers import work_on
from flows.runtime.workers import run_parallel
if __name__ == "__main__":
    run_parallel(work_on, {folders!r}, 2, lambda *_: None)
"""


@pytest.fixture(autouse=True)
def importable(monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker imports the function it is to do by its module."""
    monkeypatch.syspath_prepend(str(ROOT))


def work_on(folder: str, _: object) -> None:
    """Tell who works, and work for a minute."""
    Path(folder, "pid").write_text(str(os.getpid()))
    time.sleep(60)


def is_alive(pid: int) -> bool:
    """Whether the process is there, and no zombie."""
    status = Path(f"/proc/{pid}/status")
    return status.exists() and "State:\tZ" not in status.read_text()


def double(job: int, tick) -> int:
    for done in range(1, 5):
        tick(done, 4)
    return 2 * job


def refuse_or_wait(job: str, tick) -> None:
    """``refuse`` fails at once; ``wait`` works for a minute, unless it is stopped."""
    if job == "refuse":
        raise TrainingError("refused")
    began = time.monotonic()
    while time.monotonic() < began + 60:
        tick(1, 2)
        time.sleep(0.01)


def die(_: int, __) -> None:
    os._exit(9)


def test_jobs_of_one_process_are_one_bar() -> None:
    """Three jobs of four steps: 1 of 12, 2 of 12 … 12 of 12."""
    seen: list[tuple[int, int]] = []
    assert run_parallel(double, [1, 2, 3], 1, lambda done, total: seen.append((done, total))) == [2, 4, 6]
    assert seen == [(done, 12) for done in range(1, 13)]


def test_a_single_job_needs_no_other_process() -> None:
    assert run_parallel(lambda job, _: (job, os.getpid()), [7], 8, lambda *_: None) == [(7, os.getpid())]


@pytest.mark.slow
def test_jobs_of_two_processes_come_back_in_order() -> None:
    seen: list[tuple[int, int]] = []
    assert run_parallel(double, [1, 2, 3], 2, lambda done, total: seen.append((done, total))) == [2, 4, 6]
    assert seen == sorted(seen) and seen[-1] == (12, 12)


@pytest.mark.slow
def test_the_first_error_stops_the_others() -> None:
    began = time.monotonic()
    with pytest.raises(TrainingError, match="refused"):
        run_parallel(refuse_or_wait, ["wait", "refuse"], 2, lambda *_: None)
    assert time.monotonic() < began + 50


@pytest.mark.slow
def test_a_worker_that_dies_is_one_line() -> None:
    with pytest.raises(TrainingError, match=r"^one of 2 worker processes died, .* run it again, .*N_PROCESSES=1$"):
        run_parallel(die, [1, 2], 2, lambda *_: None)


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc").is_dir(), reason="looks processes up in /proc")
def test_workers_end_with_a_parent_that_is_killed(tmp_path: Path) -> None:
    folders = [tmp_path / "a", tmp_path / "b"]
    for folder in folders:
        folder.mkdir()
    script = tmp_path / "parent.py"
    script.write_text(LEFT_ALONE.replace("{folders!r}", repr([str(folder) for folder in folders])))
    parent = subprocess.Popen(
        [sys.executable, str(script)], env={**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path])}
    )
    files = [folder / "pid" for folder in folders]
    until(lambda: all(file.exists() and file.read_text() for file in files), 120)
    parent.kill()
    parent.wait()
    until(lambda: not any(is_alive(int(file.read_text())) for file in files), 20)


def until(is_so: Callable[[], bool], seconds: float) -> None:
    """Wait for something that should come about."""
    began = time.monotonic()
    while not is_so():
        assert time.monotonic() < began + seconds
        time.sleep(0.05)


@pytest.mark.slow
def test_two_processes_learn_what_one_learns(refreshed, tmp_path: Path) -> None:
    """Two simulators that teach, two of each family that judge (one family shares the tensors of another), two seeds: fitted and learned side by side, every file has the same bytes."""

    def stored(n_processes: int) -> tuple[dict[str, str], list[dict]]:
        (folder := tmp_path / str(n_processes)).mkdir()
        world = refreshed.copy(folder)
        settings = world.changed(
            ("n_processes = 1", f"n_processes = {n_processes}\nn_seeds = 2"),
            ("n_epochs = 6", "n_epochs = 6\nn_training = 2"),
            ("n_sessions = 40", "n_sessions = 8"),
        )
        report = world.retrain(settings)
        files = sorted((world.root / "artifacts").glob("[sp]*/*/*.*"))
        assert not list((world.root / "staging").glob("training/*"))
        return {f"{file.parent.name}/{file.name}": sha256_of(file) for file in files}, report["evaluation"]

    one, evaluation = stored(1)
    assert sum("policy.safetensors" in name for name in one) == 2 and sum("model.safetensors" in name for name in one) == 6
    assert stored(2) == (one, evaluation)


def test_of_several_seeds_the_best_where_it_learned_is_published(fitted, tmp_path: Path) -> None:
    world = fitted.copy(tmp_path)
    report = world.retrain(world.changed(("n_processes = 1", "n_processes = 1\nn_seeds = 2")))
    own = {row["seed"]: row["total_reward"] for row in report["evaluation"] if row["kind"] == "own"}
    assert sorted(own) == [5, 6]
    published = world.ask("select seed from policies where is_published").item()
    assert published == max(own, key=own.__getitem__)
    learned = world.ask("select distinct seed from evaluations where kind = 'transferred' order by 1")[:, 0].to_list()
    assert learned == [5, 6]


def test_what_a_killed_process_laid_out_is_cleared_by_the_next_and_a_running_ones_stays(refreshed: Any, tmp_path: Path) -> None:
    world = refreshed.copy(tmp_path)
    with Warehouse.open(world.root) as warehouse:
        place = Workspace.of(
            warehouse, pin_latest(warehouse, world.settings.source.name, world.settings.engine.memory_limit_mb).world
        )
        place.lay_out()
        ended = subprocess.Popen([sys.executable, "-c", ""])
        ended.wait()
        dead = replace(place, name=f"world-0123-{ended.pid}", _world=place.world)
        dead.lay_out()
        Workspace.of(warehouse, place.world)
        assert [folder.name for folder in (world.root / "staging" / "training").iterdir()] == [place.name]
