"""The frozen codebook: what every code stands for, under a name that is the fingerprint of its bytes."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
import polars as pl

from pipeline.contracts import CODEBOOKS, check
from pipeline.errors import ContractError
from pipeline.fingerprints import short_sha256
from pipeline.sids.names import MAX_CODES, key_space_fits


@dataclass(frozen=True, eq=False)
class Codebook:
    """L levels of residual codes (HSRL App. C, (27)–(31)); equal books have equal ``codebook_id``.

    Attributes:
        centroids: per level (V_l, d) float32: the codes of the residuals that the levels before it left over.
        n_items: per level (V_l,) int64: items that took the code when the codebook was learned.
        ood_error: the 99.9 % quantile of ‖x − dec(tokens)‖² then; an item above it is unlike anything learned from.
        embedding_id: the embedding model whose space the codes live in.
        continues: numbering_id of the codebook whose code numbers these are; empty where they were numbered by learning.
    """

    centroids: tuple[npt.NDArray[np.float32], ...]
    n_items: tuple[npt.NDArray[np.int64], ...]
    ood_error: float
    embedding_id: str
    continues: str = ""

    def __post_init__(self) -> None:
        """Refuse what is no codebook, and make the arrays read-only.

        Raises:
            ContractError: levels of several widths, values that are not finite, or more Semantic IDs than 2^64.
        """
        freeze = object.__setattr__
        freeze(self, "centroids", tuple(_frozen(level, np.float32) for level in self.centroids))
        freeze(self, "n_items", tuple(_frozen(counts, np.int64) for counts in self.n_items))
        freeze(self, "ood_error", float(np.float32(self.ood_error)))
        widths = {level.shape[1:] for level in self.centroids}
        if len(widths) != 1 or len(widths.copy().pop()) != 1 or [len(counts) for counts in self.n_items] != list(self.vocabulary):
            raise ContractError(
                f"codebook: levels of shapes {[level.shape for level in self.centroids]} with counts of "
                f"{[counts.shape for counts in self.n_items]}; expected (V_l, d) with one d, and (V_l,)"
            )
        if not all(np.isfinite(level).all() for level in self.centroids):
            raise ContractError("codebook: centroids hold NaN or infinite values; learn it again with: hsrl refresh --rebuild")
        if max(self.vocabulary) > MAX_CODES or not key_space_fits(self.vocabulary):
            raise ContractError(
                f"codebook: vocabulary {self.vocabulary} has a level of more than {MAX_CODES} codes or more than 2^64 Semantic "
                "IDs; use fewer: sids.vocabulary, sids.levels"
            )

    @property
    def vocabulary(self) -> tuple[int, ...]:
        """V_l, the number of codes of each level."""
        return tuple(len(level) for level in self.centroids)

    @property
    def n_levels(self) -> int:
        """L."""
        return len(self.centroids)

    @property
    def width(self) -> int:
        """d of the vectors that it encodes."""
        return int(self.centroids[0].shape[1])

    @cached_property
    def codebook_id(self) -> str:
        """Sixteen hex digits of the SHA-256 of everything the codebook holds."""
        continues = [self.continues] if self.continues else []
        head = json.dumps([self.embedding_id, self.ood_error, self.vocabulary, self.width, *continues])
        pieces = [head.encode()]
        for level, counts in zip(self.centroids, self.n_items, strict=True):
            pieces += [level.astype("<f4").tobytes(), counts.astype("<i8").tobytes()]
        return short_sha256(pieces)

    @property
    def numbering_id(self) -> str:
        """The codebook that first gave these code numbers their meaning; policies fit all codebooks of one numbering."""
        return self.continues or self.codebook_id

    def decode(self, tokens: npt.NDArray[np.uint16]) -> npt.NDArray[np.float32]:
        """The vectors that Semantic IDs stand for: dec(z) = Σ_l C_l[z_l].

        Args:
            tokens: (n, L), tokens[:, l] in [0, V_l).

        Returns:
            (n, d) float32.
        """
        vectors = self.centroids[0][tokens[:, 0]]
        for level in range(1, self.n_levels):
            vectors = vectors + self.centroids[level][tokens[:, level]]
        return vectors

    def to_frame(self) -> pl.DataFrame:
        """CODEBOOKS, a row a code, by level and code; levels count from 1."""
        levels = [
            pl.DataFrame(
                {
                    "level": np.full(len(counts), number),
                    "code": np.arange(len(counts)),
                    "centroid": pl.Series(centroids).arr.to_list(),
                    "n_items": counts,
                }
            )
            for number, (centroids, counts) in enumerate(zip(self.centroids, self.n_items, strict=True), start=1)
        ]
        rows = pl.concat(levels).with_columns(
            codebook_id=pl.lit(self.codebook_id),
            numbering_id=pl.lit(self.numbering_id),
            embedding_id=pl.lit(self.embedding_id),
            ood_error=pl.lit(self.ood_error),
        )
        return check(rows.cast(CODEBOOKS.schema).select(list(CODEBOOKS.schema)), CODEBOOKS, "codebook")

    @classmethod
    def from_frame(cls, rows: pl.DataFrame) -> "Codebook":
        """Read the rows of one codebook, in any order.

        Raises:
            ContractError: the rows are of no or several codebooks, a code is missing, or the bytes do not match the id.
        """
        rows = check(rows, CODEBOOKS, "codebook").sort("level", "code")
        heads = rows.select("codebook_id", "numbering_id", "embedding_id", "ood_error").unique()
        if heads.height != 1:
            raise ContractError(f"codebook: rows of {heads.height} codebooks, expected one; select those of one codebook_id")
        codebook_id, numbering_id, embedding_id, ood_error = heads.row(0)
        levels = rows.partition_by("level", maintain_order=True)
        for number, level in enumerate(levels, start=1):
            if level["level"][0] != number or level["code"].to_list() != list(range(level.height)):
                raise ContractError(f"codebook {codebook_id}: level {number} lacks codes; expected 0 … V-1 at levels 1 … L")
        book = cls(
            tuple(_stack(level["centroid"], codebook_id) for level in levels),
            tuple(level["n_items"].to_numpy() for level in levels),
            ood_error,
            embedding_id,
            "" if numbering_id == codebook_id else numbering_id,
        )
        if book.codebook_id != codebook_id:
            raise ContractError(
                f"codebook {codebook_id}: its bytes have the fingerprint {book.codebook_id}; it was changed "
                "or damaged: roll back to a release before that"
            )
        return book


def _frozen(values: npt.NDArray[np.generic], dtype: type[np.generic]) -> npt.NDArray[np.generic]:
    """A contiguous copy that cannot be written to."""
    copy = np.array(values, dtype=dtype, order="C")
    copy.flags.writeable = False
    return copy


def _stack(centroids: pl.Series, codebook_id: str) -> npt.NDArray[np.float32]:
    """(V, d) from the lists of one level."""
    widths: Sequence[int] = centroids.list.len().unique().to_list()
    if len(widths) != 1:
        raise ContractError(f"codebook {codebook_id}: centroids of {len(widths)} widths at one level, not one; it is damaged")
    return np.asarray(centroids.explode().to_numpy().reshape(-1, widths[0]), dtype=np.float32)
