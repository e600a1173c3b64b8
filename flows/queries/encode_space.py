"""In which space a file's vectors lie, and how they come from there to the codes, by the very path that a refresh takes."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from flows.stores.models import Models
from pipeline.embeddings.embed import embed_external
from pipeline.embeddings.vector_file import VectorFile
from pipeline.errors import ContractError

EXTERNAL = "external"


@dataclass(frozen=True)
class Space:
    """Where a file's vectors lie.

    Attributes:
        models: the frozen models behind the codes.
        is_external: vectors as the user has them, of any length; else vectors of the codes' own space.
        width: expected of the vectors.
        is_said: whether a person or the file itself said so; otherwise it is what the codes take.
    """

    models: Models
    is_external: bool
    width: int
    is_said: bool

    def to_codes(self, vectors: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
        """(n, d) in the codes' space; zero where a vector says nothing."""
        return embed_external(self.models.items, vectors) if self.is_external else vectors.astype(np.float32)

    def require_rows(self, file: VectorFile, spaces: pl.Series | None) -> None:
        """Refuse rows of another space than the codes'.

        Raises:
            ContractError: some of ``spaces``, the column ``embedding_id`` of rows, are others.
        """
        if spaces is None or self.is_external:
            return
        foreign = spaces.filter(spaces.ne_missing(self.models.embedding_id))
        if len(foreign):
            raise ContractError(
                f"{file.where}: {len(foreign):,} of {len(spaces):,} vectors are of the space {foreign[0]}; "
                f"codes live in {_codes(self.models)}"
            )


def space_of(models: Models, width: int, file: VectorFile, said: str | None) -> Space:
    """The space of a file's vectors.

    A column ``embedding_id`` says it, or ``said``: ``external`` for vectors as the user has them, or the embedding_id of the codes' space.
    Where nothing is said, vectors are taken as what alone they can be: brought ones where the codes live on brought vectors alone, else
    vectors of the codes' space; a score-aware warehouse holds two spaces, and the vectors have to say which.

    Raises:
        ContractError: another space or width than the codes take, or one that a vector alone does not reach.
    """
    if said is not None and said not in (EXTERNAL, models.embedding_id):
        raise ContractError(f"{file.where}: there are no codes for the space {said}; they live in {_codes(models)}")
    if said == EXTERNAL and not models.takes_external:
        raise ContractError(
            f"{file.where}: vectors that people bring do not reach the codes' space by themselves; codes live in {_codes(models)}"
        )
    if said is None and not file.has_space and models.scores is not None:
        raise ContractError(f"{file.where}: does not say in which space its vectors lie; codes live in {_codes(models)}")
    is_external = models.takes_external and not file.has_space and said != models.embedding_id
    expected = (models.items.external_width or width) if is_external else width
    if file.width not in (expected, 0):
        n = "its" if file.n_rows is None else f"its {file.n_rows:,}"
        what = f"expected of {EXTERNAL} vectors" if is_external else "the codebook's d"
        raise ContractError(
            f"{file.where}: {n} vectors are {file.width} long, not {expected}, {what}; codes live in {_codes(models)}"
        )
    return Space(models, is_external, expected, said is not None or file.has_space)


def _codes(models: Models) -> str:
    """The codes' space, and how to get vectors of it."""
    own = models.embedding_id
    if models.takes_external:
        return (
            f"a space of {models.space} vectors: give vectors as in embeddings.external_path, "
            f"or rows of embeddings with their embedding_id {own}"
        )
    return (
        f"a space of {models.space} vectors: give rows of embeddings with their embedding_id {own}; for a new item, add it to the log"
        + (" and to embeddings.external_path" if models.items.external_width else "")
        + " and run: hsrl refresh"
    )
