"""Who keeps its Semantic ID after one night and after thirty."""

import time
from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import polars as pl

from benchmarks.tokenizer.nights import Dact, Tokenized, aligned, by_common_items, cold, kept, plain, warm
from benchmarks.tokenizer.report import Section
from benchmarks.tokenizer.worlds import Matrix, Night, frame_of, generated_nights, movielens_nights, vectors_of
from pipeline.contracts import IS_OPEN, ITEMS, SID_HISTORY, open_rows
from pipeline.embeddings.model import EmbeddingModel
from pipeline.sids.align import old_numbers, renumbered
from pipeline.sids.assign import apply_changes, assign
from pipeline.sids.codebook import Codebook
from pipeline.sids.config import SidsConfig
from pipeline.sids.drift import drift
from pipeline.sids.encode import reconstruction_errors
from pipeline.sids.inputs import NightInputs, SidIncumbents
from pipeline.sids.learn import learn_codebook
from pipeline.sids.nightly import mode_of
from pipeline.sids.recentre import recentre
from pipeline.sids.vectors import mean_square_from_centre

NOISE, CHURN, NIGHTS = 0.15, 0.05, 30
Ids = npt.NDArray[np.int64]
Worlds = dict[str, tuple[Callable[[int], Iterator[Night]], SidsConfig, int]]
# name → its nights, the tokenizer's settings, the width of its vectors
WORLDS: Worlds = {
    "generated": (generated_nights, SidsConfig(vocabulary=256), 64),
    "ml-1m": (lambda n: movielens_nights("ml-1m", n), SidsConfig(vocabulary=64), 32),
    "ml-100k": (lambda n: movielens_nights("ml-100k", n), SidsConfig(vocabulary=64), 32),
}


def catalogue(ids: Ids) -> pl.DataFrame:
    """ITEMS of active items that nothing is told of."""
    rows = pl.DataFrame({"item_id": ids}, schema={"item_id": pl.Int64})
    empty = {name: pl.lit(None, dtype) for name, dtype in ITEMS.schema.items() if name not in ("item_id", "is_active")}
    known = {"raw_id": pl.col("item_id").cast(pl.String), "categories": pl.lit([], pl.List(pl.String)), "is_active": pl.lit(True)}
    return rows.with_columns(**{**empty, **known}).select(list(ITEMS.schema))


class Ours:
    """The nightly decision, one release after another, as pipeline/sids/nightly.py does it."""

    def __init__(self, book: Codebook, config: SidsConfig, **changes: float | str) -> None:
        self.book, self.config = book, config.model_copy(update=changes)
        self.history, self.release = SID_HISTORY.empty(), 0
        self.modes: list[str] = []
        self.explained: dict[str, float] = {}  # by codebook, in its first release

    def night(self, embeddings: pl.DataFrame) -> None:
        """Decide one night."""
        self.release += 1
        ids = embeddings["item_id"].to_numpy()
        before, is_open = self.book, IS_OPEN
        mode = self.config.mode
        same_numbering_ids = set(self.history["codebook_id"])
        if mode == "auto":
            seen = None if self.release == 1 else drift(embeddings, before, self.history, same_numbering_ids, (), self.explained)
            mode = mode_of(self.config, seen)[0] if seen else "append"
        if mode != "append" and self.release > 1:
            self.book = recentre(before, embeddings, self.history.filter(is_open))
        self.modes.append(mode)
        changes = assign(
            NightInputs(self.release, catalogue(ids), embeddings),
            self.book,
            SidIncumbents(self.history, same_numbering_ids=same_numbering_ids),
            self.config.assignment_rules,
        )
        self.history = apply_changes(self.history, changes.upserts)
        vectors = vectors_of(embeddings)
        error = float(reconstruction_errors(vectors, self.tokens(ids), self.book).mean(dtype=np.float64))
        self.explained.setdefault(self.book.codebook_id, 1 - error / mean_square_from_centre(vectors))

    def tokens(self, ids: Ids) -> npt.NDArray[np.uint16]:
        """Open SIDs of ``ids``."""
        rows = pl.DataFrame({"item_id": ids}).join(open_rows(self.history), on="item_id", how="left", maintain_order="left")
        return rows["tokens"].explode().to_numpy().reshape(len(ids), -1).astype(np.uint16)


