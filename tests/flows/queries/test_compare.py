"""`hsrl compare` and `hsrl draw policy`: two policies of two retrains, side by side and as a picture."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from flows.queries.compare import moved
from flows.report.pictures import CURVES, curve_group
from pipeline.sids.table import SidTable
from tests.flows.conftest import World

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def two(fitted: World, tmp_path_factory: pytest.TempPathFactory) -> World:
    """A policy of 60 iterations and one of 20, whether the gate lets it pass or not; their evaluations by policy; not to be written."""
    world = fitted.copy(tmp_path_factory.mktemp("two"))
    reports = [world.retrain(), world.retrain(world.changed(("n_iterations = 60", "n_iterations = 20")))]
    panel = {
        row["policy_id"]: row for report in reports for row in report["evaluation"] if row["kind"] == "panel" and row["policy_id"]
    }
    return World(world.root, world.config, {report["policy_id"]: panel[report["policy_id"]] for report in reports})


def test_two_policies_are_compared_session_by_session(two: World, hsrl: Callable[..., Any]) -> None:
    """What is told equals what the retrain that judged both has entered: the same judges, starts and luck."""
    (first, entered), (second, _) = two.report.items()
    at = ("--warehouse", two.root)
    report = json.loads(hsrl("compare", first, second[:6], "--json", *at).out)
    assert (report["first"]["policy_id"], report["second"]["policy_id"], report["n_sessions"]) == (first, second, 40)
    [panel] = [row for row in report["rewards"] if row["kind"] == "panel"]
    assert panel["first"] == pytest.approx(entered["total_reward"], abs=0.15)
    assert panel["difference"] == pytest.approx(panel["second"] - panel["first"])
    assert panel["low"] < panel["difference"] < panel["high"] and set(panel["by_family"]) == {"attention", "frozen_attention"}
    assert [row["kind"] for row in report["rewards"]] == ["transferred", "panel"] and len(report["real_answers"]) >= 2
    assert 0 < report["slates"]["items_in_common_share"] < 1 and report["slates"]["same_items_share"] < 1
    gains = [row["gain"] for row in report["shown_more"]["second"]]
    assert gains == sorted(gains, reverse=True) and min(gains) > 0 > max(row["gain"] for row in report["shown_more"]["first"])
    assert report["sids"] == {"n_in_both": 62, "n_moved": 0, "n_only_first": 0, "n_only_second": 0, "is_numbered_alike": True}
    served = two.ask("select policy_id from policies where is_published").item()
    text = hsrl("compare", served, "release:2", "--sessions", 4, *at).out
    assert (
        "+0.00, 95 % interval +0.00 … +0.00" in text
        and "100% have the same items" in text
        and "0 of 62 items in both moved" in text
    )


def test_semantic_ids_that_moved_are_counted() -> None:
    """Items 1, 2, 3 before and 2, 3, 4 after; 2 has another token, and under another numbering both have."""

    def table(ids: list[int], tokens: list[list[int]]) -> SidTable:
        return SidTable("c", (9, 9), np.array(ids), np.array(tokens, np.uint16), np.zeros(len(ids), np.uint32))

    before, after = table([1, 2, 3], [[0, 0], [1, 1], [2, 2]]), table([2, 3, 4], [[1, 5], [2, 2], [3, 3]])
    found = moved(("n", before), ("n", after))
    assert (found["n_in_both"], found["n_moved"], found["n_only_first"], found["n_only_second"]) == (2, 1, 1, 1)
    assert moved(("n", before), ("other", after))["n_moved"] == 2


@pytest.mark.parametrize(
    ("names", "line"),
    [
        (("release:1", "release:2"), "release 1 serves no policy; those there are: hsrl sql"),
        (("release:7", "release:2"), "there is no release 7"),
        (("ab", "release:2"), "'ab' is too short; give 4 letters of a policy's id at least, or a release"),
        (("zzzz", "release:2"), "0 of 2 policies are 'zzzz', expected one; see them with: hsrl sql"),
    ],
)
def test_a_name_of_no_policy_is_one_line(two: World, hsrl: Callable[..., Any], names: tuple[str, ...], line: str) -> None:
    refused = hsrl("compare", *names, "--warehouse", two.root)
    assert refused.code == 2 and line in refused.err.splitlines()[-1] and "Traceback" not in refused.err


def test_a_policy_is_drawn(two: World, hsrl: Callable[..., Any], tmp_path: Path) -> None:
    """The same picture twice, of as many pixels as its rows need; what is drawn of the training is what was entered."""
    at = ("--warehouse", two.root)
    for name in ("a", "b"):
        drawn = hsrl("draw", "policy", "--out", tmp_path / name, *at)
        assert drawn.code == 0 and f"{tmp_path / name}.png" in drawn.out
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
    with Image.open(tmp_path / "a.png") as picture:
        assert picture.width == round(160 * 4.2 * 3) and picture.height > 1_000
    curves = two.ask(
        "select metric, iteration, value from training_curves where policy_id = (select min(policy_id) from policies)"
    )
    assert [len(curve_group(curves, names)) for _, _, names in CURVES[:3]] == [2, 4, 2]
    refused = hsrl("draw", "policy", "--out", tmp_path / "a.png" / "x", *at)
    assert refused.code == 2 and "name another place with --out" in refused.err.splitlines()[-1]


def test_what_a_policy_shows_adds_up(two: World) -> None:
    """Shares of tokens and of categories, of a policy and of the log, are 1 each."""
    from flows.queries.draw_policy import portrait_of
    from flows.queries.policy_sides import load_side, side_named, sids_of
    from flows.stores.pinned import pin
    from pipeline.warehouse.warehouse import Warehouse

    with Warehouse.open_copy(two.root) as warehouse:
        side = side_named(warehouse, "release:2")
        pinned = pin(warehouse, warehouse.release(2), 384)
        policy = load_side(warehouse, pinned, side, sids_of(warehouse, side, 384))
        categories = warehouse.query("select item_id, categories[1] as category from items")
        curves = warehouse.query("select metric, iteration, value from training_curves")
    portrait = portrait_of(side, policy, pinned, curves, categories)
    assert [len(level.policy) for level in portrait.levels] == [4, 4]
    for level in portrait.levels:
        assert level.policy.sum() == pytest.approx(1) and level.liked.sum() == pytest.approx(1)
        assert (np.diff(level.policy) <= 0).all()
    assert [portrait.categories[name].sum() for name in ("policy", "log", "liked")] == pytest.approx([1, 1, 1])
