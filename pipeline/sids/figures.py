"""What the figures of a release are read from, and the arithmetic behind them; docs/metrics.md has every formula."""

from collections.abc import Collection
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
import polars as pl

from pipeline.sids.codebook import Codebook
from pipeline.sids.encode import encode, reconstruction_errors
from pipeline.sids.mutual_information import adjusted, normalised
from pipeline.sids.names import fixed_hash
from pipeline.sids.quality import NEIGHBOURS, QUERIES, SAMPLE_ROWS, Pairs, Share, nearest_others, shares_of_pairs
from pipeline.sids.vectors import distinct_rows, mean_square_from_centre, squared_norms

Matrix = npt.NDArray[np.float32]


@dataclass(frozen=True)
class MeasuredRelease:
    """n items with a SID, in the order of item_id.

    Attributes:
        rows: open SID_HISTORY rows of the release.
        vectors: (n, d) of the same items.
        nearest_errors: (n,) ‖x − dec(nearest)‖² where they are known already; None: they are worked out.
        codebook: the codes.
        previous: open rows of the release before; None at the first.
        release_id: the release.
        same_numbering_ids: ids of earlier codebooks with the same numbering of codes.
        categories: (n,) lists of names, coarsest first; None where they are not known.
        popularity: (n,) positives of each item; None where they are not known.
        outcomes: how many items met which of assign's outcomes; empty where they were not counted.
        shift: how the vectors differ from those of the release before, by figure; empty where there is none to compare.
        follows: rows of items that users liked one after the other, (m,) each; None where that is not known.
    """

    rows: pl.DataFrame
    vectors: Matrix
    nearest_errors: npt.NDArray[np.float32] | None
    codebook: Codebook
    previous: pl.DataFrame | None
    release_id: int
    same_numbering_ids: Collection[str]
    categories: pl.Series | None
    popularity: npt.NDArray[np.int64] | None
    outcomes: dict[str, int]
    shift: dict[str, float]
    follows: Pairs | None

    @cached_property
    def tokens(self) -> npt.NDArray[np.uint16]:
        """(n, L)."""
        return self.rows["tokens"].explode().to_numpy().reshape(-1, self.codebook.n_levels)

    @cached_property
    def errors(self) -> Matrix:
        """(n,) ‖x − dec(z)‖²."""
        return reconstruction_errors(self.vectors, self.tokens, self.codebook)

    @cached_property
    def nearest_mse(self) -> float:
        """Mean error of the nearest codes, as if nothing had to be kept or resolved."""
        errors = encode(self.vectors, self.codebook).recon_error if self.nearest_errors is None else self.nearest_errors
        return float(errors.mean(dtype=np.float64))

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
        return mean_square_from_centre(self.vectors)

    @cached_property
    def bucket_sizes(self) -> npt.NDArray[np.int64]:
        """Items of each SID in use."""
        return np.asarray(self.rows.group_by("sid_key").len(name="n")["n"].to_numpy(), dtype=np.int64)

    @cached_property
    def shares_sid(self) -> npt.NDArray[np.bool_]:
        """(n,) whether another item has the same SID."""
        return self.rows.select(pl.len().over("sid_key") > 1).to_series().to_numpy()

    @cached_property
    def n_distinct(self) -> tuple[int, int]:
        """Distinct vectors, and distinct pairs of vector and SID."""
        first, group = distinct_rows(self.vectors)
        pairs = pl.DataFrame({"group": group, "sid": self.rows["sid_key"]}).n_unique()
        return len(first), pairs

    @cached_property
    def survivors(self) -> pl.DataFrame:
        """Items of this release and the previous: both tokens, whether their numbering is the same, and ``weight`` (positives)."""
        if self.previous is None:
            return pl.DataFrame(
                schema={
                    "tokens": pl.List(pl.UInt16),
                    "tokens_before": pl.List(pl.UInt16),
                    "is_same_book": pl.Boolean,
                    "weight": pl.Float64,
                }
            )
        before = self.previous.select("item_id", tokens_before="tokens", codebook_before="codebook_id")
        weight = pl.lit(None, pl.Float64) if self.popularity is None else pl.Series(self.popularity.astype(np.float64))
        same = pl.col("codebook_before").is_in([self.codebook.codebook_id, *self.same_numbering_ids])
        return self.rows.with_columns(weight=weight).join(before, on="item_id").with_columns(is_same_book=same)

    @cached_property
    def sample(self) -> npt.NDArray[np.int64]:
        """Rising row numbers of at most 20,000 items, drawn by a fixed hash."""
        hashes = fixed_hash(self.rows["item_id"].to_numpy())
        return np.sort(np.argsort(hashes, kind="stable")[:SAMPLE_ROWS])

    @cached_property
    def first_labels(self) -> npt.NDArray[np.int64] | None:
        """(n,) numbers of the first category; −1 without any; None where none are known."""
        return self._labels(1)

    @cached_property
    def second_labels(self) -> npt.NDArray[np.int64] | None:
        """The same of the first two categories together."""
        return self._labels(2)

    def _labels(self, n_categories: int) -> npt.NDArray[np.int64] | None:
        if self.categories is None or not (self.categories.list.len() > 0).any():
            return None
        names = self.categories.list.head(n_categories).list.join("\x1f")
        return np.where(names == "", -1, names.cast(pl.Categorical).to_physical().cast(pl.Int64).to_numpy())

    def shares(self, level: int) -> npt.NDArray[np.float64]:
        """Share of the items that each of the V_l codes holds; sums to 1."""
        return np.bincount(self.tokens[:, level], minlength=self.codebook.vocabulary[level]) / len(self.tokens)

    @cached_property
    def _prefixes(self) -> list[npt.NDArray[np.int64]]:
        """What ``prefixes`` gives for 0 to L levels: six figures of every level ask for them, and each sort is of n numbers."""
        numbers = [np.zeros(len(self.tokens), dtype=np.int64)]
        for level, n_codes in enumerate(self.codebook.vocabulary):
            longer = numbers[-1] * n_codes + self.tokens[:, level]  # below n · V: a dense number a prefix, and a code
            numbers.append(np.unique(longer, return_inverse=True)[1].ravel())
        return numbers

    @cached_property
    def nearest(self) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.int64]] | None:
        """Rows of the sample, a thousand queries among them, and their ten nearest others there by vector; None below eleven items."""
        rows = self.sample
        if len(rows) <= NEIGHBOURS:
            return None
        hashes = fixed_hash(self.rows["item_id"].to_numpy()[rows])
        queries = np.argsort(hashes, kind="stable")[:QUERIES]
        return rows, queries, nearest_others(self.vectors[rows], queries)

    @cached_property
    def neighbour_shares(self) -> list[Share] | None:
        """By level, how often an item and one of its nearest others share their prefix; None below eleven items."""
        if self.nearest is None:
            return None
        rows, queries, found = self.nearest
        return self._shares((rows[np.repeat(queries, NEIGHBOURS)], rows[found.ravel()]))

    @cached_property
    def behaviour_shares(self) -> list[Share] | None:
        """By level, how often likes of a user that follow one another share their prefix; None where none are known."""
        return None if self.follows is None or not len(self.follows[0]) else self._shares(self.follows)

    def _shares(self, pairs: Pairs) -> list[Share]:
        return shares_of_pairs(np.array(self._prefixes[1:]), pairs)

    def prefixes(self, n_levels: int) -> npt.NDArray[np.int64]:
        """(n,) numbers of the prefixes of the first levels, dense, in the order of their tokens; all 0 for none."""
        return self._prefixes[n_levels]


