"""The generated world and its feed: known truth, a function of seed and day, and a policy whose propensities hold."""

from datetime import date
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from pipeline.errors import ContractError, SourceError
from pipeline.ingest.generated import GeneratedFeed
from pipeline.ingest.generated_config import GeneratedSource
from pipeline.ingest.generated_feed import _is_among_first, day_events, day_files
from pipeline.ingest.generated_world import catalogue, items_on, true_probability, users_of

SMALL = GeneratedSource(path=Path("/nowhere"), users=40, items=60, days=3, new_items_per_day=4, vanishing_items_per_day=2)


def events(config: GeneratedSource, day: int) -> pl.DataFrame:
    return pl.concat(day_events(config, day))


def written(config: GeneratedSource, folder: Path) -> GeneratedSource:
    for day in range(config.days):
        for name, frames in day_files(config, day).items():
            pl.concat(frames).write_parquet(folder / name)
    return config.model_copy(update={"path": folder})


def test_a_day_is_a_function_of_seed_and_day_alone() -> None:
    """Made later, alone, and in a feed of more days: the same; another seed or day: another."""
    longer = SMALL.model_copy(update={"days": 9})
    assert events(SMALL, 2).equals(events(longer, 2))
    assert items_on(SMALL, 2).equals(items_on(longer, 2))
    assert not events(SMALL, 2).equals(events(SMALL.model_copy(update={"seed": 2}), 2))
    assert events(SMALL, 2)["item_id"].to_list() != events(SMALL, 1)["item_id"].to_list()


def test_items_appear_and_vanish_daily() -> None:
    """60 items; each later day 2 go and 4 come."""
    today, tomorrow, later = (set(items_on(SMALL, day)["item_id"]) for day in range(3))
    assert [len(today), len(tomorrow), len(later)] == [60, 62, 64]
    assert tomorrow - today == {61, 62, 63, 64}
    assert len(today - tomorrow) == 2
    assert today - tomorrow <= today - later


def test_a_slate_shows_active_items_once_each_at_one_moment() -> None:
    shown = events(SMALL, 2)
    slates = shown.group_by("request_id").agg(
        pl.col("item_id").n_unique().alias("items"), pl.col("occurred_at").n_unique(), pl.col("position").max()
    )
    assert slates.select(pl.exclude("request_id").unique()).rows() == [(10, 1, 9)]
    assert set(shown["item_id"]) <= set(items_on(SMALL, 2)["item_id"])
    assert shown["occurred_at"].dt.date().unique().to_list() == [date(2026, 1, 3)]


def test_times_rise_strictly_from_slate_to_slate_of_a_user() -> None:
    starts = events(SMALL, 0).filter(pl.col("position") == 0)
    steps = starts.select(pl.col("occurred_at").diff().over("user_id").drop_nulls())
    assert steps.height > 0
    assert (steps["occurred_at"].dt.total_microseconds() > 0).all()


def test_clicks_come_as_often_as_the_truth_says() -> None:
    """Mean of clicked − P over 20,000 shown items: standard error below 0.0034."""
    shown = events(SMALL.model_copy(update={"users": 1000}), 0)
    truth = true_probability(SMALL.model_copy(update={"users": 1000}), shown["user_id"].to_numpy(), shown["item_id"].to_numpy())
    assert shown.height > 15_000
    assert abs((shown["clicked"].cast(pl.Float64) - truth).mean()) < 4 * 0.0034


@pytest.mark.parametrize("position", [0, 1, 9])
def test_propensities_are_the_probabilities_of_the_policy(position: int) -> None:
    """1 / propensity of the shown item has as its mean the number of items that could be shown: 30 less those above it."""
    many = SMALL.model_copy(update={"users": 2000, "items": 30, "requests_per_user_day": 5.0})
    shown = events(many, 0).filter(pl.col("position") == position)
    assert float((1 / shown["propensity"]).sum()) / shown.height == pytest.approx(30 - position, rel=0.05)


def test_random_slates_please_less_than_popular_ones_and_those_less_than_personal_ones() -> None:
    world = GeneratedSource(path=Path("/nowhere"))
    users, items = np.arange(1, 301), np.arange(1, 601)
    p = true_probability(world, np.repeat(users, items.size), np.tile(items, users.size)).reshape(users.size, items.size)
    popular = p[:, np.argsort(-p.mean(axis=0))[:10]].mean()
    personal = np.sort(p, axis=1)[:, -10:].mean()
    assert 2 * p.mean() < popular
    assert 1.3 * popular < personal


