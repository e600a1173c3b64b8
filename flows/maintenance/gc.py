"""`hsrl gc`: deletes what no kept release needs, as the one writer."""

from pathlib import Path
from typing import Any

from flows.runtime.run import Run
from flows.runtime.run_outcome import record_run
from pipeline.warehouse.config import RetentionConfig, WarehouseConfig
from pipeline.warehouse.gc import Garbage, collect, find_garbage
from pipeline.warehouse.naming_damage import naming_damage
from pipeline.warehouse.warehouse import Warehouse


@naming_damage
def collect_garbage(
    root: Path, run: Run, retention: RetentionConfig, *, dry_run: bool, engine: WarehouseConfig | None = None
) -> dict[str, Any]:
    """Expire the snapshots of old releases and delete what only they needed; a dry run only says what it would delete.

    Raises:
        WarehouseError: there is no warehouse, or another run was writing all the time.
    """
    engine = engine or WarehouseConfig()
    with (
        Warehouse.open(root, engine.memory_limit_mb) as warehouse,
        warehouse.writer(run.run_id, engine.lock_timeout_seconds, run.say),
    ):
        if dry_run:
            garbage = _found(warehouse, run, retention)
        else:
            with record_run(warehouse, run, retention.model_dump(mode="json")) as outcome:
                garbage = _found(warehouse, run, retention)
                with run.stage("delete"):
                    collect(warehouse, garbage, run.run_id)
                outcome.is_done = True
        return {
            "status": "planned" if dry_run else "collected",
            "releases": garbage.releases,
            "n_snapshots": len(garbage.snapshots),
            "n_files": garbage.n_files,
            "orphans": [str(path) for path in garbage.orphans],
            "folders": [str(path.relative_to(warehouse.root)) for path in garbage.folders],
            "bytes": garbage.bytes,
            "flushed": garbage.to_flush,
            "n_merged": sum(len(batch.names) for batch in garbage.to_merge),
            "n_merged_into": len(garbage.to_merge),
        }


def _found(warehouse: Warehouse, run: Run, retention: RetentionConfig) -> Garbage:
    with run.stage("look for what may go"):
        return find_garbage(warehouse, retention, run.run_id)
