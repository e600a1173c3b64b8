"""Learning the embedding model once, and giving items vectors with it every night."""

from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl
from scipy import sparse

from pipeline.contracts import EMBEDDINGS, ITEMS, check
from pipeline.embeddings.categories import Centroids
from pipeline.embeddings.config import EmbeddingsConfig, Kind
from pipeline.embeddings.content import Content
from pipeline.embeddings.cooccurrence import Cooccurrence
from pipeline.embeddings.external import External
from pipeline.embeddings.like_sums import LikeSums
from pipeline.embeddings.model import EmbeddingModel, Part
from pipeline.embeddings.positives import likes_of
from pipeline.embeddings.vectors import Directions, Ids, Matrix, shrunk, unit
from pipeline.errors import ContractError

_CHUNK_ROWS = 2_048  # what is made on the way stays in the cache
_JOINED_ROWS = 32_768  # 16 MB of 64 numbers in double precision


def learn(
    items: pl.DataFrame,
    positives: Iterable[pl.DataFrame],
    config: EmbeddingsConfig,
    seed: int,
    external: pl.DataFrame | None = None,
) -> EmbeddingModel:
    """Learn the frozen model, at the first refresh and at ``--rebuild``.

    Args:
        items: ITEMS.
        positives: frames of user_id and item_id, positives of training records only, all of a user in one frame; read once, and
            only if there is a co-occurrence part. Their sparse matrix is held in memory, 12 bytes a positive.
        config: what the vectors are made of.
        seed: of the singular value decomposition's start.
        external: item_id and vector; needed if there is an external part.

    Raises:
        ContractError: a broken contract, positives of unknown items, or too little to learn from.
    """
    items = check(items, ITEMS, "embeddings").sort("item_id")
    item_ids = items["item_id"].to_numpy()
    likes = [likes_of(frame, item_ids) for frame in positives] if "cooccurrence" in config.parts else []
    evidence = _Evidence(items, likes, external)
    parts, part_directions = [], []
    for kind in config.parts:
        source = _learn_source(kind, evidence, config, seed)
        own = _fold(source, evidence)
        parts.append(
            Part(
                kind=kind,
                share=config.weights.get(kind, 1.0),
                source=source,
                centroids=None if kind == "content" else Centroids.learn(items, own),
                prior_positives=config.prior_positives,
            )
        )
        part_directions.append(own)
    vectors = _joined(parts, part_directions, items)
    del own, part_directions  # twice the size of the vectors, and the deviations take as much again
    active = vectors[items["is_active"].to_numpy()]
    if not active.any():
        raise ContractError(
            f"embeddings: 0 of {len(active)} active items have what {' and '.join(config.parts)} vectors are made of; "
            "choose other embeddings.parts"
        )
    mean, deviation = active.mean(axis=0, dtype=np.float64), active.std(axis=0, dtype=np.float64)
    return EmbeddingModel(tuple(parts), mean.astype(np.float32), np.where(deviation > 0, deviation, 1).astype(np.float32))


def embed(
    model: EmbeddingModel, items: pl.DataFrame, positives: Iterable[pl.DataFrame], external: pl.DataFrame | None = None
) -> pl.DataFrame:
    """Give every item its vector in the frozen model: new items and new evidence are folded in, nothing is fitted.

    Each part gives an item a direction, leaning on the mean of the item's categories the fewer positives stand behind it; the
    parts are concatenated by their shares and the whole has length 1. An item of which no part knows anything has the direction
    of its categories' means and is flagged; without known categories its vector is zero.

    Args:
        model: as ``learn`` gave it.
        items: ITEMS.
        positives: as for ``learn``, all until now; read once, a frame at a time, and only if there is a co-occurrence part.
        external: item_id and vector; needed if there is an external part.

    Returns:
        EMBEDDINGS, a row for each of ``items``, by item_id.

    Raises:
        ContractError: a broken contract, positives of unknown items, or external vectors that are missing or malformed.
    """
    items = check(items, ITEMS, "embeddings").sort("item_id")
    return embed_sums(model, items, sum_likes(model, items, positives), external)


def sum_likes(model: EmbeddingModel, items: pl.DataFrame, positives: Iterable[pl.DataFrame]) -> LikeSums | None:
    """What the co-occurrence part is folded from; None, and nothing is read, where the model has no such part.

    Args:
        model: as ``learn`` gave it.
        items: ITEMS.
        positives: as for ``embed``, of all users or of some: sums of different users add up (``LikeSums.plus``).

    Raises:
        ContractError: positives of unknown items.
    """
    item_ids = items["item_id"].sort().to_numpy()
    sources = [part.source for part in model.parts if isinstance(part.source, Cooccurrence)]
    return sources[0].sums(item_ids, (likes_of(frame, item_ids) for frame in positives)) if sources else None


