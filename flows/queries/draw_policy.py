"""`hsrl draw policy`: how a policy learned, which tokens it finds probable, and what it shows by category, as one PNG."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from flows.plots.style import INK, PALE, colour, figure, styled, write_png
from flows.queries.policy_sides import Side, load_side, side_named, sids_of
from flows.report.axes import curve_axes
from flows.report.pictures import CURVES, curve_group
from flows.stores.pinned import Pinned, pin
from hsrl_train.data.starts import sample_starts
from hsrl_train.learner.loop import StoredPolicy
from hsrl_train.learner.policy import HsrlPolicy
from pipeline.drafts import drafted
from pipeline.errors import WarehouseError, reason_of
from pipeline.warehouse.naming_damage import naming_damage
from pipeline.warehouse.warehouse import Warehouse

_N_STATES = 1_000  # histories that the policy is asked about; more change no bar by its width
_N_CATEGORIES = 12
_OTHERS, _NONE = "others", "no category"


@dataclass(frozen=True)
class Level:
    """One level's codes, the most probable first.

    Attributes:
        policy: mean probability that the policy gives each code; they add up to 1.
        liked: share of the log's likes that are of items with that code.
    """

    policy: npt.NDArray[np.float64]
    liked: npt.NDArray[np.float64]


@dataclass(frozen=True)
class Portrait:
    """What is drawn of a policy.

    Attributes:
        side: the policy.
        n_states: histories of the test split that it was asked about.
        curves: iteration, metric and value of its training.
        levels: of its tokens; empty for a policy that scores items.
        categories: category, and of the items shown by the policy, shown in the log and liked in the log the share of each.
    """

    side: Side
    n_states: int
    curves: pl.DataFrame
    levels: tuple[Level, ...]
    categories: pl.DataFrame


@naming_damage
def draw_policy(root: Path, name: str | None, out: Path, memory_limit_mb: int) -> dict[str, Any]:
    """Draw a policy into ``out``.png, over the release that brought it.

    Args:
        root: the warehouse.
        name: see ``side_named``; None = the policy that is served now.
        out: where to, without the ending.
        memory_limit_mb: of the SQL engine, MB.

    Raises:
        ConfigError: no policy or several are of that name, or none is served.
        WarehouseError: its release or its folder is gone, or ``out`` cannot be written.
    """
    torch.set_num_threads(1)
    with Warehouse.open_copy(root) as warehouse:
        if name is None:
            latest = warehouse.latest_release()
            if latest is None:
                raise WarehouseError(f"{root}: nothing is published yet; begin with: hsrl refresh")
            name = str(latest.release_id)
        side = side_named(warehouse, name)
        pinned = pin(warehouse, warehouse.release(side.release_id), memory_limit_mb)
        policy = load_side(warehouse, pinned, side, sids_of(warehouse, side, memory_limit_mb))
        curves = warehouse.query(
            "SELECT metric, iteration, value FROM training_curves WHERE policy_id = ? ORDER BY metric, iteration",
            [side.policy_id],
        )
        categories = warehouse.query("SELECT item_id, categories[1] AS category FROM items")
    portrait = portrait_of(side, policy, pinned, curves, categories)
    png = out.with_name(out.name + ".png")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with styled(), drafted(png) as draft:
            write_png(drawn(portrait), draft)
    except OSError as error:
        raise WarehouseError(f"{out}: {reason_of(error)}; name another place with --out") from error
    return {"policy_id": side.policy_id, "release_id": side.release_id, "n_states": portrait.n_states, "png": str(png)}


@torch.no_grad()
def portrait_of(side: Side, policy: StoredPolicy, pinned: Pinned, curves: pl.DataFrame, categories: pl.DataFrame) -> Portrait:
    """Ask a policy about histories of the test split.

    Args:
        side: the policy's names.
        policy: over the items of ``pinned``.
        pinned: the release.
        curves: metric, iteration, value.
        categories: item_id and category, which may be null.
    """
    records, catalogue = pinned.world.records, pinned.world.catalogue
    states = sample_starts(records, min(_N_STATES, int((~records.is_train).sum())), 0)
    slates = policy.slates(states, records.k, torch.Generator().manual_seed(0)).flatten().numpy()
    exposed = records.exposed.flatten().numpy()
    liked = exposed[records.feedback.flatten().numpy() > 0]
    levels: list[Level] = []
    if isinstance(policy, HsrlPolicy):
        means = policy.log_probs(states).exp().mean(dim=0).double().split(catalogue.vocabulary)
        tokens = catalogue.tokens.numpy()[liked]
        for level, mean in enumerate(means):
            order = np.argsort(-mean.numpy(), kind="stable")
            counts = np.bincount(tokens[:, level][tokens[:, level] >= 0], minlength=len(order))
            levels.append(Level(mean.numpy()[order], counts[order] / max(counts.sum(), 1)))
    named = pl.DataFrame({"item_id": catalogue.item_ids}).join(categories, on="item_id", how="left", maintain_order="left")
    of_item = [_NONE, *named["category"].fill_null(_NONE).to_list()]
    shares = _shares(of_item, {"policy": slates, "log": exposed, "liked": liked})
    return Portrait(side, len(states.history), curves, tuple(levels), shares)


def _shares(of_item: list[str], shown: dict[str, npt.NDArray[np.int64]]) -> pl.DataFrame:
    """category and the share it has of each list of item numbers; what is small in all of them is ``others``."""
    counts = pl.DataFrame({"category": sorted(set(of_item))})
    for name, numbers in shown.items():
        found = pl.DataFrame({"category": [of_item[number] for number in numbers.tolist()]}, schema={"category": pl.String})
        of_category = found.group_by("category").agg((pl.len() / max(len(numbers), 1)).alias(name))
        counts = counts.join(of_category, on="category", how="left").with_columns(pl.col(name).fill_null(0.0))
    size = pl.max_horizontal(*shown)
    is_large = size.rank("ordinal", descending=True) <= _N_CATEGORIES
    named = counts.filter(size > 0).with_columns(category=pl.when(is_large).then("category").otherwise(pl.lit(_OTHERS)))
    summed = named.group_by("category").sum()
    return summed.sort(pl.col("category") == _OTHERS, -pl.col("log"), "category")


def drawn(portrait: Portrait) -> Figure:
    """The picture: the training above, the tokens of every level below it, categories at the bottom."""
    trainings = [(title, unit, names) for title, unit, names in CURVES[:3] if curve_group(portrait.curves, names)]
    n_columns = max(len(trainings), len(portrait.levels), 1)
    heights = [bool(trainings) * 2.4, bool(portrait.levels) * 2.4, 0.9 + 0.34 * portrait.categories.height]
    rows = [height for height in heights if height]
    made = figure(4.2 * n_columns, sum(rows) + 0.5)
    side = portrait.side
    made.suptitle(
        f"Policy {side.policy_id}: {side.method}, seed {side.seed}, release {side.release_id}; {portrait.n_states:,} histories",
        x=0.01, ha="left", fontsize=12,
    )  # fmt: skip
    grid, row = made.add_gridspec(len(rows), n_columns, height_ratios=rows), 0
    if trainings:
        for column, (title, unit, names) in enumerate(trainings):
            axes = made.add_subplot(grid[row, column])
            curve_axes(curve_group(portrait.curves, names), names, unit)(axes)
            axes.set_title(title)
        row += 1
    for column, level in enumerate(portrait.levels):
        _level(made.add_subplot(grid[row, column]), level, f"Tokens of level {column + 1}")
    row += bool(portrait.levels)
    _categories(made.add_subplot(grid[row, :]), portrait.categories)
    return made


def _level(axes: Axes, level: Level, title: str) -> None:
    """The policy's mean probabilities, the most probable first, and where the log's likes are."""
    at = range(1, len(level.policy) + 1)
    axes.bar(at, level.policy, width=1.0, color=colour(0), label="policy, mean probability")
    axes.plot(
        at, level.liked, "o", color=colour(1), markersize=max(1.5, min(5.0, 200 / len(level.policy))), label="log, share of likes"
    )
    axes.set(title=title, xlabel="codes, the policy's most probable first", ylabel="share", xlim=(0.4, len(level.policy) + 0.6))
    axes.set_ylim(0, 1.35 * max(level.policy.max(), level.liked.max()))  # room for the legend
    axes.legend(frameon=False, fontsize=7.5)


def _categories(axes: Axes, categories: pl.DataFrame) -> None:
    """A row a category: the share it has in the log, and the share that the policy gives it."""
    rows = range(categories.height)
    for row, log, policy in zip(rows, categories["log"], categories["policy"], strict=True):
        axes.plot([log, policy], [row, row], color=PALE, linewidth=2, zorder=1)
        is_more = policy >= log  # beside its point, away from the log's
        axes.annotate(
            f"{policy:.0%}", (policy, row), xytext=(7 if is_more else -7, 0), textcoords="offset points", va="center",
            ha="left" if is_more else "right", fontsize=7.5,
        )  # fmt: skip
    axes.plot(categories["log"].to_list(), rows, "|", color=INK, markersize=9, label="shown in the log")
    axes.plot(
        categories["liked"].to_list(), rows, "o", color=colour(1), markersize=5, markerfacecolor="none", label="liked in the log"
    )
    axes.plot(categories["policy"].to_list(), rows, "o", color=colour(0), markersize=6, label="shown by the policy")
    axes.set(
        title="What it shows, by first category",
        xlabel="share of places",
        yticks=rows,
        yticklabels=categories["category"].to_list(),
    )
    axes.set(ylim=(categories.height - 0.4, -0.6), xlim=(-0.02, None))
    axes.legend(frameon=False, fontsize=8)
    axes.grid(visible=False, axis="y")
