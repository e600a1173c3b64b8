"""The runners: two workers of Dask and two of Ray write the bytes that threads write, also when one of them is killed half-way."""

import importlib.util
import os
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from flows.refresh.flow import refresh
from flows.retrain.flow import retrain
from flows.runtime.cluster import NO_WORKER_SECONDS, Cluster, Identity
from flows.runtime.run import Run
from flows.runtime.runner import cluster_of
from flows.runtime.steps import DirectSteps
from flows.runtime.workers import run_parallel
from pipeline.errors import RunnerError, TrainingError
from pipeline.warehouse.artifacts import sha256_of
from tests.flows.conftest import World

ROOT = Path(__file__).parents[3]
ENGINES = {"dask": "distributed", "ray": "ray"}
slow = pytest.mark.slow


@pytest.fixture(scope="module", params=ENGINES)
def cluster(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A cluster of two workers on this machine, started once for all tests of its engine."""
    module = ENGINES[request.param]
    if importlib.util.find_spec(module) is None:
        pytest.skip(f"{module} is not installed: pip install -e '.[{request.param}]'")
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.syspath_prepend(str(ROOT))  # a worker imports the function it is to do by its module
        monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT), *sys.path]))
        with cluster_of(request.param, tmp_path_factory.mktemp(request.param)) as found:
            assert found is not None
            yield found


class DiesOnce:
    """Does what ``function`` does; the first to come to ``number`` of its calls on a worker kills that worker before it has done."""

    def __init__(self, function: Callable[..., Any], folder: Path, number: int) -> None:
        self.function, self.folder, self.number = function, folder, number

    def __call__(self, *arguments: Any) -> Any:
        done = self.function(*arguments)  # a worker that dies after its work has written, but before it says so
        calls = self.folder / f"calls-{os.getpid()}"
        calls.write_text(calls.read_text() + "x" if calls.exists() else "x")
        if len(calls.read_text()) == self.number:
            try:
                (self.folder / "killed").touch(exist_ok=False)
            except FileExistsError:
                return done
            os.kill(os.getpid(), signal.SIGKILL)
        return done


class KillsOne(Cluster):
    """The same cluster, with a worker killed in the middle of whatever it does next."""

    def __init__(self, cluster: Cluster, root: Path, marks: Path, number: int) -> None:
        super().__init__(cluster.runner, root, lambda: cluster.engine)
        self.marks, self.number = marks, number

    def _done(self, work: tuple[Any, ...], n: int, report: Any) -> list[Any]:
        function, jobs, is_job = work
        return super()._done((DiesOnce(function, self.marks, self.number), jobs, is_job), n, report)


def on(cluster: Cluster, root: Path) -> Cluster:
    """The same connection for another warehouse."""
    return Cluster(cluster.runner, root, lambda: cluster.engine)


def double(number: int) -> int:
    if number < 0:
        raise TrainingError(f"{number} is refused")
    return 2 * number


def double_slowly(number: int, tick: Callable[[int, int], None]) -> int:
    for done in range(1, 5):
        tick(done, 4)
    return double(number)


def die(_: int) -> None:
    os._exit(9)


def divide(number: int) -> float:
    return 1 / number


def test_a_string_that_is_no_runner_is_refused_with_those_that_are(hsrl, retrained: World) -> None:
    for wrong in ("dusk", "dask@", "dask@host", "ray@host", "threads@host:1"):
        printed = hsrl("refresh", "--config", retrained.config, "--warehouse", retrained.root, "--runner", wrong)
        assert printed.code == 2 and printed.err.count("\n") == 1
        assert f"runner '{wrong}' is none; expected threads, dask, dask@tcp://host:port, ray or ray@host:port" in printed.err


@pytest.mark.parametrize("engine", ENGINES)
def test_a_missing_extra_is_named(engine: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, ENGINES[engine], None)
    monkeypatch.delitem(sys.modules, f"flows.runtime.{engine}_cluster", raising=False)
    with (
        cluster_of(engine, tmp_path) as found,
        pytest.raises(RunnerError, match=rf"needs the extra {engine}; install it with: pip"),
    ):
        found.map(double, [1])


@slow
@pytest.mark.parametrize(("engine", "runner"), [("dask", "dask@tcp://127.0.0.1:9"), ("ray", "ray@127.0.0.1:9")])
def test_a_scheduler_that_does_not_answer_is_a_line(
    engine: str, runner: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = pytest.importorskip(f"flows.runtime.{engine}_cluster", exc_type=RunnerError)
    monkeypatch.setattr(module, "_ANSWER_SECONDS", 1.0)
    with (
        cluster_of(runner, tmp_path) as found,
        pytest.raises(RunnerError, match=rf"^runner {runner}: no.* answers within 1 seconds"),
    ):
        found.map(double, [1])


def test_threads_need_no_cluster(tmp_path: Path) -> None:
    with cluster_of("threads", tmp_path) as found:
        assert found is None


def test_what_differs_on_a_worker_is_named() -> None:
    here = Identity("0.2", "3.11", (("polars", "2.1.0"), ("torch", "2.13.0")))
    there = Identity("0.2", "3.12", (("polars", "2.0.0"), ("torch", None)))
    expected = ["Python 3.12, expected 3.11", "polars 2.0.0, expected 2.1.0", "torch missing, expected 2.13.0"]
    assert here.differences(there) == expected and here.differences(here) == []


@slow
def test_results_come_back_in_order_and_the_folder_is_cleared(cluster: Cluster) -> None:
    assert cluster.map(double, range(7)) == [0, 2, 4, 6, 8, 10, 12]
    seen: list[tuple[int, int]] = []
    assert run_parallel(double_slowly, [1, 2, 3], cluster, lambda done, total: seen.append((done, total))) == [2, 4, 6]
    assert seen == sorted(seen)
    assert list((cluster.root / "staging" / ".spill").iterdir()) == []


@slow
def test_the_error_of_a_job_arrives_as_it_was_raised(cluster: Cluster) -> None:
    with pytest.raises(TrainingError, match=r"^-3 is refused$"):
        cluster.map(double, [1, -3, 2])
    with pytest.raises(TrainingError, match=r"^-3 is refused$"):
        run_parallel(double_slowly, [1, -3], cluster, lambda *_: None)
    with pytest.raises(ZeroDivisionError):  # a bug keeps its kind
        cluster.map(divide, [0])


@slow
def test_a_worker_without_the_folder_is_a_line(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pathlib.Path.write_bytes", lambda *_: 0)
    with pytest.raises(RunnerError, match=r"^the worker .* sees no .*work.pickle; share the warehouse's folder"):
        cluster.map(double, [1])


@slow
def test_a_lost_worker_of_this_machine_may_take_its_time_to_come_back(cluster: Cluster) -> None:
    """Dask gives up after 15 seconds, for good; a worker on a busy machine takes longer to start, and both of a run may be lost."""
    if cluster.runner != "dask":
        pytest.skip("only Dask gives workers up")
    import dask.config
    from dask.utils import parse_timedelta

    assert cluster.engine.n_workers() == 2
    assert parse_timedelta(dask.config.get("distributed.deploy.lost-worker-timeout")) > NO_WORKER_SECONDS


@slow
def test_workers_write_what_threads_write(cluster: Cluster, refreshed: World, retrained: World, tmp_path: Path) -> None:
    """A refresh and a retrain on two workers; in each, a worker is killed when it has done some of its work, and does it again."""
    world = World(tmp_path / "warehouse", tmp_path / "tiny.toml", {})
    world.config.write_text(refreshed.config.read_text())
    (first := tmp_path / "first").mkdir()
    killing = DirectSteps(cluster=KillsOne(cluster, world.root, first, 2))
    refresh(world.settings, world.root, Run("daily-refresh"), killing)
    assert (first / "killed").exists()
    (second := tmp_path / "second").mkdir()
    again = retrain(
        world.settings, world.root, Run("nightly-retrain"), DirectSteps(cluster=KillsOne(cluster, world.root, second, 1))
    )
    assert (second / "killed").exists()
    assert again["evaluation"] == retrained.report["evaluation"]
    for table in ("events", "records", "items", "users", "sids", "codebooks", "splits", "policies", "evaluations"):
        assert rows(world, table) == rows(retrained, table), table
    assert files(world) == files(retrained)


def rows(world: World, table: str) -> list[tuple]:
    """All rows, without the columns that differ between any two runs."""
    frame = world.ask(f"from {table} order by all")
    return frame.drop("run_id", "created_at", "ingested_at", "cpu_seconds", strict=False).rows()


def files(world: World) -> dict[str, str]:
    """Simulators and policies by their names, with their hashes."""
    found = sorted((world.root / "artifacts").glob("[sp]*/*/*.*"))
    return {f"{file.parent.name}/{file.name}": sha256_of(file) for file in found}


@slow
def test_a_task_that_kills_every_worker_is_a_line_and_the_cluster_goes_on(cluster: Cluster) -> None:
    """The last: for some seconds after it there is a worker less, and a test that kills another would wait for its nanny."""
    with pytest.raises(RunnerError, match=rf"^runner {cluster.runner}: workers or the scheduler were lost .* run it again"):
        cluster.map(die, [1])
    assert cluster.map(double, [4]) == [8]
