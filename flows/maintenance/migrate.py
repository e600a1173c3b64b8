"""`hsrl migrate`: a warehouse of an earlier version becomes one of this version."""

from pathlib import Path
from typing import Any

from flows.runtime.run import Run
from pipeline.warehouse import migrate as steps
from pipeline.warehouse.naming_damage import naming_damage


@naming_damage
def migrate(root: Path, run: Run, *, dry_run: bool) -> dict[str, Any]:
    """Take the steps that a warehouse needs; a dry run only names them.

    Raises:
        WarehouseError: there is no warehouse, its layout is unknown, or another run is writing.
    """
    with run.stage("migrate"):
        taken = steps.migrate(root, run.run_id, run.say, dry_run=dry_run)
    status = "nothing new" if not taken else "planned" if dry_run else "migrated"
    return {"status": status, "steps": [{"name": step.name, "doc": step.doc} for step in taken]}
