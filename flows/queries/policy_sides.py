"""The policies that `hsrl compare` and `hsrl draw policy` are asked for, each over the Semantic IDs of the release that brought it."""

from dataclasses import dataclass

import polars as pl

from flows.stores.incumbent import current_codebook
from flows.stores.pinned import Pinned
from flows.stores.policies import CONFIG, KIND, load_policy
from hsrl_train.learner.config import LearnerConfig
from hsrl_train.learner.loop import StoredPolicy
from pipeline.contracts import SID_HISTORY, open_rows
from pipeline.errors import ConfigError, WarehouseError
from pipeline.sids.table import SidTable
from pipeline.warehouse.statements import statement
from pipeline.warehouse.warehouse import Warehouse

_SHORTEST_PREFIX = 4
_ID_LENGTH = 16  # letters of a policy's id; shorter numbers are releases


@dataclass(frozen=True)
class Side:
    """A policy that is asked for.

    Attributes:
        policy_id: of the table ``policies``.
        method: its name.
        seed: that it learned with.
        release_id: the release that brought it.
        codebook_id: of the tokens that it learned.
    """

    policy_id: str
    method: str
    seed: int
    release_id: int
    codebook_id: str


def side_named(warehouse: Warehouse, name: str) -> Side:
    """The policy of a name: its id, the id's first letters, or a release (``release:4`` or ``4``) for the policy it serves.

    Raises:
        ConfigError: no policy or several are of that name.
        WarehouseError: there is no such release, or its snapshot has expired.
    """
    known = warehouse.query(
        "SELECT policy_id, method, seed, release_id, codebook_id FROM policies ORDER BY release_id, policy_id"
    )
    if name.removeprefix("release:").isdecimal() and len(name) < _ID_LENGTH:
        number = int(name.removeprefix("release:"))
        with Warehouse.open_release(warehouse.root, warehouse.release(number).release_id) as release:
            codebook = current_codebook(release)
            served = (
                release.query(statement("published_policy_of_numbering"), {"numbering": codebook.numbering_id})
                if codebook is not None
                else pl.DataFrame()
            )
        if served.is_empty():
            raise ConfigError(f'release {number} serves no policy; those there are: hsrl sql "from policies"')
        found = known.filter(pl.col("policy_id") == served.item())
    elif len(name) < _SHORTEST_PREFIX:
        raise ConfigError(f"{name!r:.80} is too short; give {_SHORTEST_PREFIX} letters of a policy's id at least, or a release")
    else:
        found = known.filter(pl.col("policy_id").str.starts_with(name))
    if found.height != 1:
        raise ConfigError(
            f"{found.height} of {known.height} policies are {name!r:.80}, expected one; see them with: "
            'hsrl sql "select policy_id, method, release_id, is_published from policies"'
        )
    return Side(*found.row(0))


def sids_of(warehouse: Warehouse, side: Side, memory_limit_mb: int) -> tuple[str, SidTable]:
    """The numbering and the Semantic IDs of the release that brought a policy.

    Raises:
        WarehouseError: the release has none, or can no longer be opened.
    """
    with Warehouse.open_release(warehouse.root, side.release_id, memory_limit_mb) as release:
        codebook = current_codebook(release)
        if codebook is None:
            raise WarehouseError(f"release {side.release_id} has no Semantic IDs; compare with a later one")
        rows = open_rows(release.read(SID_HISTORY, "FROM sid_history"))
    return codebook.numbering_id, SidTable.from_frame(rows, codebook.vocabulary)


def load_side(warehouse: Warehouse, pinned: Pinned, side: Side, sids: tuple[str, SidTable]) -> StoredPolicy:
    """A policy over the Semantic IDs that it was published with; ``pinned`` may be a later release.

    Raises:
        WarehouseError: its folder is gone.
        TrainingError: it is damaged.
    """
    if not warehouse.artifacts.exists(KIND, side.policy_id):
        raise WarehouseError(f"policy {side.policy_id} is gone from artifacts/: gc has collected it, or it was lost")
    is_same = sids[0] == pinned.codebook.numbering_id
    world = pinned.world if is_same else pinned.world.with_sids(sids[1])
    return load_policy(warehouse.artifacts, side.policy_id, world.catalogue)


def learner_of(warehouse: Warehouse, side: Side) -> LearnerConfig:
    """What the policy was learned with."""
    return LearnerConfig.model_validate_json((warehouse.artifacts.path(KIND, side.policy_id) / CONFIG).read_text())