def test_what_is_popular_in_the_log_is_popular_in_truth() -> None:
    world = GeneratedSource(path=Path("/nowhere"), users=1000)
    clicks = events(world, 0).group_by("item_id").agg(pl.col("clicked").mean(), pl.len()).filter(pl.col("len") > 30)
    quality = catalogue(world, 0).quality[clicks["item_id"].to_numpy() - 1]
    assert np.corrcoef(clicks["clicked"].to_numpy(), quality)[0, 1] > 0.5


def test_segments_tell_something_of_the_user() -> None:
    """Users click items of their segment's category more often than others."""
    world = GeneratedSource(path=Path("/nowhere"), users=500)
    shown = events(world, 0).join(users_of(world), on="user_id").join(items_on(world, 0), on="item_id")
    own = pl.col("segment") == pl.col("category")
    rates = shown.select(own=pl.col("clicked").filter(own).mean(), other=pl.col("clicked").filter(~own).mean())
    assert rates["own"][0] > rates["other"][0] + 0.15


def test_the_first_different_values_of_a_row_are_found() -> None:
    assert _is_among_first(np.array([[5, 5, 3, 5, 2, 1]]), 3).tolist() == [[True, False, True, False, True, False]]


@pytest.mark.parametrize(("user", "item"), [(0, 1), (41, 1), (1, 0)])
def test_the_truth_of_what_is_not_in_the_world_is_refused(user: int, item: int) -> None:
    with pytest.raises(ContractError, match="generated world"):
        true_probability(SMALL, np.array([user]), np.array([item]))
    with pytest.raises(ContractError, match="no item 61"):
        true_probability(SMALL.model_copy(update={"new_items_per_day": 0}), np.array([1]), np.array([61]))


def test_the_day_files_are_read_as_deliveries(tmp_path: Path) -> None:
    config = written(SMALL, tmp_path)
    feed = GeneratedFeed(config, chunk_rows=100)
    deliveries = feed.deliveries()
    assert [delivery.id for delivery in deliveries] == ["2026-01-01", "2026-01-02", "2026-01-03"]
    assert deliveries[1].occurred_on == date(2026, 1, 2)
    batches = list(feed.read(deliveries[1]))
    assert max(batch.events.height for batch in batches) == 100
    raw = pl.concat([batch.events for batch in batches])
    made = events(SMALL, 1)
    assert raw["item_id"].equals(made["item_id"])
    assert raw["feedback"].sum() == made["clicked"].sum()
    assert raw["line"].to_list() == list(range(made.height))
    assert batches[0].items["item_id"].to_list() == items_on(SMALL, 1)["item_id"].to_list()
    category, subcategory = batches[0].items["categories"][0]
    assert subcategory.startswith(f"{category}.")
    assert batches[1].users.height == 40


def test_rows_with_an_empty_cell_are_rejected_and_the_others_read(tmp_path: Path) -> None:
    feed = GeneratedFeed(written(SMALL, tmp_path), chunk_rows=100)
    day = feed.deliveries()[1]
    holes = {"events-2026-01-02": ("user_id", 3), "items-2026-01-02": ("item_id", 0), "users": ("user_id", 7)}
    for name, (column, row) in holes.items():
        whole = pl.read_parquet(tmp_path / f"{name}.parquet").with_row_index("nth")
        holed = whole.with_columns(pl.when(pl.col("nth") != row).then(pl.col(column)).alias(column)).drop("nth")
        holed.write_parquet(tmp_path / f"{name}.parquet")
    batches = list(feed.read(day))
    rejects = pl.concat([batch.rejects for batch in batches])
    assert sorted(rejects.select("file", "line", "reason").rows()) == [
        ("events-2026-01-02.parquet", 3, "user_id is missing"),
        ("items-2026-01-02.parquet", 0, "item_id is missing"),
        ("users.parquet", 7, "user_id is missing"),
    ]
    assert sum(batch.events.height for batch in batches) == events(SMALL, 1).height - 1


def test_a_folder_that_lacks_something_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="gone: no such file"):
        GeneratedFeed(SMALL.model_copy(update={"path": tmp_path / "gone"}), 100).deliveries()
    with pytest.raises(SourceError, match=r"holds no events-YYYY-MM-DD\.parquet"):
        GeneratedFeed(SMALL.model_copy(update={"path": tmp_path}), 100).deliveries()
    feed = GeneratedFeed(written(SMALL, tmp_path), 100)
    (tmp_path / "items-2026-01-02.parquet").unlink()
    with pytest.raises(SourceError, match=r"items-2026-01-02\.parquet: no such file"):
        feed.deliveries()
    (tmp_path / "events-tuesday.parquet").touch()
    (tmp_path / "events-2026-01-02.parquet").unlink()
    with pytest.raises(SourceError, match="'tuesday' is no date"):
        feed.deliveries()
