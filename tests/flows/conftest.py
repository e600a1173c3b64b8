"""A tiny generated feed that is refreshed once and retrained once; tests copy its warehouse or only read it."""

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from flows.cli import app as cli
from flows.refresh.flow import refresh
from flows.refresh.request import RefreshRequest
from flows.retrain.flow import retrain
from flows.runtime.run import Run
from flows.runtime.settings import Settings, load_settings
from flows.runtime.steps import DirectSteps, Steps
from pipeline.warehouse import lake
from pipeline.warehouse.adhoc import run_sql
from pipeline.warehouse.traces import CATALOGUE
from pipeline.warehouse.warehouse import Warehouse
from tests.support.small_feed import TOKENIZER, feed, night

# Three days of forty users; 60 iterations are enough to publish a policy, not to learn one.
TINY = f"""
seed = 5
{feed("{warehouse}/raw", days=3, items=60)}
{TOKENIZER}
[simulator]
n_epochs = 6
batch_size = 16
[learner.network]
width = 8
n_blocks = 1
n_heads = 2
[learner.exploration]
n_sessions = 4
[learner.schedule]
n_iterations = 60
learn_after = 40
batch_size = 8
curve_every = 10
[learner.search]
n_rounds = 1
n_candidates = 5
n_sessions = 4
[training]
n_processes = 1 # a process starts slower than these are learned
[evaluation]
n_sessions = 40
families = ["attention", "frozen_attention"] # the second is the first, answering otherwise: nothing more to fit
"""


@dataclass(frozen=True)
class World:
    """A warehouse folder, the configuration that made it, and what its last run reported."""

    root: Path
    config: Path
    report: dict[str, Any]

    @property
    def settings(self) -> Settings:
        return load_settings(self.config, self.root)

    def changed(self, *changes: tuple[str, str]) -> Settings:
        """The settings with some texts of the configuration replaced."""
        text = self.config.read_text()
        for old, new in changes:
            assert old in text
            text = text.replace(old, new)
        other = self.root.with_name("changed.toml")
        other.write_text(text)
        return load_settings(other, self.root)

    def refresh(self, settings: Settings | None = None, request: RefreshRequest | None = None) -> dict[str, Any]:
        return refresh(settings or self.settings, self.root, Run("daily-refresh"), DirectSteps(), request)

    def retrain(self, settings: Settings | None = None, steps: Steps | None = None) -> dict[str, Any]:
        return retrain(settings or self.settings, self.root, Run("nightly-retrain"), steps or DirectSteps())

    def ask(self, sql: str) -> pl.DataFrame:
        return run_sql(self.root, sql)

    def copy(self, folder: Path) -> "World":
        """The same world in a folder of its own, to be written."""
        config = folder / "tiny.toml"
        shutil.copy(self.config, config)
        return World(Path(shutil.copytree(self.root, folder / "copied")), config, self.report)


@pytest.fixture(scope="session", autouse=True)
def no_line_because_the_machine_is_busy() -> Iterator[None]:
    """What a run prints while it works depends on how fast it is; tests of that set their own times."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        for name in ("FIRST_LINE_SECONDS", "LINE_SECONDS"):
            monkeypatch.setattr(f"flows.runtime.run.{name}", 600.0)
        yield


@pytest.fixture(scope="session")
def empty_warehouse(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a warehouse without a release; not to be written."""
    root = tmp_path_factory.mktemp("empty") / "warehouse"
    Warehouse.create_or_open(root).close()
    return root


@pytest.fixture(scope="module", autouse=True)
def tables_are_made_once(empty_warehouse: Path) -> Iterator[None]:
    """A new warehouse of this process is a copy of an empty one: to make its tables takes most of a second, and a hundred tests begin
    with it. It is made as ever in tests/pipeline/warehouse, and by every command that is started as a process of its own.
    """

    def copy(root: Path, lock: int) -> None:
        draft = root / f".{CATALOGUE}.draft"
        shutil.copyfile(empty_warehouse / CATALOGUE, draft)
        draft.rename(root / CATALOGUE)
        lake.renew(root, lock)

    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr(lake, "make_catalogue_file", copy)
        yield


@pytest.fixture(scope="session")
def refreshed(tmp_path_factory: pytest.TempPathFactory) -> World:
    """Release 1; not to be written."""
    folder = tmp_path_factory.mktemp("refreshed")
    config = folder / "tiny.toml"
    config.write_text(TINY)
    world = World(folder / "warehouse", config, {})
    return World(world.root, config, world.refresh())


@pytest.fixture(scope="session")
def two_days(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a warehouse ``w`` of two days of the small feed and their raw files; not to be written."""
    home = tmp_path_factory.mktemp("two-days")
    night(home / "w", 2)
    return home


@pytest.fixture(scope="session")
def retrained(refreshed: World, tmp_path_factory: pytest.TempPathFactory) -> World:
    """Release 2, with a published policy; not to be written."""
    world = refreshed.copy(tmp_path_factory.mktemp("retrained"))
    return World(world.root, world.config, world.retrain())


@pytest.fixture(scope="session")
def fitted(refreshed: World, retrained: World, tmp_path_factory: pytest.TempPathFactory) -> World:
    """Release 1 and the simulators of its retrain, as one leaves them that stops before it learns; not to be written."""
    world = refreshed.copy(tmp_path_factory.mktemp("fitted"))
    shutil.copytree(retrained.root / "artifacts" / "simulator", world.root / "artifacts" / "simulator")
    return world


@dataclass(frozen=True)
class Printed:
    """What a command printed, and its exit code."""

    code: int
    out: str
    err: str


@pytest.fixture
def hsrl(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., Printed]:
    """The command `hsrl`, in this process."""

    def run(*words: object) -> Printed:
        monkeypatch.setattr("sys.argv", ["hsrl", *map(str, words)])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        printed = capsys.readouterr()
        return Printed(int(ended.value.code or 0), printed.out, printed.err)

    return run
