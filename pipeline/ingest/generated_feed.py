"""What the generated world logs on a day: requests, the slates that a known policy showed, and the clicks on them.

The logging policy draws a slate's items one after another without repeats. An item is drawn by its subcategory s, half by what is
popular and half by what the user likes, and inside s by popularity w:

    p(i | u) = (½ W_s / W + ½ softmax(a_u)_s) · w_i / W_s,    w_i = exp(0.7 q_i),    W_s = Σ_{i in s} w_i

The propensity of the k-th item, given those above it, is p(i_k | u) / (1 − Σ_{j<k} p(i_j | u)).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

import numpy as np
import numpy.typing as npt
import polars as pl

from pipeline.columns import TIMESTAMP
from pipeline.ingest.generated_config import GeneratedSource
from pipeline.ingest.generated_world import (
    USER_BLOCK,
    Catalogue,
    Floats,
    Ids,
    affinities,
    catalogue,
    click_probability,
    items_on,
    users_of,
)

POLICY = "popular-and-personal"
POPULARITY_POWER = 0.7
_FEED = 7  # the purpose of the feed's random streams; those of the world are 0 to 3
_DAY_US = 86_400_000_000


def date_of(config: GeneratedSource, day: int) -> date:
    """The date of ``day``, 0 = first."""
    return config.start + timedelta(days=day)


def day_files(config: GeneratedSource, day: int) -> dict[str, Iterator[pl.DataFrame]]:
    """The raw Parquet files of ``day`` by name, each as the frames it is written from; a function of seed and day alone.

    ``users.parquet`` is the same every day.
    """
    when = date_of(config, day)
    return {
        f"events-{when}.parquet": day_events(config, day),
        f"items-{when}.parquet": map(items_on, [config], [day]),  # made when they are read: often only the names are asked for
        "users.parquet": map(users_of, [config]),
    }


def day_events(config: GeneratedSource, day: int) -> Iterator[pl.DataFrame]:
    """The shown items of ``day`` in frames of up to 4,096 users, by user, time and position.

    Yields:
        user_id i64, item_id i64, occurred_at (UTC), clicked bool, request_id, session_id, position u16, policy, propensity f32.
    """
    shop = _Shop.of(catalogue(config, day))
    for block in range(-(-config.users // USER_BLOCK)):
        n_users = min(USER_BLOCK, config.users - block * USER_BLOCK)
        rng = np.random.default_rng([config.seed, _FEED, day, block])
        n_requests = rng.poisson(config.requests_per_user_day, n_users)
        yield _block_events(config, shop, day, block, n_requests, rng)


@dataclass(frozen=True)
class _Shop:
    """The day's active items, sorted by subcategory, ready to draw from."""

    rows: Ids  # (m,) rows of the catalogue
    subcategory: Ids  # (m,)
    quality: Floats  # (m,)
    weight: Floats  # (m,) w
    ends: Floats  # (m,) running sum of w
    mass: Floats  # (subcategories,) W_s
    starts: Floats  # (subcategories,) running sum of w before s

    @classmethod
    def of(cls, items: Catalogue) -> "_Shop":
        rows = np.flatnonzero(items.is_active)
        rows = rows[np.argsort(items.subcategory[rows], kind="stable")]
        weight = np.exp(POPULARITY_POWER * items.quality[rows])
        ends = np.cumsum(weight)
        mass = np.bincount(items.subcategory[rows], weight, minlength=int(items.subcategory.max()) + 1).astype(np.float64)
        return cls(rows, items.subcategory[rows], items.quality[rows], weight, ends, mass, np.cumsum(mass) - mass)


