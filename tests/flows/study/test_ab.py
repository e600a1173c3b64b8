"""A simulated A/B test from end to end: two arms, their own logs, a read-out; nothing is published."""

from pathlib import Path
from typing import Any

import polars as pl
import pytest
from PIL import Image

from flows.plots.style import write_png
from flows.runtime.run import Run
from flows.study import ab, ab_page
from flows.study.ab import ab_test
from flows.study.ab_page import REWARD, AbRequest
from pipeline.errors import ConfigError

pytestmark = pytest.mark.slow


def test_two_arms_for_two_days(refreshed: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    world, taught = refreshed.copy(tmp_path), []
    real = ab.train

    def train(learner: Any, environment: Any, records: Any, config: Any, seed: int) -> Any:
        taught.append((config.method, len(records), config.schedule.n_iterations))
        return real(learner, environment, records, config, seed)

    monkeypatch.setattr(ab, "train", train)
    report = ab_test(world.settings, world.root, Run("ab"), AbRequest("item_sasrec", "hsrl", 2, 0.5, 20, tmp_path / "out"))
    lifts = {row["metric"]: row for row in report["lifts"]}
    assert list(lifts)[:2] == [REWARD, f"{REWARD}, without CUPED"] and len(lifts) == 4
    assert all(row["low"] <= row["difference"] <= row["high"] for row in report["lifts"])
    # What the next test takes is told by the page too.
    assert [row["difference"] / lifts[REWARD]["difference"] for row in report["users_needed"]] == [0.5, 1, 2]
    needed = [row["users in each arm"] for row in report["users_needed"]]
    assert needed == sorted(needed, reverse=True) and f" {needed[0]:,} | " in Path(report["files"][0]).read_text()
    assert report["users"][0] == report["users"][1] >= 2
    # Two first trainings on the same log, then a night each, on the log of that arm alone.
    assert [method for method, *_ in taught] == ["item_sasrec", "hsrl"] * 2
    assert taught[0][1] == taught[1][1] and all(n == 20 for *_, n in taught[2:])
    daily = pl.read_csv(report["files"][1])
    assert daily["arm"].unique(maintain_order=True).to_list() == ["control: item_sasrec", "treatment: hsrl"]
    depths = {row["arm"].partition(": ")[2]: row["users"] * row["depth"] for row in daily.filter(pl.col("day") == 1).to_dicts()}
    assert all(taught[2 + number][1] == taught[0][1] + round(depths[taught[number][0]]) for number in (0, 1))
    assert daily["day"].max() == 2 and daily.height == 6
    assert Image.open(report["files"][2]).size[0] > 1000
    assert world.ask("select count(*) from policies").item() == 0
    assert world.ask("select status from runs where flow = 'ab'").item() == "completed"
    # Again, with every answer worth 3 and costing 1: the same, and what was earned.
    values = tmp_path / "values.csv"
    world.ask("select raw_id as item_id, 3 as value, 1.0 as cost from items").write_csv(values)
    request = AbRequest("item_sasrec", "hsrl", 2, 0.5, 20, tmp_path / "out", values)
    again = {row["metric"]: row for row in ab_test(world.settings, world.root, Run("ab"), request)["lifts"]}
    assert [again[name] for name in lifts] == report["lifts"]
    worth, paid = again["advertiser value a session"], again["revenue a session"]
    assert worth["control"] == pytest.approx(3 * paid["control"]) and worth["difference"] == pytest.approx(3 * paid["difference"])
    assert paid["control"] > 0


def test_the_same_method_in_both_arms_differs_by_luck_alone(
    refreshed: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its arms have other users; the interval of the difference holds 0. Table and picture keep them apart, a line each."""
    world, drawn = refreshed.copy(tmp_path), []
    monkeypatch.setattr(ab_page, "write_png", lambda made, draft: (drawn.append(made), write_png(made, draft)))
    report = ab_test(world.settings, world.root, Run("ab"), AbRequest("item_sasrec", "item_sasrec", 1, 0.5, 20, tmp_path / "out"))
    found = report["lifts"][0]
    assert found["low"] <= 0 <= found["high"]
    arms = ["control: item_sasrec", "treatment: item_sasrec"]
    assert pl.read_csv(report["files"][1]).select("arm", "day").rows() == [(arm, day) for arm in arms for day in (0, 1)]
    (axes,) = drawn[0].axes
    lines = [(bars.get_label(), [round(day) for day in bars.lines[0].get_xdata()]) for bars in axes.containers]
    assert lines == [(arm, [0, 1]) for arm in arms], "a little aside, so that intervals do not hide one another"


def test_more_than_all_users_are_refused(refreshed: Any, tmp_path: Path) -> None:
    world = refreshed.copy(tmp_path)
    with pytest.raises(ConfigError, match=r"--traffic is 0.7, expected a share above 0 and of at most 0.5"):
        ab_test(world.settings, world.root, Run("ab"), AbRequest("item_sasrec", "hsrl", 2, 0.7, 20, tmp_path / "out"))


BAD_VALUES = {
    "item_id,value\n1,2\n": "has no column cost",
    "item_id,value,cost\n1,-2,1\n2,x,1\n": "2 of 2 lines have a value or cost that is no number of 0 or more, such as that of item 1",
    "item_id,value,cost\n1,2,1\n1,2,1\n": "1 of 2 lines repeat an item, such as 1",
    "item_id,value,cost\nnobody,2,1\n": r"\d+ of \d+ items that may be shown have no line, such as",
}


def test_values_that_cannot_be_used_are_refused(refreshed: Any, tmp_path: Path) -> None:
    world, values = refreshed.copy(tmp_path), tmp_path / "values.csv"
    request = AbRequest("item_sasrec", "hsrl", 2, 0.5, 20, tmp_path / "out", values)
    with pytest.raises(ConfigError, match="No such file"):
        ab_test(world.settings, world.root, Run("ab"), request)
    for text, says in BAD_VALUES.items():
        values.write_text(text)
        with pytest.raises(ConfigError, match=says):
            ab_test(world.settings, world.root, Run("ab"), request)
