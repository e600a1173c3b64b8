"""A copy of a warehouse that costs no room: hard links of files that never change, copies of those that do."""

import os
import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from pipeline.errors import WarehouseError, reason_of
from pipeline.warehouse.lock import locked
from pipeline.warehouse.readers import whole_copy
from pipeline.warehouse.traces import CATALOGUE

# Their files get their names when they are whole, and are only removed after that.
_NEVER_CHANGED = ("data", "artifacts")
_CHANGED = ("readers", "readers.sqlite", "readers.json", "attach.sql", "attach-elsewhere.sql")
# Marks of living runs, and what engines spill.
_PASSING = (".alive", ".spill")
_LOCK_SECONDS = 60.0


def linked_copy(root: Path, to: Path, only: str | None = None) -> None:
    """Copy a warehouse as of its last commit; the commit lock is held meanwhile, so that no commit comes in between.

    The catalogue is that of the newest whole copy for readers: the live one may be written, and is never shared.

    Args:
        root: the warehouse.
        to: where to; parts that are there must not be.
        only: copy this file or folder of it alone; None = all of it.

    Raises:
        WarehouseError: no copy of the catalogue is whole, another run was committing all the time, or there is no room.
    """
    parts = (*_NEVER_CHANGED, *_CHANGED, CATALOGUE) if only is None else (only,)
    with locked(root / "commit.lock", "a drill", _LOCK_SECONDS):
        catalogue = whole_copy(root)
        if catalogue is None:
            raise WarehouseError(f"{root}: no copy of its catalogue is whole; make a new one with: hsrl gc")
        try:
            to.mkdir(exist_ok=True)
            if only is None:
                _link_staged(root / "staging", to / "staging")
            for part in parts:
                source = catalogue if part == CATALOGUE else root / part
                if source.exists():
                    _copy(source, to / part, os.link if part in _NEVER_CHANGED else shutil.copyfile)
        except OSError as error:
            raise WarehouseError(
                f"{to}: {reason_of(error)}; a drill needs room for the catalogue and hard links beside the warehouse"
            ) from error


def _copy(source: Path, to: Path, by: Callable[..., object]) -> None:
    if source.is_dir():
        shutil.copytree(source, to, copy_function=by)
    else:
        by(source, to)


def _link_staged(staging: Path, to: Path) -> None:
    """Link what runs have staged; a living one may remove some of it meanwhile."""
    for folder, folders, files in os.walk(staging):
        folders[:] = [name for name in folders if name not in _PASSING]
        target = to / Path(folder).relative_to(staging)
        target.mkdir(parents=True)
        for name in files:
            with suppress(FileNotFoundError):
                os.link(Path(folder) / name, target / name)
