"""`hsrl refresh --dry-run`: what a refresh would take in and do."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from flows.refresh.feed import missing_days
from flows.refresh.forecast import Coming, forecast
from flows.refresh.meaning import stored_meaning
from flows.refresh.request import RefreshRequest
from flows.refresh.search import Search
from flows.stores.incumbent import items_left_behind, read_incumbent, require_same_settings
from pipeline.ingest.meaning import require_same_meaning
from pipeline.sids.config import SidsConfig
from pipeline.warehouse.warehouse import Warehouse


def plan_refresh(
    root: Path, search: Search, request: RefreshRequest, sids: SidsConfig, sections: Mapping[str, Any]
) -> dict[str, Any]:
    """What a refresh would do; writes nothing, makes no warehouse and no feed.

    Args:
        root: the warehouse's folder, which may be none yet.
        search: where to look for what is new.
        request: what is asked of the refresh.
        sids: the section ``sids``.
        sections: all settings as plain values: section → key → value.
    """
    source = search.source
    to_generate = [day.isoformat() for day in missing_days(source.config) if request.days.holds(day)]
    expected, n_left_behind = None, 0
    if Warehouse.is_at(root):
        with Warehouse.open_copy(root) as warehouse:
            require_same_settings(warehouse, sections, rebuild=request.rebuild)
            incumbent = read_incumbent(warehouse, sids.tombstone_nights, rebuild=request.rebuild)
            require_same_meaning(stored_meaning(warehouse, source.name), source.config, request.accept)
            found = search.run(warehouse, rebuild=request.rebuild)
            n_left_behind = items_left_behind(warehouse)
            expected = forecast(warehouse, incumbent, Coming(found, len(to_generate)), search.embeddings, sids)
    else:
        Warehouse.require_room(root)
        found = search.run(None)
    learns = expected is None or expected["mode"] == "learn"
    has_work = found.deliveries or to_generate or found.has_new_vectors or n_left_behind
    external = found.external
    return {
        "status": "planned",
        "deliveries": [delivery.delivery.id for delivery in found.deliveries],
        "to_generate": to_generate,
        "bytes": found.n_bytes,
        "tokenizer": "learn anew" if learns else expected["mode"] if expected and has_work else "nothing to do",
        "external": external and {"file": str(external.paths[0]), "width": external.width, "is_new": external.is_new},
        "forecast": expected,
    }