def entropy_bits(shares: npt.NDArray[np.float64]) -> float:
    """H = −Σ p log₂ p over p > 0, in bits."""
    used = shares[shares > 0]
    return float(-(used * np.log2(used)).sum())


def gini(shares: npt.NDArray[np.float64]) -> float:
    """Gini coefficient of shares that sum to 1: 0 where all are equal, near 1 where a single code holds all."""
    rank = np.arange(1, len(shares) + 1)
    return float(2 * (rank * np.sort(shares)).sum() / len(shares) - (len(shares) + 1) / len(shares))


def explained(release: MeasuredRelease, error: float) -> float | None:
    """1 − error / variance; None where all vectors are the same."""
    return 1.0 - error / release.variance if release.variance > 0 else None


def kept(release: MeasuredRelease, n_levels: int, *, weighted: bool = False) -> float | None:
    """Share of the survivors (or of their positives) whose first codes, of the same numbering, are unchanged; None without any."""
    same = pl.col("tokens").list.head(n_levels) == pl.col("tokens_before").list.head(n_levels)
    weight = pl.col("weight") if weighted else pl.lit(1.0)
    total = (weight * pl.col("is_same_book").is_not_null()).sum()
    share = release.survivors.select(((same & pl.col("is_same_book")) * weight).sum() / total).item()
    return None if share is None or np.isnan(share) else float(share)


