"""RQ-k-means beside the other ways to make tokens: how well they describe, how often items share, what thirty nights leave."""

import time
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import polars as pl
from threadpoolctl import threadpool_limits

from benchmarks.tokenizer.comparators import WAYS, Fit, Tokenizer, Tokens, TokenSpace, hsrl
from benchmarks.tokenizer.nights import kept
from benchmarks.tokenizer.report import Section
from benchmarks.tokenizer.stability import NIGHTS, WORLDS
from benchmarks.tokenizer.worlds import Matrix, vectors_of
from pipeline.sids.any_mapping import AnyMapping
from pipeline.sids.figures import entropy_bits
from pipeline.sids.quality import Pairs, likes_that_follow, shares_of_pairs

SEEDS, STEP = range(2), 5  # nights that are passed over at once
FIT_WORLDS, WAY_WORLDS = ("generated", "ml-1m"), ("ml-1m",)  # networks take minutes on the generated feed
EPSILON = 0.10  # of sids.epsilon, here for every way alike


def use_of_codes(tokens: Tokens, codes: int) -> tuple[float, int, float, float]:
    """Share of the items that share their tokens, the largest bucket, the largest code ÷ mean, the mean entropy of the levels ÷ log₂ V."""
    counts = np.unique(tokens, axis=0, return_counts=True)[1]
    levels = [np.bincount(level, minlength=codes) / len(tokens) for level in tokens.T]
    crowding, bits = float(np.max(levels)) * codes, float(np.mean([entropy_bits(level) for level in levels]))
    return float(counts[counts > 1].sum() / len(tokens)), int(counts.max()), crowding, bits / np.log2(codes)


def squared_errors(vectors: Matrix, tokens: Tokens, tokenizer: Tokenizer) -> Matrix:
    """(n,) ‖x − dec(z)‖²."""
    return np.asarray(((vectors - tokenizer.decode(tokens)) ** 2).sum(axis=1))


# name → settings of [sids]
FITS: dict[str, dict[str, object]] = {
    "20 rounds together, 2 iterations": {"joint_rounds": 20, "iterations": 2},
    "5 rounds, 10 iterations": {"joint_rounds": 5, "iterations": 10},
    "20 rounds, 20 iterations": {"joint_rounds": 20, "iterations": 20},
    "no rounds, 2 iterations": {"joint_rounds": 0, "iterations": 2},
    "no rounds, 25 iterations": {"joint_rounds": 0, "iterations": 25},
    "20 rounds, 2 iterations, balance 1.5": {"joint_rounds": 20, "iterations": 2, "balance": 1.5},
    "20 rounds, 2 iterations, balance 1.2": {"joint_rounds": 20, "iterations": 2, "balance": 1.2},
}
COLUMNS = [
    "MSE ÷ variance",
    "items that share all tokens",
    "largest bucket",
    "largest code ÷ mean",
    "entropy ÷ log₂ V",
    "CPU s",
    "likes that follow: level 1, levels 1–2",
    f"kept after {NIGHTS} nights, plain",
    "kept with hysteresis",
]


@dataclass(frozen=True)
class Path:
    """What the ways are measured on.

    Attributes:
        codes: V of every level.
        start: (n, d) vectors with signal of the first night.
        known: (m, d) of those of them that are there at the end.
        later: the same items' vectors, every fifth night.
        follows: rows of ``start``, both ends of likes that follow one another.
    """

    codes: int
    start: Matrix
    known: Matrix
    later: list[Matrix]
    follows: Pairs


def by_way() -> Section:
    """Every way on the first night of a world, and how many tokens are the same after thirty."""
    rows = []
    for name in WAY_WORLDS:
        path = _path(name)
        for way, make in WAYS.items():
            print(f"  {way} on {name}", flush=True)
            rows.append([name, f"3 × {path.codes}", way, *_row(make(TokenSpace(3, path.codes)), path)])
    return Section(
        "RQ-k-means and the other ways to make tokens",
        ["world", "codes", "way", *COLUMNS],
        rows,
        f"Items with signal; means over {len(SEEDS)} seeds, of the largest bucket the largest. RQ-VAE (k-means++ start, commitment 0.25, "
        "latent 32) and FSQ are trained for 12 epochs and 60, with which they take the CPU seconds of the table; OPQ with "
        "10 rotations. Likes that follow: how often two likes of a user, one after the other, share their prefix, times what shuffled "
        f"items would. Kept: the same tokens as on the first night, by what was learned then, on the vectors of {NIGHTS} nights later; "
        f"plain: encoded anew; with hysteresis: every {STEP} nights an item keeps its tokens while their error is at most "
        f"{1 + EPSILON:.2f} times that of the new ones, the rule of `sids.epsilon` without the churn budget, for every way alike.",
    )