def embed_sums(
    model: EmbeddingModel, items: pl.DataFrame, likes: LikeSums | None, external: pl.DataFrame | None = None
) -> pl.DataFrame:
    """What ``embed`` gives, from likes that were summed before.

    Args:
        model: as ``learn`` gave it.
        items: ITEMS.
        likes: ``sum_likes`` of all users.
        external: as for ``embed``.

    Raises:
        ContractError: a broken contract, or external vectors that are missing or malformed.
    """
    items = check(items, ITEMS, "embeddings").sort("item_id")
    evidence = _Evidence(items, (), external)
    part_directions = [
        part.source.directions_of(likes)
        if isinstance(part.source, Cooccurrence) and likes is not None
        else _fold(part.source, evidence)
        for part in model.parts
    ]
    has_signal = np.any([own.evidence > 0 for own in part_directions], axis=0)
    vectors = pl.Series(_joined(model.parts, part_directions, items), dtype=pl.Array(pl.Float32, model.width)).arr.to_list()
    embeddings = pl.DataFrame({"item_id": items["item_id"], "vector": vectors, "has_signal": has_signal})
    return check(embeddings.with_columns(embedding_id=pl.lit(model.embedding_id)), EMBEDDINGS, "embeddings")


def embed_external(model: EmbeddingModel, external: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
    """Vectors that are in no catalogue, in the model's space: what ``embed`` makes of the same vectors, bit for bit.

    Args:
        model: of the external part alone.
        external: (n, w) as the user has them, of any length, finite.

    Returns:
        (n, w) of length 1; zero where the vector is zero.

    Raises:
        ContractError: the model has other parts, which a vector alone does not give, or another width.
    """
    source = model.parts[0].source
    if not (model.is_external and isinstance(source, External)):
        raise ContractError(f"embeddings: vectors are made of {model.kinds}, which a brought vector alone does not give")
    vectors = np.empty(external.shape, dtype=np.float32)
    for start in range(0, len(external), _CHUNK_ROWS):
        own = source.directions_of(external[start : start + _CHUNK_ROWS])
        vectors[start : start + _CHUNK_ROWS] = _concatenated(model.parts, [own], [np.zeros_like(own.vectors)])
    return vectors


class _Evidence(NamedTuple):
    """What the parts are learned from and folded on.

    Attributes:
        items: ITEMS, by item_id.
        likes: (users, n) ones, block by block; may be readable only once.
        external: item_id and vector; None without.
    """

    items: pl.DataFrame
    likes: Iterable[sparse.csr_matrix]
    external: pl.DataFrame | None

    @property
    def item_ids(self) -> Ids:
        """(n,) rising."""
        return self.items["item_id"].to_numpy()

    def given(self) -> pl.DataFrame:
        """The external vectors.

        Raises:
            ContractError: there are none.
        """
        if self.external is None:
            raise ContractError("embeddings: there are no vectors for the part external; set embeddings.external_path")
        return self.external


def _learn_source(kind: Kind, evidence: _Evidence, config: EmbeddingsConfig, seed: int) -> Content | Cooccurrence | External:
    if kind == "content":
        return Content.learn(evidence.items, config.content_width, config.numbers, config.number_weight)
    if kind == "external":
        return External.learn(evidence.given())
    no_users = sparse.csr_matrix((0, len(evidence.item_ids)))
    likes = sparse.vstack([no_users, *evidence.likes], "csr")
    return Cooccurrence.learn(evidence.item_ids, likes, config.width, config.popularity_power, seed)


def _fold(source: Content | Cooccurrence | External, evidence: _Evidence) -> Directions:
    if isinstance(source, Content):
        return source.fold(evidence.items)
    if isinstance(source, External):
        return source.fold(evidence.item_ids, evidence.given())
    return source.fold(evidence.item_ids, evidence.likes)


def _joined(parts: Iterable[Part], part_directions: Iterable[Directions], items: pl.DataFrame) -> npt.NDArray[np.float32]:
    """(n, d) vectors of length 1, or 0 where no part has a direction."""
    parts, part_directions = tuple(parts), tuple(part_directions)
    vectors = np.empty((items.height, sum(own.vectors.shape[1] for own in part_directions)), dtype=np.float32)
    for start in range(0, items.height, _JOINED_ROWS):
        chunk = slice(start, start + _JOINED_ROWS)
        own_rows = [Directions(own.vectors[chunk], own.evidence[chunk]) for own in part_directions]
        priors = [
            part.centroids.prior(items[chunk]) if part.centroids else np.zeros_like(own.vectors)
            for part, own in zip(parts, own_rows, strict=True)
        ]
        vectors[chunk] = _concatenated(parts, own_rows, priors)
    return vectors


def _concatenated(
    parts: Iterable[Part], part_directions: Iterable[Directions], priors: Iterable[Matrix]
) -> npt.NDArray[np.float32]:
    columns = [
        np.sqrt(part.share) * shrunk(own, prior, part.prior_positives)
        for part, own, prior in zip(parts, part_directions, priors, strict=True)
    ]
    return unit(np.hstack(columns)).astype(np.float32)
