"""What ranking reads of a release: no more than it takes, and the same as a retrain reads."""

from pathlib import Path

import pytest
import torch

from flows.queries.service import open_service
from flows.stores.pinned import pin_latest
from pipeline.errors import WarehouseError
from pipeline.warehouse.warehouse import Warehouse
from tests.flows.conftest import World

pytestmark = pytest.mark.slow


def test_a_service_sees_items_and_users_as_the_policy_learned_them(retrained: World) -> None:
    service = open_service(retrained.root, 384)
    with Warehouse.open(retrained.root) as warehouse:
        pinned = pin_latest(warehouse, retrained.settings.source.name, retrained.settings.engine.memory_limit_mb)
    catalogue = pinned.world.catalogue
    assert torch.equal(service.ranker.policy.vectors, catalogue.vectors)
    assert (service.ranker.item_ids == catalogue.item_ids).all()
    assert (service.ranker.sids.packed == type(service.ranker.sids)(catalogue.tokens.numpy(), catalogue.vocabulary).packed).all()
    assert (service.profiles == pinned.world.records.profiles.numpy()).all()
    assert (service.policy_id, service.release_id) == (pinned.published_policy, pinned.release.release_id)


def test_ranking_needs_neither_the_events_nor_the_writers_catalogue(retrained: World, tmp_path: Path) -> None:
    """As for anyone who may only read: the readers' copy and the files behind it."""
    world = retrained.copy(tmp_path)
    for path in world.root.glob("data/main/events/*/*"):
        path.unlink()
    (world.root / "catalog.sqlite").unlink()
    assert open_service(world.root, 384).policy_id == retrained.report["policy_id"]


@pytest.mark.parametrize("table", ["record_rows", "embeddings"])
def test_ranking_refuses_damaged_files_that_it_reads(retrained: World, tmp_path: Path, table: str) -> None:
    world = retrained.copy(tmp_path)
    path = min(world.root.glob(f"data/main/{table}/*/*"))
    path.write_bytes(path.read_bytes()[:-9] + b"x" + path.read_bytes()[-8:])
    with pytest.raises(WarehouseError, match="not the bytes that were written"):
        open_service(world.root, 384)