def _block_events(
    config: GeneratedSource, shop: _Shop, day: int, block: int, n_requests: Ids, rng: np.random.Generator
) -> pl.DataFrame:
    affinity = affinities(config, block)[:, : shop.mass.size]
    liked = np.exp(affinity - affinity.max(axis=1, keepdims=True)) * (shop.mass > 0)
    leaf_probability = 0.5 * shop.mass / shop.mass.sum() + 0.5 * liked / liked.sum(axis=1, keepdims=True)
    user = np.repeat(np.arange(n_requests.size), n_requests)  # (requests,) row of the block
    slate = _slates(shop, leaf_probability, user, config.slate_size, rng)
    leaf = shop.subcategory[slate]
    p = leaf_probability[user[:, None], leaf] * shop.weight[slate] / shop.mass[leaf]
    propensity = p / (1 - (np.cumsum(p, axis=1) - p))
    clicked = rng.random(slate.shape) < click_probability(affinity[user[:, None], leaf], shop.quality[slate])
    requests = _requests(config, day, block, user, n_requests, rng)
    shown = requests[np.repeat(np.arange(user.size), config.slate_size)]
    return shown.select(
        "user_id",
        pl.Series("item_id", shop.rows[slate].ravel() + 1),
        "occurred_at",
        pl.Series("clicked", clicked.ravel()),
        "request_id",
        "session_id",
        pl.Series("position", np.tile(np.arange(config.slate_size, dtype=np.uint16), user.size)),
        pl.lit(POLICY).alias("policy"),
        pl.Series("propensity", np.minimum(propensity, 1).ravel().astype(np.float32)),
    )


def _slates(shop: _Shop, leaf_probability: Floats, user: Ids, size: int, rng: np.random.Generator) -> Ids:
    """(requests, size) rows of ``shop``, no item twice in a slate; drawing again what repeats is drawing without repeats."""
    # One rising axis for all users' distributions over subcategories: user n's lies in [n, n + 1).
    n_leaves = shop.mass.size
    axis = (np.cumsum(leaf_probability, axis=1) + np.arange(len(leaf_probability))[:, None]).ravel()

    def draw(of: Ids) -> Ids:
        shape = (of.size, size + size // 2 + 4)
        leaf = np.searchsorted(axis, rng.random(shape) + of[:, None], side="right") - of[:, None] * n_leaves
        leaf = np.minimum(leaf, n_leaves - 1)  # a running sum may end a rounding error below one
        found = np.searchsorted(shop.ends, shop.starts[leaf] + rng.random(shape) * shop.mass[leaf], side="right")
        rows: Ids = np.minimum(found, shop.ends.size - 1)
        return rows

    slates = np.empty((user.size, size), dtype=np.int64)
    open_rows, drawn = np.arange(user.size), draw(user)
    while open_rows.size:
        is_taken = _is_among_first(drawn, size)
        is_full = is_taken.sum(axis=1) == size
        slates[open_rows[is_full]] = drawn[is_full][is_taken[is_full]].reshape(-1, size)
        open_rows, drawn = open_rows[~is_full], drawn[~is_full]
        drawn = np.concatenate([drawn, draw(user[open_rows])], axis=1)
    return slates


def _is_among_first(drawn: Ids, size: int) -> npt.NDArray[np.bool_]:
    """Where a row's first ``size`` different values first occur."""
    order = np.argsort(drawn, axis=1, kind="stable")
    ranked = np.take_along_axis(drawn, order, axis=1)
    is_repeat = np.zeros(drawn.shape, dtype=bool)
    np.put_along_axis(is_repeat, order[:, 1:], ranked[:, 1:] == ranked[:, :-1], axis=1)
    return ~is_repeat & (np.cumsum(~is_repeat, axis=1) <= size)


def _requests(
    config: GeneratedSource, day: int, block: int, user: Ids, n_requests: Ids, rng: np.random.Generator
) -> pl.DataFrame:
    """user_id, occurred_at, request_id, session_id of each request; times rise strictly within the user."""
    nth = np.arange(user.size) - np.repeat(np.cumsum(n_requests) - n_requests, n_requests)
    moment = rng.integers(_DAY_US - 1_000_000, size=user.size)
    moment = moment[np.lexsort((moment, user))] + nth
    when = date_of(config, day)
    midnight = int(datetime(when.year, when.month, when.day, tzinfo=UTC).timestamp()) * 1_000_000
    frame = pl.DataFrame({"user_id": user + block * USER_BLOCK + 1, "moment": moment + midnight, "nth": nth})
    session = pl.concat_str(pl.lit(f"{when:%Y%m%d}-"), "user_id")
    return frame.select(
        "user_id",
        occurred_at=pl.col("moment").cast(pl.Datetime("us")).dt.replace_time_zone("UTC").cast(TIMESTAMP),
        request_id=pl.concat_str(session, pl.lit("-"), "nth"),
        session_id=session,
    )