def by_fit() -> Section:
    """The settings of RQ-k-means, measured like the ways."""
    rows = []
    for name in FIT_WORLDS:
        path = _path(name)
        for fit, changes in FITS.items():
            print(f"  {fit} on {name}", flush=True)
            rows.append([name, f"3 × {path.codes}", fit, *_row(hsrl(TokenSpace(3, path.codes), **changes), path)])
    return Section(
        "RQ-k-means: iterations, rounds together, balance",
        ["world", "codes", "settings", *COLUMNS],
        rows,
        f"Means over {len(SEEDS)} seeds; columns as above.",
    )


@lru_cache
def _path(name: str) -> Path:
    nights, config, width = WORLDS[name]
    by_night = list(nights(NIGHTS))
    model = by_night[0].learn(width)
    start = by_night[0].embed(model).filter("has_signal").sort("item_id")
    path = [night.embed(model).join(start, on="item_id", how="semi").sort("item_id") for night in by_night[STEP::STEP]]
    known = start.join(path[-1], on="item_id", how="semi")
    liked = by_night[0].positives.with_columns(record_index=pl.int_range(pl.len()))
    pairs = likes_that_follow(liked, liked["user_id"].n_unique())
    both = pairs.filter(pl.all_horizontal(pl.col("left", "right").is_in(start["item_id"].implode())))
    ids = start["item_id"].to_numpy()
    return Path(
        config.vocabulary_per_level[0],
        vectors_of(start),
        vectors_of(known),
        [vectors_of(night.join(known, on="item_id", how="semi")) for night in path],
        (np.searchsorted(ids, both["left"].to_numpy()), np.searchsorted(ids, both["right"].to_numpy())),
    )


def _row(fit: Fit, path: Path) -> list[str]:
    figures = []
    for seed in SEEDS:
        with threadpool_limits(limits=1):
            began = time.process_time()
            tokenizer = fit(path.start, seed)
            cpu = time.process_time() - began
            tokens = tokenizer.encode(path.start)
            variance = float(((path.start - path.start.mean(axis=0)) ** 2).sum(axis=1).mean())
            error = float(squared_errors(path.start, tokens, tokenizer).mean()) / variance
            kept_shares = _kept(tokenizer, path)
        prefixes = AnyMapping("", tuple(map(str, range(len(tokens)))), tokens.astype(np.int64)).prefixes()
        follows = [share.found / share.by_chance for share in shares_of_pairs(prefixes, path.follows)[:2]]
        figures.append((error, *use_of_codes(tokens, path.codes), cpu, *follows, *kept_shares))
    error, shared, _, crowding, entropy, cpu, first, second, plain, held = np.mean(figures, axis=0)
    largest = max(row[2] for row in figures)
    return [
        f"{error:.3f}",
        f"{shared:.1%}",
        f"{largest:,.0f}",
        f"{crowding:.2f}",
        f"{entropy:.3f}",
        f"{cpu:.2f}",
        f"{first:.2f}, {second:.1f}",
        f"{plain:.1%}",
        f"{held:.1%}",
    ]


def _kept(tokenizer: Tokenizer, path: Path) -> tuple[float, float]:
    """Share of the known items with all tokens of the first night: encoded anew on the last, and held night by night."""
    first = tokenizer.encode(path.known)
    held, new = first.copy(), first
    for vectors in path.later:
        new = tokenizer.encode(vectors)
        moves = squared_errors(vectors, held, tokenizer) > (1 + EPSILON) * squared_errors(vectors, new, tokenizer)
        held[moves] = new[moves]
    return kept(first, new)[-1], kept(first, held)[-1]
