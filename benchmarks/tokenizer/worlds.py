"""Catalogues and evidence that the benchmarks tokenize: the generated feed, ML-1M and ML-100K."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl

from pipeline.contracts import EMBEDDINGS, ITEMS
from pipeline.embeddings.config import EmbeddingsConfig
from pipeline.embeddings.embed import embed, learn
from pipeline.embeddings.model import EmbeddingModel
from pipeline.ingest.catalogue import merge_items
from pipeline.ingest.generated_config import GeneratedSource
from pipeline.ingest.generated_feed import day_events
from pipeline.ingest.generated_world import items_on
from pipeline.ingest.movielens import MovieLensSource

SHARED = Path(os.environ.get("HSRL_SHARED", "../shared")) / "data"
N_ITEMS, N_USERS, BRANCHING = 20_000, 20_000, (16, 16)
NIGHTLY_CHURN = N_ITEMS // 100
BASE_REQUESTS = 20.0  # of a user before the first night: four million events
Matrix = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Night:
    """What the tokenizer sees on one night.

    Attributes:
        items: ITEMS.
        positives: user_id, item_id, all until now.
    """

    items: pl.DataFrame
    positives: pl.DataFrame

    def embed(self, model: EmbeddingModel) -> pl.DataFrame:
        """EMBEDDINGS of the active items in a frozen model, evidence folded in."""
        embedded = embed(model, self.items, [self.positives])
        return embedded.join(self.items.filter("is_active").select("item_id"), on="item_id", how="semi")

    def learn(self, width: int, seed: int = 0) -> EmbeddingModel:
        """A new model on this night's evidence."""
        return learn(self.items, [self.positives], EmbeddingsConfig(width=width), seed)


def generated_nights(n_nights: int) -> Iterator[Night]:
    """The generated feed: 1 % of the catalogue replaced and 1 % more events a night."""
    known, clicks = ITEMS.empty(), []
    for day in range(n_nights + 1):
        requests = BASE_REQUESTS * (1.0 if day == 0 else 0.01 * 1.01 ** (day - 1))
        config = GeneratedSource(
            path=Path("/nowhere"),
            users=N_USERS,
            items=N_ITEMS,
            days=day + 1,
            branching=BRANCHING,
            requests_per_user_day=requests,
            new_items_per_day=NIGHTLY_CHURN,
            vanishing_items_per_day=NIGHTLY_CHURN,
        )
        clicks += [frame.filter("clicked").select("user_id", "item_id") for frame in day_events(config, day)]
        listed = items_on(config, day).select(
            "item_id",
            raw_id=pl.col("item_id").cast(pl.String),
            title="title",
            categories=pl.concat_list("category", "subcategory"),
            attributes=pl.lit(None, pl.String),
            first_seen=pl.lit(None, ITEMS.schema["first_seen"]),
            last_seen=pl.lit(None, ITEMS.schema["last_seen"]),
            is_active=pl.lit(value=True),
        )
        gone = known.join(listed, on="item_id", how="anti").with_columns(is_active=pl.lit(value=False))
        known = pl.concat([gone, listed]).sort("item_id")
        yield Night(known, pl.concat(clicks))


def movielens_nights(name: str, n_nights: int) -> Iterator[Night]:
    """MovieLens by the order of each user: every night 1 % more of it, the last has all; movies come when first rated."""
    events, items = movielens_events(name)
    share = (pl.int_range(pl.len()) + 1) / pl.len()
    events_by_share = events.sort("user_id", "order").with_columns(share=share.over("user_id"))
    for night in range(n_nights + 1):
        seen = events_by_share.filter(pl.col("share") <= 1.01 ** (night - n_nights) + 1e-9)
        rated = items.filter(pl.col("item_id").is_in(seen["item_id"].unique().implode()))
        yield Night(rated, seen.filter(pl.col("feedback") == 1).select("user_id", "item_id").unique(maintain_order=True))


@lru_cache(maxsize=2)
def movielens_events(name: str) -> tuple[pl.DataFrame, pl.DataFrame]:
    """user_id, item_id, order and feedback of every rating, and ITEMS."""
    if name == "ml-1m":
        config = MovieLensSource(
            name=name,
            path=SHARED / "ml-1m" / "ml-1m-first-2999-users.zip",
            ratings=SHARED / "ml-1m" / "ml-1m-all-ratings-rank-not-timestamp.dat.xz",
            ratings_order="rank",
        )
    else:
        config = MovieLensSource(name=name, path=SHARED / "ml-100k" / "ml-100k.zip")
    source = config.open()
    batches = [batch for delivery in source.deliveries() for batch in source.read(delivery)]
    events = pl.concat([batch.events for batch in batches]).with_columns(
        order=pl.coalesce("order", pl.col("occurred_at").dt.epoch("us"))
    )
    items = ITEMS.empty()
    for batch in batches:
        if batch.items.height:
            items = merge_items(items, batch.items, is_whole=False)
    return events.select("user_id", "item_id", "order", "feedback"), items.sort("item_id")


def vectors_of(embeddings: pl.DataFrame) -> Matrix:
    """(n, d) in the order of the rows."""
    return embeddings["vector"].explode().to_numpy().reshape(embeddings.height, -1)


def frame_of(item_ids: npt.NDArray[np.int64], vectors: Matrix, embedding_id: str = "bench") -> pl.DataFrame:
    """EMBEDDINGS of given vectors, all with signal."""
    columns = {
        "embedding_id": pl.Series([embedding_id]).extend_constant(embedding_id, len(vectors) - 1),
        "item_id": item_ids,
        "vector": pl.Series(vectors, dtype=pl.Array(pl.Float32, vectors.shape[1])).arr.to_list(),
        "has_signal": np.ones(len(vectors), dtype=bool),
    }
    return pl.DataFrame(columns, schema=EMBEDDINGS.schema)


def clouds(n: int, width: int, seed: int = 0) -> Matrix:
    """Vectors of unit length in a tree of clouds: 64 wide ones, 64 narrow ones in each, and their own noise."""
    draw = np.random.default_rng(seed)
    top, leaf = draw.standard_normal((64, width)), 0.6 * draw.standard_normal((64 * 64, width))
    out = np.empty((n, width), dtype=np.float32)
    for start in range(0, n, 100_000):
        rows = slice(start, min(start + 100_000, n))
        size = rows.stop - rows.start
        which = draw.integers(64 * 64, size=size)
        block = top[which // 64] + leaf[which] + 0.5 * draw.standard_normal((size, width))
        out[rows] = block / np.linalg.norm(block, axis=1, keepdims=True)
    return out