def single_night() -> Section:
    """5 % of the catalogue replaced and noise on every vector."""
    rows = []
    for name, (nights, config, width) in WORLDS.items():
        night = next(nights(0))
        embeddings = night.embed(night.learn(width)).filter("has_signal")
        rows += [[name, *row] for row in _single_night(embeddings, config)]
    return Section(
        f"One night: {CHURN:.0%} of the catalogue replaced, noise N(0, ({NOISE}‖x‖)²/d) on every coordinate",
        ["world", "way", "same level 1", "levels 1–2", "**full SID**", "MSE cost", "CPU s"],
        rows,
        "MSE cost: against the nearest codes of the frozen codebook, on the items of the second night.",
    )


def _single_night(embeddings: pl.DataFrame, config: SidsConfig) -> list[list[str]]:
    draw = np.random.default_rng(0)
    ids, vectors = embeddings["item_id"].to_numpy(), vectors_of(embeddings)
    order = draw.permutation(len(ids))
    n_churn = round(CHURN * len(ids))
    first, second = np.sort(order[n_churn:]), np.sort(order[:-n_churn])
    scale = NOISE * np.linalg.norm(vectors, axis=1, keepdims=True) / np.sqrt(vectors.shape[1])
    noisy = (vectors + scale * draw.standard_normal(vectors.shape)).astype(np.float32)
    book = learn_codebook(frame_of(ids[first], vectors[first]), config, seed=0)
    before = plain(vectors[first], book).tokens

    def append(**changes: float | str) -> Callable[[], Tokenized]:
        ours = Ours(book, config, mode="append", **changes)
        ours.night(frame_of(ids[first], vectors[first]))

        def tonight() -> Tokenized:
            ours.night(frame_of(ids[second], noisy[second]))
            tokens = ours.tokens(ids[second])
            return Tokenized(tokens, float(reconstruction_errors(noisy[second], tokens, book).mean(dtype=np.float64)))

        return tonight

    ways: dict[str, Callable[[], Tokenized]] = {
        "**append: frozen, hysteresis, churn budget**": append(),
        "append without the churn budget": append(churn_budget=1.0),
        "frozen, plain re-encode": lambda: plain(noisy[second], book),
        "warm start": lambda: plain(noisy[second], warm(noisy[second], book)),
        "cold refit": lambda: plain(noisy[second], cold(ids[second], noisy[second], config, 1)),
        "cold refit, Hungarian": lambda: plain(noisy[second], aligned(cold(ids[second], noisy[second], config, 1), book)),
    }
    base = plain(noisy[second], book).mse
    both = np.intersect1d(first, second)
    rows = []
    for way, tokenize in ways.items():
        cpu = time.process_time()
        done = tokenize()
        cpu = time.process_time() - cpu
        shares = kept(before[np.searchsorted(first, both)], done.tokens[np.searchsorted(second, both)])
        rows.append([way, *(f"{share:.1%}" for share in shares), f"{done.mse / base - 1:+.2%}", f"{cpu:.2f}"])
    return rows


def thirty_nights() -> Section:
    """1 % churn and 1 % more events a night, vectors really recomputed."""
    rows = []
    for name, (nights, config, width) in WORLDS.items():
        rows += [[name, *row] for row in _thirty_nights(nights(NIGHTS), config, width)]
    return Section(
        f"{NIGHTS} nights: 1 % more events a night (generated feed: and 1 % of the catalogue replaced), embeddings recomputed every night",
        ["world", "way", "same level 1", "levels 1–2", "**full SID**", "MSE", "survivors"],
        rows,
        "Share of the items of the first night still there (and with a signal on both) that have the SID of the first night. "
        "MovieLens grows by the order within each user. Warm start and DACT go from night to night; cold ways look at the last night only. "
        "Hungarian alone matches codes by distance; by common items: per level the numbers that most items agree with, as its authors do, "
        "from a summary of the paper; `--rebuild`: the same, items whose prefix kept its numbers first. DACT from its paper and code: "
        "each night the third of the items that moved most is learned from anew, and who has the same first token keeps all; k-means "
        "stands for its RQ-VAE, the way a vector moved for its learned drift score.",
    )


