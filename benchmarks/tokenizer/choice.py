"""RQ-k-means beside the other ways to make tokens: how well they describe, how often items share, what thirty nights leave."""

import time
from collections.abc import Callable

import numpy as np
from threadpoolctl import threadpool_limits

from benchmarks.tokenizer.comparators import WAYS, Tokenizer, Tokens, TokenSpace
from benchmarks.tokenizer.nights import kept
from benchmarks.tokenizer.report import Section
from benchmarks.tokenizer.stability import NIGHTS, WORLDS
from benchmarks.tokenizer.worlds import Matrix, vectors_of
from pipeline.sids.figures import entropy_bits

SEEDS = range(3)
CHOICE_WORLDS = ("generated", "ml-1m")
EPSILON = 0.10  # of sids.epsilon, here for every way alike


def use_of_codes(tokens: Tokens, codes: int) -> tuple[float, int, float]:
    """Share of the items that share their tokens, the largest bucket, and the mean entropy of the levels ÷ log₂ V."""
    counts = np.unique(tokens, axis=0, return_counts=True)[1]
    levels = [entropy_bits(np.bincount(level, minlength=codes) / len(tokens)) for level in tokens.T]
    return float(counts[counts > 1].sum() / len(tokens)), int(counts.max()), float(np.mean(levels) / np.log2(codes))


def squared_errors(vectors: Matrix, tokens: Tokens, tokenizer: Tokenizer) -> Matrix:
    """(n,) ‖x − dec(z)‖²."""
    return np.asarray(((vectors - tokenizer.decode(tokens)) ** 2).sum(axis=1))


def by_way() -> Section:
    """Every way on the first night of a world, and how many tokens are the same after thirty."""
    rows = []
    for name in CHOICE_WORLDS:
        nights, config, width = WORLDS[name]
        night_by_night = list(nights(NIGHTS))
        model = night_by_night[0].learn(width)
        start = night_by_night[0].embed(model).filter("has_signal")
        path = [
            night.embed(model).join(start.select("item_id"), on="item_id", how="semi").sort("item_id")
            for night in night_by_night[1:]
        ]
        known = start.join(path[-1].select("item_id"), on="item_id", how="semi").sort("item_id")
        later = [vectors_of(night.join(known.select("item_id"), on="item_id", how="semi")) for night in path]
        codes = config.vocabulary_per_level[0]
        for way, make in WAYS.items():
            print(f"  {way} on {name}", flush=True)
            rows.append(
                [name, f"3 × {codes}", way, *_row(make(TokenSpace(3, codes)), vectors_of(start), vectors_of(known), later, codes)]
            )
    return Section(
        "RQ-k-means and the other ways to make tokens",
        [
            "world",
            "codes",
            "way",
            "MSE ÷ variance",
            "items that share all tokens",
            "largest bucket",
            "entropy ÷ log₂ V",
            "CPU s",
            f"kept after {NIGHTS} nights, plain",
            "kept with hysteresis",
        ],
        rows,
        f"Items with signal; means over {len(SEEDS)} seeds, of the largest bucket the largest. RQ-VAE (k-means++ start, commitment 0.25, latent 32) "
        "and FSQ are trained for about the CPU seconds of hsrl on the generated feed, and for ten times as many steps; OPQ with 10 rotations. "
        f"Kept: the same tokens as on the first night, by what was learned then, on the vectors of {NIGHTS} nights later; plain: encoded anew; "
        f"with hysteresis: night by night an item keeps its tokens while their error is at most {1 + EPSILON:.2f} times that of the new ones, "
        "the rule of `sids.epsilon` without the churn budget, for every way alike.",
    )


def _row(fit: Callable[[Matrix, int], Tokenizer], start: Matrix, known: Matrix, later: list[Matrix], codes: int) -> list[str]:
    figures = []
    for seed in SEEDS:
        with threadpool_limits(limits=1):
            began = time.process_time()
            tokenizer = fit(start, seed)
            cpu = time.process_time() - began
            tokens = tokenizer.encode(start)
            variance = float(((start - start.mean(axis=0)) ** 2).sum(axis=1).mean())
            error = float(squared_errors(start, tokens, tokenizer).mean()) / variance
            first = tokenizer.encode(known)
            plain, held = tokenizer.encode(later[-1]), first.copy()
            for vectors in later:
                new = tokenizer.encode(vectors)
                moves = squared_errors(vectors, held, tokenizer) > (1 + EPSILON) * squared_errors(vectors, new, tokenizer)
                held[moves] = new[moves]
        figures.append((error, *use_of_codes(tokens, codes), cpu, kept(first, plain)[-1], kept(first, held)[-1]))
    error, shared, _, entropy, cpu, plain_kept, held_kept = np.mean(figures, axis=0)
    largest = max(row[2] for row in figures)
    return [
        f"{error:.3f}",
        f"{shared:.1%}",
        f"{largest:,.0f}",
        f"{entropy:.3f}",
        f"{cpu:.2f}",
        f"{plain_kept:.1%}",
        f"{held_kept:.1%}",
    ]
