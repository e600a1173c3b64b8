"""The published policy, ready to answer requests for ranking: of a release no more is read than that takes."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa
import torch

from flows.queries.rank_requests import KnownIds, Raw
from flows.stores.incumbent import current_codebook, items_without_vector
from flows.stores.models import Models, load_models
from flows.stores.policies import load_policy
from flows.stores.world import catalogue_of
from hsrl_train.data.tensors import under_sids
from hsrl_train.data.world import Catalogue
from hsrl_train.learner.loop import StoredPolicy
from hsrl_train.learner.policy import HsrlPolicy
from hsrl_train.serving.ranker import Ranker, Request
from pipeline.contracts import EMBEDDINGS, SID_HISTORY, USERS
from pipeline.embeddings.profiles import encode_profiles
from pipeline.errors import WarehouseError
from pipeline.sids.codebook import Codebook
from pipeline.sids.table import SidTable
from pipeline.warehouse.statements import statement
from pipeline.warehouse.verify import require_intact
from pipeline.warehouse.warehouse import Warehouse

# What answers come from; the events are not looked at, and of the records only what was liked.
_READ = (
    "record_rows",
    "splits",
    "items",
    "users",
    "embeddings",
    "codebooks",
    "sid_history",
    "policies",
    "embedding_model",
    "policy",
)


@dataclass(frozen=True)
class Service:
    """Everything that answering takes.

    Attributes:
        ranker: over the release's Semantic IDs.
        policy_id: of the published policy.
        release_id: pinned.
        user_ids: (m,) int64, rising.
        profiles: (m, u), theirs.
        items: item ids by every spelling.
        users: user ids by every spelling.
        raw_ids: (n,) text, of ``ranker.item_ids``.
    """

    ranker: Ranker
    policy_id: str
    release_id: int
    user_ids: npt.NDArray[np.int64]
    profiles: npt.NDArray[np.float32]
    items: KnownIds
    users: KnownIds
    raw_ids: pa.Array

    def profile(self, user_id: int | None) -> npt.NDArray[np.float32] | None:
        """Of a user; None for one the release does not know, who is ranked by his history alone."""
        if user_id is None or not len(self.user_ids):
            return None
        row = min(int(np.searchsorted(self.user_ids, user_id)), len(self.user_ids) - 1)
        return self.profiles[row] if self.user_ids[row] == user_id else None

    def request(self, raw: Raw) -> Request:
        """A request in the warehouse's numbers.

        Raises:
            ValueError: it cannot be answered; the message says why, in words that follow its line.
        """
        if raw.fault:
            raise ValueError(raw.fault)
        history = self.items.numbers([] if raw.cells["history"] is None else raw.cells["history"], "history")
        candidates = self.items.numbers(raw.cells["candidates"], "candidates")
        if not candidates or len(set(candidates)) < len(candidates):
            raise ValueError(
                f"has {len(candidates)} candidates, {len(set(candidates))} of them different, expected one at least and none twice"
            )
        user = raw.cells.get("user_id")
        if user is not None and type(user) not in (int, str):
            raise ValueError(f"its user_id is a {type(user).__name__}, expected a text or a whole number")
        return Request(history, candidates, self.profile(self.users.number(user)))


@dataclass(frozen=True)
class Published:
    """A release's policy, of whatever method, and what it is over.

    Attributes:
        policy: as it was stored.
        catalogue: under the release's Semantic IDs.
        policy_id: of the published policy.
        release_id: pinned.
        items: item_id and raw_id, and what users answered.
        users: theirs.
        profiles: (m, u) of the users.
    """

    policy: StoredPolicy
    catalogue: Catalogue
    policy_id: str
    release_id: int
    items: pl.DataFrame
    users: pl.DataFrame
    profiles: npt.NDArray[np.float32]


def open_published(root: Path, memory_limit_mb: int) -> Published:
    """Load the newest release's published policy and its Semantic IDs, from the readers' copy: it waits for no writer and writes nothing.

    Raises:
        WarehouseError: nothing is published, no policy is on the current codebook, or what it takes is damaged.
        TrainingError: it was learned on a codebook of other V or L.
    """
    torch.set_num_threads(1)
    with Warehouse.open_copy(root) as warehouse:
        warehouse.connection.execute(f"SET memory_limit = '{memory_limit_mb}MB'")
        (release_id,) = warehouse.query("SELECT max(release_id) FROM releases").row(0)
        if release_id is None:
            raise WarehouseError(f"{root}: nothing is published yet; begin with: hsrl refresh")
        require_intact(warehouse, _READ)
        codebook = current_codebook(warehouse)
        if codebook is None:
            raise WarehouseError(f"{root}: release {release_id} has no Semantic IDs; make them with: hsrl refresh")
        published = warehouse.query(statement("published_policy_of_numbering"), {"numbering": codebook.numbering_id})
        if published.is_empty():
            raise WarehouseError(
                f"{root}: no policy is published on codebook {codebook.codebook_id}; train one with: hsrl retrain"
            )
        store = warehouse.artifacts
        models = load_models(store, codebook.embedding_id)
        items = warehouse.query(statement("items_with_answers"))
        catalogue = _catalogue(warehouse, codebook, models, items)
        policy = load_policy(store, published.item(), catalogue)
        users = warehouse.read(USERS, "FROM users ORDER BY user_id")
    profiles = encode_profiles(models.profiles, users)
    return Published(policy, catalogue, published.item(), release_id, items, users, profiles)


def open_service(root: Path, memory_limit_mb: int) -> Service:
    """The published policy ready to rank; see ``open_published``.

    Raises:
        WarehouseError: it scores no tokens.
    """
    published = open_published(root, memory_limit_mb)
    policy, items, users = published.policy, published.items, published.users
    if not isinstance(policy, HsrlPolicy):
        raise WarehouseError(f"{root}: the published policy scores items, not tokens; train one with learner.method = hsrl")
    return Service(
        Ranker(policy, published.catalogue, published.profiles.shape[1]),
        published.policy_id,
        published.release_id,
        users["user_id"].to_numpy(),
        published.profiles,
        KnownIds(items["item_id"].to_list(), items["raw_id"].to_list()),
        KnownIds(users["user_id"].to_list(), users["raw_id"].to_list()),
        pa.array(items["raw_id"].to_list(), pa.string()),
    )


def _catalogue(warehouse: Warehouse, codebook: Codebook, models: Models, items: pl.DataFrame) -> Catalogue:
    """Items as the policy sees them, under the release's Semantic IDs.

    Raises:
        WarehouseError: items have no vector yet.
    """
    if n_missing := items_without_vector(warehouse):
        raise WarehouseError(
            f"{warehouse.root}: {n_missing} of {items.height} items have no vector of {codebook.embedding_id}, as they came after "
            "the release that was gone back to; make them with: hsrl refresh"
        )
    seen = warehouse.query("FROM embeddings WHERE embedding_id = $seen", {"seen": models.items.embedding_id})
    _, vectors = models.items.standardised(seen.cast(EMBEDDINGS.schema))
    rows = warehouse.read(SID_HISTORY, "FROM sid_history WHERE valid_to IS NULL")
    catalogue = catalogue_of(items, vectors, items["n_shown"].to_numpy(), items["n_positives"].to_numpy())
    return under_sids(catalogue, SidTable.from_frame(rows, codebook.vocabulary))