def kept_numbers(release: MeasuredRelease, n_levels: int) -> float | None:
    """Share of the survivors whose first codes have the same numbers, whatever these mean; None where the numbering is the same."""
    rebuilt = release.survivors.filter(~pl.col("is_same_book"))
    if rebuilt.is_empty():
        return None
    same = pl.col("tokens").list.head(n_levels) == pl.col("tokens_before").list.head(n_levels)
    return float(rebuilt.select(same.mean()).item())


def margin(release: MeasuredRelease, level: int) -> float | None:
    """Median of (d₂ − d₁) / d₂ over a sample, d₁ and d₂ the squared distances to the two nearest codes; None at a suffix level."""
    codes = release.codebook.centroids[level]
    if not codes.any():
        return None
    residual = release.vectors[release.sample]
    for before in range(level):
        residual = residual - release.codebook.centroids[before][release.tokens[release.sample, before]]
    halves = np.einsum("vd,vd->v", codes, codes) - 2 * (residual @ codes.T)
    nearest = np.partition(halves, 1, axis=1)[:, :2] + np.einsum("nd,nd->n", residual, residual)[:, None]
    return float(np.median(1 - np.maximum(nearest[:, 0], 0) / np.maximum(nearest[:, 1], 1e-12)))


def labels(release: MeasuredRelease, level: int) -> npt.NDArray[np.int64] | None:
    """(n,) numbers of the first category (level 0) or the first two together; −1 without any; None where none are known."""
    return release.first_labels if level == 0 else release.second_labels


def category_nmi(release: MeasuredRelease, level: int) -> float | None:
    """Normalised mutual information of prefix and category over items that have one."""
    categories = labels(release, level)
    if categories is None:
        return None
    known = categories >= 0
    return normalised(categories[known], release.prefixes(level + 1)[known])


def category_ami(release: MeasuredRelease, level: int) -> float | None:
    """Mutual information of prefix and category beyond what as many prefixes of the same sizes give by chance, over a sample."""
    categories = labels(release, level)
    if categories is None:
        return None
    rows = release.sample[categories[release.sample] >= 0]
    return adjusted(categories[rows], release.prefixes(level + 1)[rows])


def category_purity(release: MeasuredRelease, level: int) -> float | None:
    """Share of the items (that have a category) in the largest category of their prefix."""
    categories = labels(release, level)
    if categories is None:
        return None
    pairs = pl.DataFrame({"prefix": release.prefixes(level + 1), "label": categories}).filter(pl.col("label") >= 0)
    largest = pairs.group_by("prefix", "label").len().group_by("prefix").agg(pl.col("len").max())
    return float(largest["len"].sum()) / pairs.height


def neighbourhood_overlap(release: MeasuredRelease) -> float | None:
    """Mean share of an item's ten nearest others that are also nearest between decoded Semantic IDs; None below eleven items."""
    nearest = release.nearest
    if nearest is None:
        return None
    rows, queries, by_vector = nearest
    by_code = nearest_others(release.codebook.decode(release.tokens[rows]), queries)
    return float(np.mean([len(set(a) & set(b)) for a, b in zip(by_vector.tolist(), by_code.tolist(), strict=True)])) / NEIGHBOURS


def found_share(shares: list[Share] | None, level: int) -> float | None:
    """How often pairs share their prefix of ``level`` + 1 codes; None where there are no pairs."""
    return shares[level].found if shares else None


def chance_share(shares: list[Share] | None, level: int) -> float | None:
    """The same for shuffled items."""
    return shares[level].by_chance if shares else None
