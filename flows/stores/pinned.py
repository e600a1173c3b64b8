"""What a retrain learns from: the newest release, pinned, so that what is published meanwhile does not change it."""

from dataclasses import dataclass

from flows.stores.incumbent import current_codebook, items_without_vector
from flows.stores.models import load_models, of_codebook
from flows.stores.world import build_world
from hsrl_train.data.tensors import World
from pipeline.contracts import EMBEDDINGS, ITEMS, SID_HISTORY, USERS, open_rows
from pipeline.errors import ConfigError, WarehouseError
from pipeline.sids.codebook import Codebook
from pipeline.sids.table import SidTable
from pipeline.warehouse.release import Release
from pipeline.warehouse.statements import statement
from pipeline.warehouse.tables import TABLES
from pipeline.warehouse.verify import require_intact, require_whole_or_gone
from pipeline.warehouse.warehouse import Warehouse


@dataclass(frozen=True)
class Pinned:
    """The release, as tensors.

    Attributes:
        release: the release.
        world: its records, items and Semantic IDs.
        codebook: of the Semantic IDs.
        embedding_id: the vectors that simulators see.
        published_policy: the policy that users are shown now; None where there is none for these codes, or its folder is gone.
        lost_policy: the policy that is published but whose folder is gone.
        older_policy: the policy that was shown before a rebuild, where the codes took its numbers: no more than a start for the next.
    """

    release: Release
    world: World
    codebook: Codebook
    embedding_id: str
    published_policy: str | None
    lost_policy: str | None = None
    older_policy: str | None = None


def pin_latest(warehouse: Warehouse, source: str, memory_limit_mb: int, newest_records: int | None = None) -> Pinned:
    """Read the newest release.

    Args:
        warehouse: the warehouse.
        source: name of the source in the configuration, which pages and rows will say that they are of.
        memory_limit_mb: memory of the engine that reads it, MB.
        newest_records: training records that the world is to have; None = all.

    Raises:
        ConfigError: the release was made from another source.
        WarehouseError: nothing is published yet, it has no Semantic IDs or lacks vectors, or a stored file is damaged.
    """
    latest = warehouse.latest_release()
    if latest is None:
        raise WarehouseError(f"{warehouse.root}: nothing is published yet; begin with: hsrl refresh")
    known = warehouse.query(statement("sources_of_ingests"))["source"].to_list()
    if source not in known:
        raise ConfigError(
            f"source.name is {source!r}, but release {latest.release_id} of {warehouse.root} was made from "
            f"{' and '.join(map(repr, known))}; name the configuration of that source, or the warehouse of this one with --warehouse"
        )
    return pin(warehouse, latest, memory_limit_mb, newest_records)


def pin(warehouse: Warehouse, latest: Release, memory_limit_mb: int, newest_records: int | None = None) -> Pinned:
    """Read a release as ``pin_latest`` reads the newest.

    Raises:
        WarehouseError: it can no longer be opened, it has no Semantic IDs or lacks vectors, or a stored file is damaged.
    """
    with Warehouse.open_release(warehouse.root, latest.release_id, memory_limit_mb) as release:
        require_intact(release, (*TABLES, "embedding_model"))
        require_whole_or_gone(release, ("simulator", "policy"))
        codebook = current_codebook(release)
        if codebook is None:
            raise WarehouseError(
                f"{warehouse.root}: release {latest.release_id} has no Semantic IDs; make them with: hsrl refresh"
            )
        items = release.read(ITEMS, "FROM items ORDER BY item_id")
        users = release.read(USERS, "FROM users ORDER BY user_id")
        embeddings = release.read(EMBEDDINGS, "FROM embeddings")
        if n_missing := items_without_vector(release):
            raise WarehouseError(
                f"{warehouse.root}: {n_missing} of {items.height} items have no vector of {codebook.embedding_id}, as they came after "
                "the release that was gone back to; make them with: hsrl refresh"
            )
        sids = SidTable.from_frame(open_rows(release.read(SID_HISTORY, "FROM sid_history")), codebook.vocabulary)
        numbering = {"numbering": codebook.numbering_id}
        published = release.query(statement("published_policy_of_numbering"), numbering)
        older = release.query(statement("published_policy_of_old_numbers"), numbering)["policy_id"].to_list()
        models = load_models(warehouse.artifacts, codebook.embedding_id)
        _, vectors = models.items.standardised(of_codebook(embeddings, models.items.embedding_id))
        records = release.stream(statement("records_to_learn_from"))
        world = build_world(items, users, records, vectors, models.profiles, release.spill, newest_records).with_sids(sids)
    policy = published.item() if published.height else None
    is_there = policy is not None and warehouse.artifacts.exists("policy", policy)
    return Pinned(
        release=latest,
        world=world,
        codebook=codebook,
        embedding_id=models.items.embedding_id,
        published_policy=policy if is_there else None,
        lost_policy=None if is_there else policy,
        older_policy=next((name for name in older if name != policy and warehouse.artifacts.exists("policy", name)), None),
    )
