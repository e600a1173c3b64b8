"""The frozen embedding model: everything that a night needs to give items vectors that mean what they meant before."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from pipeline.contracts import EMBEDDINGS, check
from pipeline.embeddings.categories import Centroids
from pipeline.embeddings.config import Kind
from pipeline.embeddings.content import Content
from pipeline.embeddings.cooccurrence import Cooccurrence
from pipeline.embeddings.external import External
from pipeline.embeddings.frozen import Arrays, fingerprint, from_arrays, pack, to_arrays
from pipeline.embeddings.numbers import Standardised
from pipeline.embeddings.vectors import Ids
from pipeline.errors import ContractError


@dataclass(frozen=True)
class Part:
    """One kind of vectors in the model.

    Attributes:
        kind: how the vectors are made.
        share: what its squared length is in that of the whole vector, relative to the other parts.
        source: the frozen state of the kind.
        centroids: where items without a signal of their own are put; none for content, which is itself the fall-back.
        prior_positives: m, what a centroid is worth beside an item's own positives.
    """

    kind: Kind
    share: float
    source: Content | Cooccurrence | External
    centroids: Centroids | None
    prior_positives: float


@dataclass(frozen=True)
class EmbeddingModel:
    """Frozen parts, and the standardisation of what they give.

    Attributes:
        parts: concatenated in this order.
        mean: (d,) of each coordinate over the active items when the model was learned.
        deviation: (d,) likewise; 1 where it was 0.
    """

    parts: tuple[Part, ...]
    mean: npt.NDArray[np.float32]
    deviation: npt.NDArray[np.float32]

    @cached_property
    def embedding_id(self) -> str:
        """Fingerprint of the model's bytes."""
        return fingerprint(*pack(self))

    @property
    def width(self) -> int:
        """d, the length of its vectors."""
        return len(self.mean)

    @property
    def kinds(self) -> str:
        """What its vectors are made of, in words: ``content and external``."""
        return " and ".join(part.kind for part in self.parts)

    @property
    def external_width(self) -> int | None:
        """The length of the vectors that the user brings for the external part; None without one."""
        return next((part.source.width for part in self.parts if isinstance(part.source, External)), None)

    @property
    def is_external(self) -> bool:
        """Whether a brought vector alone says where an item lies: there is no other part."""
        return len(self.parts) == 1 and self.external_width is not None

    def to_arrays(self) -> tuple[Arrays, dict[str, str]]:
        """Arrays and metadata for ``safetensors.numpy.save``."""
        return to_arrays(self, "embedding_id")

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, npt.NDArray[Any]], metadata: Mapping[str, str]) -> "EmbeddingModel":
        """The model that was stored.

        Raises:
            ContractError: the bytes are not those that its embedding_id was taken of.
        """
        types = (cls, Part, Content, Cooccurrence, External, Centroids, Standardised)
        model: EmbeddingModel = from_arrays((arrays, metadata), "embedding_id", types, "embedding model")
        return model

    def standardised(self, embeddings: pl.DataFrame) -> tuple[Ids, npt.NDArray[np.float32]]:
        """What a simulator sees of the items: each coordinate with mean 0 and deviation 1 when the model was learned.

        Args:
            embeddings: EMBEDDINGS of this model, n rows.

        Returns:
            (n,) item ids, rising, and their (n, d) features; zeros for an item whose vector is zero.

        Raises:
            ContractError: a broken contract, or vectors of another model.
        """
        rows = check(embeddings, EMBEDDINGS, "features").sort("item_id")
        if n_foreign := int((rows["embedding_id"] != self.embedding_id).sum()):
            raise ContractError(
                f"features: {n_foreign} of {rows.height} vectors are of another model, expected those of {self.embedding_id}; "
                "select by embedding_id"
            )
        vectors = rows["vector"].list.explode().to_numpy().reshape(-1, self.width)
        features = np.where(vectors.any(axis=1, keepdims=True), (vectors - self.mean) / self.deviation, 0)
        return rows["item_id"].to_numpy(), features.astype(np.float32)
