"""Whether stored bytes are those that were written: a flipped bit or a swapped file otherwise reads as other numbers, silently."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pipeline.errors import WarehouseError
from pipeline.warehouse.artifacts import inside, sha256_of
from pipeline.warehouse.lake import Lake
from pipeline.warehouse.tables import BULK

_NEEDED = """
SELECT artifact_id FROM (FROM artifacts WHERE kind = 'user_state' ORDER BY release_id DESC LIMIT 1)
UNION SELECT embedding_id FROM codebooks WHERE codebook_id IN (SELECT codebook_id FROM sids)
UNION SELECT artifact_id FROM policies WHERE is_published
"""


@dataclass(frozen=True)
class Damage:
    """A stored file or folder that is not as it was written."""

    path: Path
    fault: str


def find_damage(lake: Lake, kinds: Sequence[str] | None = None) -> list[Damage]:
    """Compare what the last release uses with the hashes taken when it was stored; reads all of it.

    Args:
        lake: the warehouse.
        kinds: kinds of artifacts (``record_rows``, ``user_state`` …); None = all.
    """
    needed = {name for (name,) in lake.query(_NEEDED).rows()}
    in_use = {str(path.relative_to(lake.root)) for table in BULK for path in lake.files(table.name)}
    bulk = {table.name for table in BULK}
    found = []
    for name, kind, path, sha256 in lake.query("SELECT artifact_id, kind, path, sha256 FROM artifacts ORDER BY path").rows():
        place = inside(lake.root, path)
        is_needed = path in in_use if kind in bulk else name in needed
        if (kinds is None or kind in kinds) and (is_needed or (kind not in bulk and place.exists())):
            if not place.exists():
                found.append(Damage(place, "missing"))
            elif sha256_of(place) != sha256:
                found.append(Damage(place, "not the bytes that were written"))
    return found


def require_intact(lake: Lake, kinds: Sequence[str] | None = None) -> None:
    """Refuse to build upon damaged files.

    Raises:
        WarehouseError: names the first of them and what to do.
    """
    damage = find_damage(lake, kinds)
    if damage:
        first = damage[0]
        raise WarehouseError(
            f"{first.path}: {first.fault}, one of {len(damage)} such; put back a copy of it, or follow docs/recovery.md (Damaged files)"
        )