def _thirty_nights(nights: Iterator[Night], config: SidsConfig, width: int) -> list[list[str]]:
    first = next(nights)
    model = first.learn(width)
    start = first.embed(model)
    book = learn_codebook(start, config, seed=0)
    ours, frozen, warmed = Ours(book, config), Ours(book, config, mode="append", churn_budget=1.0), book
    for simulated in (ours, frozen):
        simulated.night(start)
    signal = start.filter("has_signal").sort("item_id")
    dact = Dact(book, signal["item_id"].to_numpy(), vectors_of(signal), plain(vectors_of(signal), book).tokens)
    last = first
    for last in nights:
        now = last.embed(model)
        ours.night(now)
        frozen.night(now)
        signal = now.filter("has_signal").sort("item_id")
        warmed = warm(vectors_of(signal), warmed)
        dact.night(signal["item_id"].to_numpy(), vectors_of(signal))
    known = start.filter("has_signal").join(now.filter("has_signal"), on="item_id", how="semi").sort("item_id")
    ids, before = known["item_id"].to_numpy(), plain(vectors_of(known), book).tokens
    cold_book = cold(signal["item_id"].to_numpy(), vectors_of(signal), config, 0)
    refit = last.learn(width)
    raw, turned = last.embed(refit), last.embed(_aligned_model(refit, model))

    def on(embeddings: pl.DataFrame) -> Matrix:
        return vectors_of(pl.DataFrame({"item_id": ids}).join(embeddings, on="item_id", how="left", maintain_order="left"))

    def held(embeddings: pl.DataFrame) -> Tokenized:
        nights = Ours(book, config, mode="append", churn_budget=1.0)
        nights.night(start)
        nights.night(embeddings.with_columns(embedding_id=pl.lit(book.embedding_id)))
        return described(nights.tokens(ids), on(embeddings))

    def described(tokens: npt.NDArray[np.uint16], vectors: Matrix, codes: Codebook = book) -> Tokenized:
        return Tokenized(tokens, float(reconstruction_errors(vectors, tokens, codes).mean(dtype=np.float64)))

    done = {
        f"**nights as they run ({ours.modes.count('append')} append, {len(ours.modes) - ours.modes.count('append')} refresh)**": described(
            ours.tokens(ids), on(now), ours.book
        ),
        "append only, no churn budget": described(frozen.tokens(ids), on(now)),
        "frozen, plain re-encode": plain(on(now), book),
        "warm start": plain(on(now), warmed),
        "cold refit": plain(on(now), cold_book),
        "cold refit, Hungarian": plain(on(now), aligned(cold_book, book)),
        "cold refit, numbers by common items (arXiv 2604.13273)": plain(on(now), by_common_items(cold_book, on(now), before)),
        "**cold refit, numbers as `--rebuild` gives them**": plain(
            on(now), renumbered(cold_book, old_numbers(before, plain(on(now), cold_book).tokens, book.vocabulary))
        ),
        "DACT (arXiv 2603.29705) on k-means": described(dact.of(ids), on(now), dact.book),
        "SVD refitted, Procrustes, hysteresis": held(turned),
        "SVD refitted raw, hysteresis": held(raw),
    }
    return [
        [way, *(f"{share:.1%}" for share in kept(before, result.tokens)), f"{result.mse:.4f}", f"{len(ids):,}"]
        for way, result in done.items()
    ]


def _aligned_model(model: EmbeddingModel, old: EmbeddingModel) -> EmbeddingModel:
    """The co-occurrence basis turned onto the old one over the items that both hold."""
    [part], [before] = model.parts, old.parts
    _, new_rows, old_rows = np.intersect1d(part.source.item_ids, before.source.item_ids, return_indices=True)
    left, _, right = np.linalg.svd(_unit(part.source, new_rows).T @ _unit(before.source, old_rows))
    turned = replace(part.source, basis=part.source.basis @ (left @ right))
    return replace(
        model,
        parts=(replace(part, source=turned, centroids=replace(part.centroids, means=part.centroids.means @ (left @ right))),),
    )


def _unit(source: object, rows: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    basis = source.basis  # type: ignore[attr-defined]
    values = basis / np.linalg.norm(basis, axis=0) ** 2  # B = V S⁻¹ has columns of length 1 / s; V S is what vectors point along
    picked = values[rows]
    return picked / np.maximum(np.linalg.norm(picked, axis=1, keepdims=True), 1e-12)
