"""What the nightly decision takes: tonight's items, what earlier nights decided, and the rules."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

import polars as pl

from pipeline.contracts import EMBEDDINGS, SID_HISTORY, SID_WAITING
from pipeline.sids.capacity import CapacityRules
from pipeline.sids.codebook import Codebook


@dataclass(frozen=True)
class NightInputs:
    """Tonight's items.

    Attributes:
        release_id: the release to come, above every release of the history.
        items: ITEMS; inactive items lose their Semantic ID.
        embeddings: EMBEDDINGS of the codes' space; rows of inactive items are ignored.
        popularity: item_id, n_positives in training records; None where they are not known.
        follows: ``likes_that_follow`` of the training records, for the figures of the release; None where they are not known.
    """

    release_id: int
    items: pl.DataFrame
    embeddings: pl.DataFrame
    popularity: pl.DataFrame | None = None
    follows: pl.DataFrame | None = None


@dataclass(frozen=True)
class SidIncumbents:
    """What earlier nights decided; empty before the first release.

    Attributes:
        history: SID_HISTORY: open and closed rows of the numbering in use, and at least the open ones of any other.
        codebook: the codes of the last release; None where a codebook has to be learned.
        same_numbering_ids: ids of the codebooks with the numbering of ``codebook``.
        earlier: the last of these codebooks, without ``codebook``, in any order.
        explained: by codebook_id of this numbering, what Semantic IDs explained of the vectors' variance in its first release, in [0, 1];
            the first codebook first.
        waiting: SID_WAITING of the last release: which items have waited for a move, and how often.
        last_night: the last release that was a refresh; 0 before the first.
        reserved_from: where Semantic IDs have a capacity, rows closed in this release or later still count as taken (tombstones).
        embeddings: EMBEDDINGS of the last release, of the space of ``codebook``; no rows where there is none.
    """

    history: pl.DataFrame = field(default_factory=SID_HISTORY.empty)
    codebook: Codebook | None = None
    same_numbering_ids: Collection[str] = ()
    earlier: Sequence[Codebook] = ()
    explained: Mapping[str, float] = field(default_factory=dict)
    waiting: pl.DataFrame = field(default_factory=SID_WAITING.empty)
    last_night: int = 0
    reserved_from: int = 0
    embeddings: pl.DataFrame = field(default_factory=EMBEDDINGS.empty)


@dataclass(frozen=True)
class AssignmentRules:
    """When an item keeps its Semantic ID, and how many may move in a night.

    Attributes:
        epsilon: ε ≥ 0, how much worse than the best a kept Semantic ID may be.
        max_moved_share: of the survivors that may move tonight, in [0, 1]; at least one item may.
        capacity: how many items a Semantic ID holds; None: any number may share one (mode ``candidates``).
        exempt_item_ids: items whose moves do not count against ``max_moved_share``: their Semantic ID is a night old and was given
            by a vector that is gone.
    """

    epsilon: float
    max_moved_share: float = 1.0
    capacity: CapacityRules | None = None
    exempt_item_ids: Collection[int] = ()
