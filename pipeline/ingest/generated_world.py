"""The generated world: users, a category tree and items whose true preferences are known; every part a function of seed and day.

A user u clicks a shown item i of subcategory s(i) with probability

    P(click | u, i) = σ(b + a_u[s(i)] + q_i),    a_u[s] = 1.2 t_u[parent(s)] + 0.8 l_u[s],    t, l, q ~ N(0, 1),    b = −2.2,

so that a random slate pleases about 1 time in 5, the items of highest quality q about every second time, and the best of each
user's own subcategories nearly always: random < popular < personal, by margins that a learner can find.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from pipeline.errors import ContractError
from pipeline.ingest.generated_config import GeneratedSource

BIAS = -2.2
CATEGORY_WEIGHT, SUBCATEGORY_WEIGHT = 1.2, 0.8
USER_BLOCK = 4096  # users drawn together, so that any of them can be had without the others
_ITEMS, _USERS, _VANISHING, _PROFILES = range(4)  # what a random stream is for

Floats = npt.NDArray[np.float64]
Ids = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Catalogue:
    """All items that have appeared by a day, gone ones included; row n is item n + 1.

    Attributes:
        subcategory: (n,) in [0, categories × subcategories); its category is subcategory // subcategories.
        quality: (n,) q, standard normal, seen by nobody.
        price: (n,) money, above 0, without influence.
        is_active: (n,) whether the item may be shown on that day.
    """

    subcategory: Ids
    quality: Floats
    price: Floats
    is_active: npt.NDArray[np.bool_]


def catalogue(config: GeneratedSource, day: int) -> Catalogue:
    """The items of ``day`` (0 = first): a block on the first day and one each day after; the first vanishes in a fixed order."""
    sizes = [config.items] + [config.new_items_per_day] * day
    blocks = [_item_block(config, number, size) for number, size in enumerate(sizes)]
    is_active = np.ones(sum(sizes), dtype=bool)
    vanishing = np.random.default_rng([config.seed, _VANISHING]).permutation(config.items)
    is_active[vanishing[: config.vanishing_items_per_day * day]] = False
    subcategory, quality, price = (np.concatenate(parts) for parts in zip(*blocks, strict=True))
    return Catalogue(subcategory, quality, price, is_active)


def _item_block(config: GeneratedSource, number: int, size: int) -> tuple[Ids, Floats, Floats]:
    rng = np.random.default_rng([config.seed, _ITEMS, number])
    n_subcategories = config.branching[0] * config.branching[1]
    return rng.integers(n_subcategories, size=size), rng.standard_normal(size), np.round(rng.lognormal(3, 0.5, size), 2)


def affinities(config: GeneratedSource, block: int) -> Floats:
    """a of the users of a block, (USER_BLOCK, categories × subcategories); row n is user block · USER_BLOCK + n + 1."""
    n_categories, n_children = config.branching
    rng = np.random.default_rng([config.seed, _USERS, block])
    by_category = rng.standard_normal((USER_BLOCK, n_categories))
    own = rng.standard_normal((USER_BLOCK, n_categories * n_children))
    return CATEGORY_WEIGHT * np.repeat(by_category, n_children, axis=1) + SUBCATEGORY_WEIGHT * own


def click_probability(affinity: Floats, quality: Floats) -> Floats:
    """σ(b + a + q), elementwise."""
    return 1 / (1 + np.exp(-(BIAS + affinity + quality)))


def true_probability(config: GeneratedSource, user_ids: Ids, item_ids: Ids) -> Floats:
    """The probability that each user clicks the item beside it.

    Args:
        config: the world.
        user_ids: (n,).
        item_ids: (n,); gone items too.

    Returns:
        (n,) in (0, 1).

    Raises:
        ContractError: an id that the world never holds.
    """
    late = max(int(item_ids.max(initial=1)) - config.items, 0)
    if late and not config.new_items_per_day:
        raise ContractError(f"generated world: no item {item_ids.max()}, only 1 … {config.items}; take ids from the item files")
    if user_ids.size and not (user_ids.min() >= 1 and user_ids.max() <= config.users and item_ids.min() >= 1):
        raise ContractError(f"generated world: ids outside users 1 … {config.users} or items from 1; take them from the files")
    items = catalogue(config, -(-late // config.new_items_per_day) if late else 0)
    subcategory, quality = items.subcategory[item_ids - 1], items.quality[item_ids - 1]
    affinity = np.empty(user_ids.shape)
    blocks = (user_ids - 1) // USER_BLOCK
    for block in np.unique(blocks):
        mine = blocks == block
        affinity[mine] = affinities(config, int(block))[(user_ids[mine] - 1) % USER_BLOCK, subcategory[mine]]
    return click_probability(affinity, quality)


def items_on(config: GeneratedSource, day: int) -> pl.DataFrame:
    """The raw item list of ``day``: item_id, title, category, subcategory, price of the items that may be shown."""
    items = catalogue(config, day)
    n_children = config.branching[1]
    category, child = items.subcategory // n_children, items.subcategory % n_children
    frame = pl.DataFrame(
        {"item_id": np.arange(1, items.quality.size + 1), "category": category, "child": child, "price": items.price}
    )
    return frame.filter(pl.Series(items.is_active)).select(
        "item_id",
        title=pl.format("Item {}", "item_id"),
        category=pl.format("c{}", "category"),
        subcategory=pl.format("c{}.{}", "category", "child"),
        price="price",
    )


def users_of(config: GeneratedSource) -> pl.DataFrame:
    """The raw user list: user_id, segment (the best loved category; a random one for three users in ten), age in years."""
    segments, ages = [], []
    n_categories, n_children = config.branching
    for block in range(-(-config.users // USER_BLOCK)):
        rng = np.random.default_rng([config.seed, _PROFILES, block])
        loved = affinities(config, block).reshape(USER_BLOCK, n_categories, n_children).mean(axis=2).argmax(axis=1)
        segments.append(np.where(rng.random(USER_BLOCK) < 0.3, rng.integers(n_categories, size=USER_BLOCK), loved))
        ages.append(rng.integers(16, 80, size=USER_BLOCK))
    segment, age = (np.concatenate(parts)[: config.users] for parts in (segments, ages))
    frame = pl.DataFrame({"user_id": np.arange(1, config.users + 1), "segment": segment, "age": age})
    return frame.with_columns(segment=pl.format("c{}", "segment"))
