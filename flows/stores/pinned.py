"""What a retrain learns from: one release, pinned, whatever is published meanwhile."""

from dataclasses import dataclass

from flows.runtime.settings import Settings
from flows.stores.incumbent import current_codebook, items_without_vector
from flows.stores.models import load_models, of_codebook
from flows.stores.world import build_world
from hsrl_train.data.tensors import World
from pipeline.contracts import EMBEDDINGS, ITEMS, SID_HISTORY, USERS
from pipeline.errors import WarehouseError
from pipeline.sids.codebook import Codebook
from pipeline.sids.table import SidTable
from pipeline.warehouse.release import Release
from pipeline.warehouse.tables import TABLES
from pipeline.warehouse.verify import require_intact, require_whole_or_gone
from pipeline.warehouse.warehouse import Warehouse


@dataclass(frozen=True)
class Pinned:
    """The release, as tensors.

    Attributes:
        release: which one.
        world: its records, items and Semantic IDs.
        codebook: of the Semantic IDs.
        embedding_id: the vectors that simulators see.
        published_policy: the policy that is shown to users now; None where none fits the codes, or its folder is gone.
        lost_policy: the one whose folder is gone.
    """

    release: Release
    world: World
    codebook: Codebook
    embedding_id: str
    published_policy: str | None
    lost_policy: str | None = None


def pin_latest(warehouse: Warehouse, settings: Settings) -> Pinned:
    """Read the newest release.

    Raises:
        WarehouseError: nothing is published yet, or no Semantic IDs.
    """
    latest = warehouse.latest_release()
    if latest is None:
        raise WarehouseError(f"{warehouse.root}: nothing is published yet; begin with: hsrl refresh")
    with Warehouse.open_release(warehouse.root, latest.release_id, settings.engine.memory_limit_mb) as release:
        require_intact(release, (*TABLES, "embedding_model"))
        require_whole_or_gone(release, ("simulator", "policy"))
        codebook = current_codebook(release)
        if codebook is None:
            raise WarehouseError(
                f"{warehouse.root}: release {latest.release_id} has no Semantic IDs; make them with: hsrl refresh"
            )
        items = release.read(ITEMS, "FROM items ORDER BY item_id")
        users = release.read(USERS, "FROM users ORDER BY user_id")
        records = release.query("SELECT user_id, record_index, exposed_items, feedback, history, split FROM records")
        embeddings = release.read(EMBEDDINGS, "FROM embeddings")
        if n_missing := items_without_vector(release):
            raise WarehouseError(
                f"{warehouse.root}: {n_missing} of {items.height} items have no vector of {codebook.embedding_id}, as they came after "
                "the release that was gone back to; make them with: hsrl refresh"
            )
        sids = SidTable.from_frame(release.read(SID_HISTORY, "FROM sid_history WHERE valid_to IS NULL"), codebook.vocabulary)
        published = release.query(
            "SELECT policy_id FROM policies WHERE is_published "
            "AND codebook_id IN (SELECT codebook_id FROM codebooks WHERE numbering_id = $numbering)",
            {"numbering": codebook.numbering_id},
        )
    models = load_models(warehouse.artifacts, codebook.embedding_id)
    _, vectors = models.items.standardised(of_codebook(embeddings, models.items.embedding_id))
    world = build_world(items, users, records, vectors, models.profiles).with_sids(sids)
    policy = published.item() if published.height else None
    is_there = policy is not None and warehouse.artifacts.exists("policy", policy)
    return Pinned(latest, world, codebook, models.items.embedding_id, policy if is_there else None, None if is_there else policy)
