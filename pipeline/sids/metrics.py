"""Figures of a release's Semantic IDs. Adding one is a function and its line in a registry; docs/metrics.md has every formula."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
import polars as pl

from pipeline.contracts import SID_HISTORY, SID_METRICS, check
from pipeline.errors import ContractError
from pipeline.sids.codebook import Codebook
from pipeline.sids.vectors import matrix, sorted_embeddings, squared_norms


@dataclass(frozen=True)
class Release:
    """What the figures are read from: n items with a SID, in the order of item_id.

    Attributes:
        rows: open SID_HISTORY rows of the release.
        vectors: (n, d) of the same items.
        codebook: the codes.
        previous: open rows of the release before; None at the first.
        release_id: the release.
    """

    rows: pl.DataFrame
    vectors: npt.NDArray[np.float32]
    codebook: Codebook
    previous: pl.DataFrame | None
    release_id: int

    @cached_property
    def tokens(self) -> npt.NDArray[np.uint16]:
        """(n, L)."""
        return self.rows["tokens"].explode().to_numpy().reshape(-1, self.codebook.n_levels)

    @cached_property
    def level_errors(self) -> list[float]:
        """Mean ‖x − Σ_{j≤l} C_j[z_j]‖² after each level l."""
        residual = self.vectors.copy()
        errors = []
        for level, centroids in enumerate(self.codebook.centroids):
            residual -= centroids[self.tokens[:, level]]
            errors.append(float(squared_norms(residual).mean(dtype=np.float64)))
        return errors

    @cached_property
    def variance(self) -> float:
        """Mean ‖x − x̄‖²."""
        return float(squared_norms(self.vectors - self.vectors.mean(axis=0)).mean(dtype=np.float64))

    @cached_property
    def bucket_sizes(self) -> npt.NDArray[np.int64]:
        """Items of each SID in use."""
        return np.asarray(self.rows.group_by("sid_key").len(name="n")["n"].to_numpy(), dtype=np.int64)

    @cached_property
    def survivors(self) -> pl.DataFrame:
        """Items of this release and the previous: both tokens and whether their codebook is the same."""
        if self.previous is None:
            return pl.DataFrame(
                schema={"tokens": pl.List(pl.UInt16), "tokens_before": pl.List(pl.UInt16), "is_same_book": pl.Boolean}
            )
        before = self.previous.select("item_id", tokens_before="tokens", codebook_before="codebook_id")
        return self.rows.join(before, on="item_id").with_columns(is_same_book=pl.col("codebook_id") == pl.col("codebook_before"))

    def shares(self, level: int) -> npt.NDArray[np.float64]:
        """Share of the items that each of the V_l codes holds; sums to 1."""
        return np.bincount(self.tokens[:, level], minlength=self.codebook.vocabulary[level]) / len(self.tokens)


def entropy_bits(shares: npt.NDArray[np.float64]) -> float:
    """H = −Σ p log₂ p over p > 0, in bits."""
    used = shares[shares > 0]
    return float(-(used * np.log2(used)).sum())


def _explained(release: Release, error: float) -> float | None:
    """1 − error / variance; None where all vectors are the same."""
    return 1.0 - error / release.variance if release.variance > 0 else None


def _kept(release: Release, n_levels: int) -> float | None:
    """Share of the survivors whose first ``n_levels`` codes, of the same codebook, are unchanged; None without survivors."""
    same = pl.col("tokens").list.head(n_levels) == pl.col("tokens_before").list.head(n_levels)
    share = release.survivors.select((same & pl.col("is_same_book")).mean()).item()
    return None if share is None else float(share)


def _n_begun(release: Release, reason: str) -> float:
    """Rows that begin with this release for ``reason``."""
    return release.rows.filter((pl.col("valid_from") == release.release_id) & (pl.col("reason") == reason)).height


def _n_closed(release: Release) -> float | None:
    """Items that had a SID in the previous release and have none now."""
    return None if release.previous is None else release.previous.join(release.rows, on="item_id", how="anti").height


# A figure that does not exist for a release (no release before it, say) is None and gets no row.
OF_RELEASE: dict[str, Callable[[Release], float | None]] = {
    "n_items": lambda release: release.rows.height,
    "n_sids": lambda release: len(release.bucket_sizes),
    "shared_items": lambda release: int(release.bucket_sizes[release.bucket_sizes > 1].sum()),
    "shared_items_share": lambda release: float(release.bucket_sizes[release.bucket_sizes > 1].sum()) / release.rows.height,
    "excess_collisions": lambda release: release.rows.height - len(release.bucket_sizes),
    "largest_bucket": lambda release: int(release.bucket_sizes.max()),
    "ood_items": lambda release: int(release.rows["is_ood"].sum()),
    "mse": lambda release: release.level_errors[-1],
    "explained_variance": lambda release: _explained(release, release.level_errors[-1]),
    "n_new": lambda release: _n_begun(release, "new"),
    "n_moved": lambda release: _n_begun(release, "moved"),
    "n_returned": lambda release: _n_begun(release, "returned"),
    "n_rebuilt": lambda release: _n_begun(release, "rebuild"),
    "n_closed": _n_closed,
    "kept_share": lambda release: _kept(release, release.codebook.n_levels),
}
# Levels count from 0 here and from 1 in the rows.
OF_LEVEL: dict[str, Callable[[Release, int], float | None]] = {
    "used_codes_share": lambda release, level: float((release.shares(level) > 0).mean()),
    "entropy": lambda release, level: entropy_bits(release.shares(level)),
    "perplexity": lambda release, level: 2.0 ** entropy_bits(release.shares(level)),
    "mse": lambda release, level: release.level_errors[level],
    "explained_variance": lambda release, level: _explained(release, release.level_errors[level]),
    "kept_prefix_share": lambda release, level: _kept(release, level + 1),
}


def sid_metrics(
    open_rows: pl.DataFrame, embeddings: pl.DataFrame, codebook: Codebook, previous: pl.DataFrame | None, release_id: int
) -> pl.DataFrame:
    """The figures of one release; level 0 stands for the whole Semantic ID.

    Args:
        open_rows: SID_HISTORY, the release's open rows, all of ``codebook``.
        embeddings: EMBEDDINGS with a row for each of their items.
        codebook: the codes.
        previous: open rows of the release before, of any codebook; None at the first.
        release_id: the release.

    Returns:
        SID_METRICS.

    Raises:
        ContractError: a broken contract, no open rows, rows of another codebook, or items without a vector.
    """
    rows = check(open_rows, SID_HISTORY, "SID metrics").sort("item_id")
    if n_foreign := rows.filter((pl.col("codebook_id") != codebook.codebook_id) | pl.col("valid_to").is_not_null()).height:
        raise ContractError(
            f"SID metrics: {n_foreign} of {rows.height} rows are closed or of another codebook; expected open rows of "
            f"{codebook.codebook_id}: give those"
        )
    if rows.is_empty():
        raise ContractError("SID metrics: 0 items have a Semantic ID, expected at least one; embed active items first")
    vectors = sorted_embeddings(embeddings, "SID metrics").join(rows.select("item_id"), on="item_id", how="semi")
    if n_missing := rows.height - vectors.height:
        raise ContractError(f"SID metrics: {n_missing} of {rows.height} items have no vector; give the embeddings of all of them")
    release = Release(rows, matrix(vectors.sort("item_id"), "SID metrics"), codebook, previous, release_id)
    figures = [(0, name, figure(release)) for name, figure in OF_RELEASE.items()]
    figures += [
        (level + 1, name, figure(release, level)) for name, figure in OF_LEVEL.items() for level in range(codebook.n_levels)
    ]
    known = [(release_id, codebook.codebook_id, level, name, float(value)) for level, name, value in figures if value is not None]
    return check(pl.DataFrame(known, schema=SID_METRICS.schema, orient="row"), SID_METRICS, "SID metrics")
