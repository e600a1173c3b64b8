"""A warehouse on a small disk that fills up: each run says so in a line, readers go on, and more room is all it takes."""

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from benchmarks.crash_state import Seen, look, orphans, torn
from tests.support import forked
from tests.support.forked import Ended
from tests.support.small_feed import config_of, night

pytestmark = pytest.mark.slow
SIZE = 256 << 20


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own at ``tmp_path/w``."""
    place = tmp_path / "w"
    place.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "none", str(place)],  # noqa: S607
        capture_output=True,
        text=True,
        check=False,
    )
    if mounted.returncode:
        pytest.skip(f"a file system cannot be mounted here: {mounted.stderr.strip()}")
    yield place
    subprocess.run(["umount", "--lazy", str(place)], check=True)  # noqa: S607


def leave(disk: Path, room: int) -> None:
    """Fill the disk up to ``room`` bytes."""
    ballast = disk / "ballast"
    ballast.unlink(missing_ok=True)
    with ballast.open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, shutil.disk_usage(disk).free - room)


def fill_until_it_fits(disk: Path, after: Seen, rooms: list[int], run: Callable[[], Ended]) -> list[str]:
    """Run with more and more room until a run ends well, then once more with all of it; the lines by which the others refused."""
    before, told = look(disk), []
    for room in rooms:
        leave(disk, room)
        done = run()
        if done.returncode == 0:
            break
        last = done.stderr.strip().splitlines()[-1]
        assert done.returncode == 2 and "Traceback" not in done.stderr, (room, done.stderr)
        assert last.startswith("hsrl: ") and any(word in last for word in ("No space left", "is full", "room")), last
        assert not torn(look(disk), before, after), room
        told.append(f"{room}: {last}")
    (disk / "ballast").unlink()
    assert run().returncode == 0
    return told


def test_a_refresh_on_a_full_disk_is_refused_until_there_is_room_and_then_equals_an_unbroken_one(
    disk: Path, two_days: Path, tmp_path: Path
) -> None:
    whole = tmp_path / "whole"
    shutil.copytree(two_days / "w", whole)
    shutil.copytree(two_days / "raw", tmp_path / "raw")
    shutil.copytree(whole, disk, dirs_exist_ok=True)
    night(whole, 3)
    config = config_of(disk, 3)
    rooms = [0, 32 << 10, 512 << 10, 64 << 20]
    told = fill_until_it_fits(disk, look(whole), rooms, lambda: forked.hsrl("refresh", "--config", config, "--warehouse", disk))
    assert len(told) == 3, told
    assert not look(disk).differs(look(whole))
    assert orphans(disk) == []


def test_a_retrain_on_a_full_disk_is_refused_until_there_is_room_and_then_equals_an_unbroken_one(
    disk: Path, refreshed, retrained
) -> None:
    shutil.copytree(refreshed.root, disk, dirs_exist_ok=True)
    run = lambda: forked.hsrl("retrain", "--config", refreshed.config, "--warehouse", disk)  # noqa: E731
    told = fill_until_it_fits(disk, look(retrained.root), [32 << 10, 512 << 10, 64 << 20], run)
    assert len(told) == 2, told
    assert look(disk).differs(look(retrained.root)) <= {"releases"}  # the feed's folder stands in their settings
    assert orphans(disk) == []
