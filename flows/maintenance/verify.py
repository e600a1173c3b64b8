"""`hsrl verify`: everything that is stored against what was written."""

from pathlib import Path
from typing import Any

from pipeline.warehouse.naming_damage import naming_damage
from pipeline.warehouse.verify import inspect, refuse
from pipeline.warehouse.warehouse import Warehouse


@naming_damage
def verify(root: Path) -> dict[str, Any]:
    """Check what is stored, on the readers' copy: it waits for no writer. The report says what could not be checked.

    Raises:
        WarehouseError: a file, the catalogue or one of its copies is missing or not as it was written.
    """
    with Warehouse.open_copy(root) as warehouse:
        found = inspect(warehouse)
        refuse(found.damage)
        latest = warehouse.latest_release()
    return {
        "status": "intact",
        "release_id": latest.release_id if latest else None,
        "n": found.n,
        "bytes": found.bytes,
        "not_looked_at": found.not_looked_at,
    }
