"""`hsrl verify --drill`: parts of a copy of the warehouse are lost one after another, and mended by what hsrl says."""

import shutil
import subprocess
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flows.maintenance.gc import collect_garbage
from flows.maintenance.linked_copy import linked_copy
from flows.maintenance.verify import verify
from flows.runtime.run import Run
from pipeline.errors import WarehouseError, reason_of
from pipeline.warehouse.config import RetentionConfig
from pipeline.warehouse.naming_damage import naming_damage
from pipeline.warehouse.readers import COPY, is_whole, notes_of, numbered_copies
from pipeline.warehouse.statements import statement
from pipeline.warehouse.storage import storage_of
from pipeline.warehouse.traces import CATALOGUE, restoring
from pipeline.warehouse.warehouse import Warehouse

_COPIES = ("readers", COPY, "readers.json")
_FROM_A_COPY = "a copy of the folder"
# What a scenario is given: the copy that was harmed, one that was not, and what hsrl said of the first; says what mended it.
Mend = Callable[[Path, Path, str], str]


@dataclass(frozen=True)
class Scenario:
    """Something that happens to a warehouse.

    Attributes:
        name: what happens.
        lose: makes it happen in a folder; says what was lost, or raises ``NotPlayedError``.
        mend: brings it back.
    """

    name: str
    lose: Callable[[Path], str]
    mend: Mend


class NotPlayedError(Exception):
    """A scenario needs what this warehouse has not."""


@naming_damage
def drill(root: Path, run: Run) -> dict[str, Any]:
    """Play every scenario on a copy of its own beside the warehouse, made of hard links where files never change.

    Returns:
        ``status`` (``restored``, or ``not restored`` where a scenario ended otherwise than the warehouse is) and ``scenarios``.

    Raises:
        WarehouseError: the warehouse is damaged to begin with, its catalogue or data are elsewhere, or there is no room beside it.
    """
    root = root.absolute()
    if not storage_of(root).is_embedded:
        raise WarehouseError(
            f"{root}: its catalogue or data are in PostgreSQL or S3, of which a drill makes no copy; restore theirs by their own means"
        )
    verify(root)
    expected = _state(root)
    played = []
    for scenario in _SCENARIOS:
        with run.stage(scenario.name):
            played.append(_play(scenario, root, expected))
    is_restored = all(outcome["is_restored"] is not False for outcome in played)
    return {"status": "restored" if is_restored else "not restored", "release_id": expected[0], "scenarios": played}


def _play(scenario: Scenario, root: Path, expected: tuple[Any, ...]) -> dict[str, Any]:
    began = time.monotonic()
    outcome: dict[str, Any] = {"scenario": scenario.name, "says": "", "lost": "", "restored_by": "", "is_restored": None}
    with _room_next_to(root) as home:
        harmed, whole = home / "harmed", home / "whole"
        linked_copy(root, whole)
        linked_copy(whole, harmed)
        try:
            outcome["lost"] = scenario.lose(harmed)
            outcome["says"] = _said(harmed)
            outcome["restored_by"] = scenario.mend(harmed, whole, outcome["says"])
            verify(harmed)
            Warehouse.open(harmed).close()
            outcome["is_restored"] = _state(harmed) == expected
        except NotPlayedError as reason:
            outcome["lost"] = f"not played: {reason}"
        except WarehouseError as error:
            outcome |= {"restored_by": f"nothing: {error}", "is_restored": False}
        for name, text in outcome.items():
            if isinstance(text, str):
                outcome[name] = text.replace(str(harmed), str(root))
    return {**outcome, "seconds": round(time.monotonic() - began, 2)}


@contextmanager
def _room_next_to(root: Path) -> Iterator[Path]:
    """A new folder on the same disk, removed afterwards; removing a hard link leaves the other name."""
    try:
        home = Path(tempfile.mkdtemp(prefix=f".{root.name}.drill-", dir=root.parent))
    except OSError as error:
        raise WarehouseError(f"{root.parent}: may not be written ({reason_of(error)}); a drill needs a folder there") from error
    try:
        yield home
    finally:
        shutil.rmtree(home)


def _state(root: Path) -> tuple[Any, ...]:
    with Warehouse.open_copy(root) as warehouse:
        return warehouse.query(statement("restored_state")).row(0)


def _said(root: Path) -> str:
    """The line of the first command that meets the loss: one that looks, then one that writes."""
    try:
        verify(root)
        Warehouse.open(root).close()
    except WarehouseError as error:
        return str(error)
    return "nothing"


def _remove(root: Path, *names: str) -> None:
    for name in names:
        path = root / name
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


def _lose_catalogue(root: Path) -> str:
    _remove(root, CATALOGUE)
    return "nothing: its copy is of the last commit"


