"""The checks of `hsrl doctor` that look at a warehouse: its catalogue, its runs, the room on its disk, what no release needs."""

import os
import shutil
from datetime import datetime
from pathlib import Path
from typing import Any

from flows.maintenance.gc import collect_garbage
from flows.queries.status import status
from flows.runtime.run import Run
from flows.service.checks import Check, Status, clock
from pipeline.errors import HsrlError
from pipeline.warehouse.config import RetentionConfig, WarehouseConfig
from pipeline.warehouse.lake import Lake

# Of free disk: below the first a night may fail, below the second (or less than the warehouse itself takes) it is time to look.
LEAST_BYTES, FEW_BYTES = 500 * 2**20, 5 * 2**30


def warehouse(root: Path) -> list[Check]:
    """Everything about the warehouse at ``root``; what builds upon a catalogue that does not open is left out."""
    try:
        found = status(root)
        Lake.open_copy(root).close()  # refuses a layout of an earlier version, which a night would refuse too
    except HsrlError as error:
        return [
            Check("catalogue", "FAIL", str(error), "make one with: hsrl refresh; docs/recovery.md mends a damaged one"),
            disk(root),
        ]
    if fault := _not_writable(root):
        return [
            Check("catalogue", "FAIL", f"opens, but {fault}", "grant this user the folder, or mount it for writing"),
            disk(root),
        ]
    release = found["release"]
    opened = f"opens; release {release['release_id']}" if release else "opens; no release yet"
    newest: datetime | None = release["created_at"] if release else None
    return [Check("catalogue", "OK", opened), clock(newest), runs(found["runs"]), disk(root), garbage(root)]


def _not_writable(root: Path) -> str | None:
    """Which folder of a warehouse a night could not write; None = it could write all."""
    folders = (root, root / "data", root / "staging", root / "artifacts")
    closed = [str(folder) for folder in folders if folder.is_dir() and not os.access(folder, os.W_OK)]
    return f"{', '.join(closed)} cannot be written by this user" if closed else None


def runs(last: list[dict[str, Any]]) -> Check:
    """The newest run of each flow, and whether it died or failed; ``last`` is newest first."""
    newest: dict[str, dict[str, Any]] = {}
    for run in last:
        newest.setdefault(_flow_of(run["run_id"]), run)
    bad = [run for run in newest.values() if run["status"] in ("killed", "failed")]
    if not bad:
        return Check("runs", "OK", f"the last of {len(newest)} flows ended well" if newest else "none yet")
    words = "; ".join(": ".join(filter(None, (f"{run['run_id']} {run['status']}", run["message"]))) for run in bad)
    return Check("runs", "WARN", words, "run it again: what is done is found, leftovers are removed (docs/recovery.md)")


def _flow_of(run_id: str) -> str:
    """The flow of a run, which its id names after the time and before a number."""
    return run_id.partition("-")[2].rpartition("-")[0] or run_id


def disk(root: Path) -> Check:
    """Free room where the warehouse is, or will be."""
    folder = next(path for path in (root, *root.parents) if path.exists())
    free = shutil.disk_usage(folder).free
    used = (
        sum(path.stat().st_size for path in root.rglob("*") if path.is_file() and not path.is_symlink()) if root.is_dir() else 0
    )
    verdict: Status = "FAIL" if free < LEAST_BYTES else "WARN" if free < max(FEW_BYTES, used) else "OK"
    finding = f"{free / 2**30:.1f} GiB free, the warehouse takes {used / 2**30:.1f} GiB"
    return Check(
        "disk", verdict, finding, "" if verdict == "OK" else "free some room; hsrl gc takes away what no kept release needs"
    )


def garbage(root: Path) -> Check:
    """Orphaned files and what dead runs left, as a dry run of `hsrl gc` finds them; nothing is deleted."""
    try:
        found = collect_garbage(
            root, Run("doctor"), RetentionConfig(), dry_run=True, engine=WarehouseConfig(lock_timeout_seconds=0)
        )
    except HsrlError as error:
        if " is writing; waited " in str(error):
            return Check("orphans", "OK", "not looked at: a run is writing now")
        return Check("orphans", "WARN", f"not looked at: {error}", "docs/recovery.md")
    orphans, folders = found["orphans"], found["folders"]
    if not orphans and not folders:
        return Check("orphans", "OK", f"none; gc would free {found['bytes'] / 2**20:.1f} MiB of old releases")
    finding = (
        f"{len(orphans)} orphaned files, {len(folders)} folders of dead runs or superseded ({found['bytes'] / 2**20:.1f} MiB)"
    )
    return Check("orphans", "WARN" if orphans else "OK", finding, "hsrl gc" if orphans else "")
