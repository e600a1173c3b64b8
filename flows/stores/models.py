"""The frozen models that give items vectors and users profiles, kept together in the artifact store under their id."""

from dataclasses import dataclass
from typing import Any

import numpy.typing as npt
import polars as pl
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from pipeline.embeddings.model import EmbeddingModel
from pipeline.embeddings.profiles import ProfileModel
from pipeline.embeddings.score_aware import ScoreAware
from pipeline.errors import WarehouseError
from pipeline.warehouse.artifacts import ArtifactStore, refuse_unreadable

KIND = "embedding_model"
_ITEMS, _PROFILES, _SCORES = "items.safetensors", "profiles.safetensors", "scores.safetensors"


@dataclass(frozen=True)
class Models:
    """The frozen models of a codebook.

    Attributes:
        items: what simulators see of items.
        profiles: what simulators see of users.
        scores: the space of the codes; None where that is the space of ``items``.
    """

    items: EmbeddingModel
    profiles: ProfileModel
    scores: ScoreAware | None

    @property
    def embedding_id(self) -> str:
        """Id of the space that the codes are in."""
        return self.items.embedding_id if self.scores is None else self.scores.embedding_id

    @property
    def takes_external(self) -> bool:
        """Whether an external vector alone says where an item lies in the codes' space."""
        return self.scores is None and self.items.is_external

    @property
    def space(self) -> str:
        """What the codes' space is made of, in words."""
        return self.items.kinds + ("" if self.scores is None else ", weighed by simulators' scores")

    def embed_scores(self, embeddings: pl.DataFrame, items: pl.DataFrame, answers: pl.DataFrame) -> pl.DataFrame:
        """EMBEDDINGS of every space there is, from ``embeddings`` of the space of ``items``; see ``ScoreAware.embed``."""
        if self.scores is None:
            return embeddings
        return pl.concat([embeddings, self.scores.embed(self.items, embeddings, items, answers)])

    def save(self, store: ArtifactStore) -> None:
        """Keep them under ``embedding_id``."""
        with store.writing(KIND, self.embedding_id) as folder:
            for file, model in ((_ITEMS, self.items), (_PROFILES, self.profiles), (_SCORES, self.scores)):
                if model is not None:
                    arrays, metadata = model.to_arrays()
                    save_file(arrays, folder / file, metadata)


def load_models(store: ArtifactStore, embedding_id: str) -> Models:
    """The models kept under that id; their ids, which are made from their bytes, are compared with it.

    Raises:
        WarehouseError: they are not in the store, or not those of the id.
    """
    has_scores = (store.path(KIND, embedding_id) / _SCORES).exists()
    models = Models(
        EmbeddingModel.from_arrays(*_load(store, embedding_id, _ITEMS)),
        ProfileModel.from_arrays(*_load(store, embedding_id, _PROFILES)),
        ScoreAware.from_arrays(*_load(store, embedding_id, _SCORES)) if has_scores else None,
    )
    if models.embedding_id != embedding_id:
        raise WarehouseError(
            f"{store.path(KIND, embedding_id)}: holds {models.embedding_id}; restore it, or make new SIDs with: hsrl refresh --rebuild"
        )
    return models


def of_codebook(embeddings: pl.DataFrame, embedding_id: str) -> pl.DataFrame:
    """The rows of EMBEDDINGS that are of the space with that id, such as ``Codebook.embedding_id``."""
    return embeddings.filter(pl.col("embedding_id") == embedding_id)


def _load(store: ArtifactStore, embedding_id: str, file: str) -> tuple[dict[str, npt.NDArray[Any]], dict[str, str]]:
    path = store.path(KIND, embedding_id) / file
    refuse_unreadable(path)
    try:
        with safe_open(path, framework="numpy") as stored:
            return {name: stored.get_tensor(name) for name in stored.keys()}, stored.metadata()  # noqa: SIM118 no dict
    except (OSError, SafetensorError) as error:
        raise WarehouseError(f"{path}: {error}; restore it, or make new SIDs with: hsrl refresh --rebuild") from error
