"""Figures of a release's Semantic IDs. Adding one is a function and its line in a registry; docs/metrics.md has every formula."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import polars as pl

from pipeline.contracts import ITEMS, SID_HISTORY, SID_METRICS, check
from pipeline.errors import ContractError
from pipeline.sids.codebook import Codebook
from pipeline.sids.figures import (
    MeasuredRelease,
    category_ami,
    category_nmi,
    category_purity,
    chance_share,
    entropy_bits,
    explained,
    found_share,
    gini,
    kept,
    kept_numbers,
    margin,
    neighbourhood_overlap,
)
from pipeline.sids.quality import Pairs
from pipeline.sids.shift import FIGURES
from pipeline.sids.vectors import matrix, rows_kept, sorted_embeddings


def _n_begun(release: MeasuredRelease, reason: str) -> float:
    """Rows that begin with this release for ``reason``."""
    return release.rows.filter((pl.col("valid_from") == release.release_id) & (pl.col("reason") == reason)).height


def _n_closed(release: MeasuredRelease) -> float | None:
    """Items that had a SID in the previous release and have none now."""
    return None if release.previous is None else release.previous.join(release.rows, on="item_id", how="anti").height


def _shared_by_popularity(release: MeasuredRelease) -> float | None:
    """Share of the positives that lie on items which share their SID; None without positives."""
    if release.popularity is None or not release.popularity.sum():
        return None
    return float(release.popularity[release.shares_sid].sum() / release.popularity.sum())


def _outcome(name: str) -> Callable[[MeasuredRelease], float | None]:
    """How many items met an outcome of ``assign``; None where that was not counted."""
    return lambda release: release.outcomes.get(name)


def _shift(name: str) -> Callable[[MeasuredRelease], float | None]:
    """A figure of how the vectors shifted, or of the numbers of new codes; None where there were none to compare with."""
    return lambda release: release.shift.get(name)


def _quantile(share: float) -> Callable[[MeasuredRelease], float | None]:
    return lambda release: float(np.quantile(release.errors, share))


# A figure that does not exist for a release (no release before it, say) is None and gets no row.
OF_RELEASE: dict[str, Callable[[MeasuredRelease], float | None]] = {
    "n_items": lambda release: release.rows.height,
    "n_sids": lambda release: len(release.bucket_sizes),
    "shared_items": lambda release: int(release.bucket_sizes[release.bucket_sizes > 1].sum()),
    "shared_items_share": lambda release: float(release.bucket_sizes[release.bucket_sizes > 1].sum()) / release.rows.height,
    "excess_collisions": lambda release: release.rows.height - len(release.bucket_sizes),
    "icr": lambda release: float((release.bucket_sizes == 1).sum()) / release.rows.height,
    "conflicts": lambda release: release.n_distinct[1] - len(release.bucket_sizes),
    "twins": lambda release: release.rows.height - release.n_distinct[0],
    "shared_popularity_share": _shared_by_popularity,
    "largest_bucket": lambda release: int(release.bucket_sizes.max()),
    "ood_items": lambda release: int(release.rows["is_ood"].sum()),
    "mse": lambda release: release.level_errors[-1],
    "explained_variance": lambda release: explained(release, release.level_errors[-1]),
    "error_p50": _quantile(0.5),
    "error_p90": _quantile(0.9),
    "error_p99": _quantile(0.99),
    "resolution_cost": lambda release: release.level_errors[-1] / release.nearest_mse - 1 if release.nearest_mse else None,
    "neighbourhood_overlap": neighbourhood_overlap,
    "n_new": lambda release: _n_begun(release, "new"),
    "n_moved": lambda release: _n_begun(release, "moved"),
    "n_returned": lambda release: _n_begun(release, "returned"),
    "n_rebuilt": lambda release: _n_begun(release, "rebuild"),
    "n_carried": lambda release: _n_begun(release, "carried"),
    "n_closed": _n_closed,
    "n_deferred": _outcome("deferred"),
    "n_without": _outcome("without"),
    **{name: _shift(name) for name in FIGURES},
    "kept_share": lambda release: kept(release, release.codebook.n_levels),
    "kept_popularity_share": lambda release: kept(release, release.codebook.n_levels, weighted=True),
    "kept_numbers_share": lambda release: kept_numbers(release, release.codebook.n_levels),
    "kept_numbers_unaligned_share": _shift("kept_numbers_unaligned_share"),
}
# Levels count from 0 here and from 1 in the rows.
OF_LEVEL: dict[str, Callable[[MeasuredRelease, int], float | None]] = {
    "used_codes_share": lambda release, level: float((release.shares(level) > 0).mean()),
    "entropy": lambda release, level: entropy_bits(release.shares(level)),
    "perplexity": lambda release, level: 2.0 ** entropy_bits(release.shares(level)),
    "hourglass_ratio": lambda release, level: (
        entropy_bits(release.shares(level)) / float(np.log2(release.codebook.vocabulary[level]))
    ),
    "gini": lambda release, level: gini(release.shares(level)),
    "margin": margin,
    "prefix_fanout": lambda release, level: float((release.prefixes(level + 1).max() + 1) / (release.prefixes(level).max() + 1)),
    "category_purity": category_purity,
    "category_nmi": category_nmi,
    "category_ami": category_ami,
    "behaviour_share": lambda release, level: found_share(release.behaviour_shares, level),
    "behaviour_by_chance": lambda release, level: chance_share(release.behaviour_shares, level),
    "neighbours_share": lambda release, level: found_share(release.neighbour_shares, level),
    "neighbours_by_chance": lambda release, level: chance_share(release.neighbour_shares, level),
    "mse": lambda release, level: release.level_errors[level],
    "explained_variance": lambda release, level: explained(release, release.level_errors[level]),
    "kept_prefix_share": lambda release, level: kept(release, level + 1),
    "kept_prefix_popularity_share": lambda release, level: kept(release, level + 1, weighted=True),
    "kept_numbers_prefix_share": lambda release, level: kept_numbers(release, level + 1),
}
# What only a flow can measure: stages have no clock.
OF_RUN = ("seconds", "cpu_seconds", "peak_memory_mb")


@dataclass(frozen=True)
class ReleaseSids:
    """The Semantic IDs of a release.

    Attributes:
        release_id: the release.
        codebook: its codes.
        open_rows: SID_HISTORY, its open rows, all of ``codebook``.
        embeddings: EMBEDDINGS with a row for each of their items.
        previous: open rows of the release before, of any codebook; None at the first.
        same_numbering_ids: ids of earlier codebooks with the same numbering of codes.
        nearest: item_id and nearest_error of their items, where ``assign`` has found them; None: they are looked for.
    """

    release_id: int
    codebook: Codebook
    open_rows: pl.DataFrame
    embeddings: pl.DataFrame
    previous: pl.DataFrame | None = None
    same_numbering_ids: Collection[str] = ()
    nearest: pl.DataFrame | None = None


@dataclass(frozen=True)
class Background:
    """What else is known of a release; a figure that needs what is not known is left out.

    Attributes:
        items: ITEMS, for the figures of categories.
        popularity: item_id, n_positives, for the figures weighted by it.
        outcomes: number of items by outcome, as ``assign`` counted them.
        shift: the figures of ``shift_figures``, and of ``aligned_with_history`` after a rebuild.
        follows: left and right item_id of items that users liked one after the other.
    """

    items: pl.DataFrame | None = None
    popularity: pl.DataFrame | None = None
    outcomes: Mapping[str, int] = field(default_factory=dict)
    shift: Mapping[str, float] = field(default_factory=dict)
    follows: pl.DataFrame | None = None


def sid_metrics(release: ReleaseSids, background: Background = Background()) -> pl.DataFrame:
    """The figures of one release; level 0 stands for the whole Semantic ID.

    Args:
        release: its Semantic IDs and those of the release before.
        background: items, popularity, outcomes and vectors' shift, as far as they are known.

    Returns:
        SID_METRICS.

    Raises:
        ContractError: a broken contract, no open rows, rows of another codebook, or items without a vector.
    """
    measured = _measured(release, background)
    figures = [(0, name, figure(measured)) for name, figure in OF_RELEASE.items()]
    figures += [
        (level + 1, name, figure(measured, level))
        for name, figure in OF_LEVEL.items()
        for level in range(release.codebook.n_levels)
    ]
    return _rows(release.release_id, release.codebook.codebook_id, figures)


def run_metrics(release_id: int, codebook_id: str, values: tuple[float, float, float]) -> pl.DataFrame:
    """SID_METRICS of what the decision took: the figures OF_RUN (seconds, CPU seconds, megabytes) from their ``values``."""
    return _rows(release_id, codebook_id, [(0, name, value) for name, value in zip(OF_RUN, values, strict=True)])


def _rows(release_id: int, codebook_id: str, figures: list[tuple[int, str, float | None]]) -> pl.DataFrame:
    known = [(release_id, codebook_id, level, name, float(value)) for level, name, value in figures if value is not None]
    return check(pl.DataFrame(known, schema=SID_METRICS.schema, orient="row"), SID_METRICS, "SID metrics")


def _measured(release: ReleaseSids, background: Background) -> MeasuredRelease:
    """The release as the figures read it, after its contracts were checked."""
    rows = check(release.open_rows, SID_HISTORY, "SID metrics").sort("item_id")
    codebook_id = release.codebook.codebook_id
    if n_foreign := rows.filter((pl.col("codebook_id") != codebook_id) | pl.col("valid_to").is_not_null()).height:
        raise ContractError(
            f"SID metrics: {n_foreign} of {rows.height} rows are closed or of another codebook; expected open rows of "
            f"{codebook_id}: give those"
        )
    if rows.is_empty():
        raise ContractError("SID metrics: 0 items have a Semantic ID, expected at least one; embed active items first")
    vectors = sorted_embeddings(release.embeddings, "SID metrics")
    vectors = rows_kept(vectors, vectors["item_id"].is_in(rows["item_id"].implode()))
    if n_missing := rows.height - vectors.height:
        raise ContractError(f"SID metrics: {n_missing} of {rows.height} items have no vector; give the embeddings of all of them")
    categories = popularity = None
    if background.items is not None:
        items = check(background.items, ITEMS, "SID metrics")
        categories = rows.join(items, on="item_id", how="left", maintain_order="left")["categories"].fill_null([])
    if background.popularity is not None:
        liked = rows.join(background.popularity, on="item_id", how="left", maintain_order="left")
        popularity = liked["n_positives"].fill_null(0).to_numpy()
    return MeasuredRelease(
        rows=rows,
        vectors=matrix(vectors, "SID metrics"),
        nearest_errors=None if release.nearest is None else _in_order_of(rows, release.nearest),
        codebook=release.codebook,
        previous=release.previous,
        release_id=release.release_id,
        same_numbering_ids=release.same_numbering_ids,
        categories=categories,
        popularity=popularity,
        outcomes=dict(background.outcomes),
        shift=dict(background.shift),
        follows=None if background.follows is None else _rows_of(background.follows, rows["item_id"].to_numpy()),
    )


def _in_order_of(rows: pl.DataFrame, nearest: pl.DataFrame) -> npt.NDArray[np.float32]:
    """(n,) the errors of the nearest codes."""
    found = rows.select("item_id").join(nearest, on="item_id", how="left", maintain_order="left")["nearest_error"]
    if found.null_count():
        raise ContractError(
            f"SID metrics: {found.null_count()} of {rows.height} items have no nearest error; give those of all of them"
        )
    return found.to_numpy()


def _rows_of(pairs: pl.DataFrame, item_ids: npt.NDArray[np.int64]) -> Pairs:
    """The places among the rising ``item_ids`` of both ends of each pair; a pair that lacks one is left out."""
    ends = [pairs[side].to_numpy() for side in ("left", "right")]
    at = [np.minimum(np.searchsorted(item_ids, end), len(item_ids) - 1) for end in ends]
    known = (item_ids[at[0]] == ends[0]) & (item_ids[at[1]] == ends[1])
    return at[0][known], at[1][known]