def _lose_catalogue_and_copies(root: Path) -> str:
    _remove(root, CATALOGUE, *_COPIES)
    return "which rows and files make up a release"


def _lose_copies(root: Path) -> str:
    _remove(root, *_COPIES)
    return "nothing: they are made of the catalogue"


def _earlier_and_newest(root: Path) -> tuple[Path, Path, int]:
    """The oldest and the newest whole copy, and how many commits lie between."""
    notes = notes_of(root)
    copies = [copy for copy in numbered_copies(root) if copy.name in notes and is_whole(copy, notes[copy.name])]
    n = notes[copies[-1].name].snapshot - notes[copies[0].name].snapshot if copies else 0
    if not n:
        raise NotPlayedError("there is no copy of an earlier commit")
    return copies[0], copies[-1], n


def _go_back(root: Path) -> str:
    earlier, _, n = _earlier_and_newest(root)
    shutil.copyfile(earlier, root / CATALOGUE)
    return f"nothing: its newest copy has the {n} commits after it"


def _go_back_with_copies(root: Path) -> str:
    earlier, _, n = _earlier_and_newest(root)
    for path in (root / CATALOGUE, root / COPY):
        shutil.copyfile(earlier, path)
    for copy in numbered_copies(root):
        if copy != earlier:
            copy.unlink()
    return f"{n} commits; hsrl refresh does their nights again, rollbacks and what was forgotten have to be repeated"


def _lose_data(root: Path) -> str:
    files = [path for path in (root / "data").rglob("*") if path.is_file()]
    if not files:
        raise NotPlayedError("there are no data files yet")
    size = sum(path.stat().st_size for path in files)
    _remove(root, "data")
    return f"{len(files):,} files, {size:,} bytes; raw logs make a new warehouse"


def _lose_artifacts(root: Path) -> str:
    kinds = Counter(path.parent.name for path in (root / "artifacts").glob("*/*"))
    if not kinds:
        raise NotPlayedError("there are no artifacts yet")
    _remove(root, "artifacts")
    return ", ".join(f"{n} {kind}" for kind, n in sorted(kinds.items()))


def _lose_staging(root: Path) -> str:
    n = sum(path.is_file() for path in (root / "staging").rglob("*"))
    if not n:
        raise NotPlayedError("nothing is staged")
    _remove(root, "staging")
    return f"{n:,} files of finished stages; the next run does them again"


def _move(root: Path) -> str:
    _remove(root, "attach.sql", "staging")  # both are this machine's
    return "nothing"


def _by_the_command(harmed: Path, _: Path, said: str) -> str:
    """Run what the line tells, as a person would."""
    command = restoring(harmed)
    if command is None or command not in said:
        raise WarehouseError(f"hsrl does not say how to restore it: {said}")
    subprocess.run(["sh", "-c", command], check=True)  # noqa: S603, S607 the command under drill, of our own making
    return command


def _by_gc(harmed: Path, _: Path, said: str) -> str:
    if "hsrl gc" not in said:
        raise WarehouseError(f"hsrl does not say how to restore it: {said}")
    keep = RetentionConfig(keep_days=36_500.0)
    collect_garbage(harmed, Run("gc"), keep, dry_run=False)
    return "hsrl gc"


def _by_a_copy_of(*names: str) -> Mend:
    def mend(harmed: Path, whole: Path, _: str) -> str:
        _remove(harmed, *names)
        for name in names:
            linked_copy(whole, harmed, only=name)
        return f"{_FROM_A_COPY}: {', '.join(name for name in names)}"

    return mend


def _by_nothing(harmed: Path, _: Path, said: str) -> str:
    """The warehouse goes on as it is: also a commit goes through."""
    if said != "nothing":
        raise WarehouseError(said)
    collect_garbage(harmed, Run("gc"), RetentionConfig(keep_days=36_500.0), dry_run=False)
    return "nothing is needed"


_SCENARIOS = (
    Scenario("catalogue lost", _lose_catalogue, _by_the_command),
    Scenario("catalogue of an earlier commit, data of today", _go_back, _by_the_command),
    Scenario("catalogue and readers' copies of an earlier commit", _go_back_with_copies, _by_a_copy_of(CATALOGUE, *_COPIES)),
    Scenario("readers' copies lost", _lose_copies, _by_gc),
    Scenario("catalogue and readers' copies lost", _lose_catalogue_and_copies, _by_a_copy_of(CATALOGUE, *_COPIES)),
    Scenario("data lost", _lose_data, _by_a_copy_of("data")),
    Scenario("artifacts lost", _lose_artifacts, _by_a_copy_of("artifacts")),
    Scenario("staging lost", _lose_staging, _by_nothing),
    Scenario("at another path, as on another machine", _move, _by_nothing),
)
