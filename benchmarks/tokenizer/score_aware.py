"""Thirty nights of Semantic IDs in the space of scores: ML-1M grows by the order within each user, the map is that of the first night."""

import lzma
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from benchmarks.tokenizer.nights import kept, plain
from benchmarks.tokenizer.report import Section
from benchmarks.tokenizer.stability import NIGHTS, Ours
from benchmarks.tokenizer.worlds import SHARED, movielens_events, vectors_of
from flows.refresh.flow import refresh
from flows.runtime.run import Run
from flows.runtime.settings import load_settings
from flows.runtime.steps import DirectSteps
from flows.stores.incumbent import current_codebook
from flows.stores.models import Models, load_models, of_codebook
from pipeline.embeddings.embed import embed
from pipeline.errors import WarehouseError
from pipeline.records.split import count_answers
from pipeline.sids.config import SidsConfig
from pipeline.sids.encode import reconstruction_errors
from pipeline.sids.learn import learn_codebook
from pipeline.warehouse.warehouse import Warehouse

RATINGS = SHARED / "ml-1m" / "ml-1m-all-ratings-rank-not-timestamp.dat.xz"
VOCABULARIES = (64, 256)
CONFIG = """
[source]
kind = "movielens"
name = "ml-1m-ranked"
path = "{zip}"
ratings = "{ratings}"
ratings_order = "rank"

[embeddings]
score_aware = true

[simulator]
n_training = 2
"""


@dataclass(frozen=True)
class ScoredNights:
    """The nights in the space of scores.

    Attributes:
        models: learned on the first night, by a refresh of its own with two training simulators.
        events: user_id, item_id, feedback and share (of the user's events until then).
        items: ITEMS.
    """

    models: Models
    events: pl.DataFrame
    items: pl.DataFrame

    def __iter__(self) -> Iterator[pl.DataFrame]:
        """EMBEDDINGS of each night, the first first."""
        for night in range(NIGHTS + 1):
            seen = self.events.filter(pl.col("share") <= _share(night))
            rated = self.items.filter(pl.col("item_id").is_in(seen["item_id"].unique().implode()))
            liked = seen.filter(pl.col("feedback") == 1).select("user_id", "item_id").unique(maintain_order=True)
            vectors = embed(self.models.items, rated, [liked])
            everything = self.models.embed_scores(vectors, rated, count_answers(seen))
            yield of_codebook(everything, self.models.embedding_id).sort("item_id")


def _share(night: int) -> float:
    return float(1.01 ** (night - NIGHTS)) + 1e-9


def first_night(folder: Path) -> Models:
    """The models of a refresh on the first night's ratings alone."""
    with lzma.open(RATINGS) as packed:
        rows = [line.split(b"::") for line in packed.read().splitlines()]
    ratings = pl.DataFrame({"user": [int(row[0]) for row in rows], "rank": [int(row[3]) for row in rows]}).with_row_index("line")
    order = ratings.sort("user", "rank", "line").with_columns(
        share=(pl.int_range(pl.len()) + 1).over("user") / pl.len().over("user")
    )
    early = order.filter(pl.col("share") <= _share(0))["line"].sort().to_list()
    file = folder / "first-night.dat"
    file.write_bytes(b"".join(b"::".join(rows[line]) + b"\n" for line in early))
    config = folder / "first-night.toml"
    config.write_text(CONFIG.format(zip=(SHARED / "ml-1m" / "ml-1m-first-2999-users.zip").resolve(), ratings=file))
    root = folder / "warehouse"
    refresh(load_settings(config, root), root, Run("daily-refresh"), DirectSteps())
    with Warehouse.open(root) as warehouse:
        book = current_codebook(warehouse)
        if book is None:
            raise WarehouseError(f"{root}: the first night has no codebook")
        return load_models(warehouse.artifacts, book.embedding_id)


def score_aware_nights() -> Section:
    """As the nights run, and encoded anew, for two sizes of the codes."""
    with tempfile.TemporaryDirectory() as folder:
        models = first_night(Path(folder))
    events, items = movielens_events("ml-1m")
    share = ((pl.int_range(pl.len()) + 1) / pl.len()).over("user_id")
    nights = list(ScoredNights(models, events.sort("user_id", "order").with_columns(share=share), items))
    rows = [[f"3 × {codes}", *row] for codes in VOCABULARIES for row in _rows(nights, SidsConfig(vocabulary=codes))]
    return Section(
        f"{NIGHTS} nights of score-aware codes on ML-1M",
        ["codes", "way", "same level 1", "levels 1–2", "**full SID**", "explained variance", "survivors"],
        rows,
        "Vectors, simulators (two of family attention) and codes are learned on the first night, 74 % of every user's ratings; each night "
        "1 % more ratings are folded in and mapped by the frozen map. Share of the first night's items with a signal that have its SID on "
        "the last. Explained variance: of the last night's vectors; a cold refit is what a rebuild then would reach.",
    )


def _rows(nights: list[pl.DataFrame], config: SidsConfig) -> list[list[str]]:
    start, last = nights[0], nights[-1]
    book = learn_codebook(start, config, seed=0)
    ours = Ours(book, config)
    for night in nights:
        ours.night(night)
    known = start.filter("has_signal").join(last, on="item_id", how="semi")
    ids, before = known["item_id"].to_numpy(), plain(vectors_of(known), book).tokens
    vectors = vectors_of(last.join(known, on="item_id", how="semi"))
    variance = float(((vectors - vectors.mean(axis=0)) ** 2).sum(axis=1).mean())
    n_append = ours.modes.count("append")
    refit = learn_codebook(last, config, seed=0)
    done = {
        f"**nights as they run ({n_append} append, {len(ours.modes) - n_append} refresh)**": (ours.tokens(ids), ours.book),
        "frozen, plain re-encode": (plain(vectors, book).tokens, book),
        "cold refit": (plain(vectors, refit).tokens, refit),
    }
    return [
        [
            way,
            *(f"{share:.1%}" for share in kept(before, tokens)),
            f"{1 - float(reconstruction_errors(vectors, tokens, codes).mean()) / variance:.3f}",
            f"{len(ids):,}",
        ]
        for way, (tokens, codes) in done.items()
    ]
