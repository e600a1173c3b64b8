"""`hsrl verify`: every stored file against its hash."""

from pathlib import Path
from typing import Any

from pipeline.warehouse.verify import require_intact
from pipeline.warehouse.warehouse import Warehouse


def verify(root: Path) -> dict[str, Any]:
    """Check what the last release uses, on the readers' copy: it waits for nobody.

    Raises:
        WarehouseError: a file is missing or not as it was written.
    """
    with Warehouse.open_copy(root) as warehouse:
        require_intact(warehouse)
        latest = warehouse.latest_release()
        n = warehouse.query("SELECT artifact_id FROM artifacts").height
    return {"status": "intact", "release_id": latest.release_id if latest else None, "n": n}
