"""Pairs of likes and of neighbours, by hand."""

from collections.abc import Callable

import numpy as np
import polars as pl
import pytest

from pipeline.contracts import SID_HISTORY
from pipeline.sids import quality
from pipeline.sids.codebook import Codebook
from pipeline.sids.metrics import Background, ReleaseSids, sid_metrics
from pipeline.sids.quality import likes_that_follow, nearest_others
from tests.support.sids import assign_night

Frames = Callable[..., pl.DataFrame]


def likes(*rows: tuple[int, int, int]) -> pl.DataFrame:
    """user_id, record_index, item_id."""
    return pl.DataFrame(rows, schema={"user_id": pl.Int64, "record_index": pl.Int64, "item_id": pl.Int64}, orient="row")


def test_likes_follow_by_record_and_within_it_as_shown() -> None:
    """User 1 liked 7, 5 in record 0 and 5, 9 in record 1, given out of order; 5 after 5 is no pair, nor is 9 (user 1), 8 (user 2)."""
    pairs = likes_that_follow(likes((1, 1, 5), (1, 1, 9), (1, 0, 7), (2, 0, 8), (1, 0, 5), (2, 3, 6)), 2)
    assert pairs.rows() == [(7, 5), (5, 9), (8, 6)]


def test_of_many_users_some_are_drawn_whoever_comes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    """About 10 of 100 users, and the same ones whether they come in one frame or two."""
    monkeypatch.setattr(quality, "SAMPLE_USERS", 10)
    log = likes(*((user, 0, item) for user in range(100) for item in (user, user + 1)))
    whole = likes_that_follow(log, 100)
    assert 3 <= whole.height <= 20
    assert pl.concat([likes_that_follow(part, 100) for part in (log[:80], log[80:])]).equals(whole)


def test_the_nearest_of_equals_are_the_first() -> None:
    """Twelve points on one spot and one far away: of the far one the ten nearest are the first ten."""
    space = np.zeros((13, 2), dtype=np.float32)
    space[12] = 3.0
    assert sorted(nearest_others(space, np.array([12]))[0].tolist()) == list(range(10))


def test_a_release_says_how_often_likes_share_a_prefix(line: Codebook, embed: Frames, catalogue: Frames) -> None:
    """Items 1 and 2 are 1-1, 3 is 1-0, 4 is 0-1. Likes 1→2, 1→3, 2→4 share level 1 twice of three times, both levels once; 1→9 has no 9.

    Left ends are 1, 1, 2, right ends 2, 3, 4: of the nine pairs 2, 2 is no pair; of the eight that are left, five share level 1.
    """
    points = {1: [5.0], 2: [5.1], 3: [3.0], 4: [-3.0]}
    vectors = embed(points)
    rows = assign_night((1, catalogue(list(points)), vectors), line, SID_HISTORY.empty()).upserts
    pairs = pl.DataFrame({"left": [1, 1, 2, 1], "right": [2, 3, 4, 9]})
    figures = sid_metrics(ReleaseSids(1, line, rows, vectors), Background(follows=pairs))
    found = {(level, name): value for level, name, value in figures.select("level", "metric", "value").iter_rows()}
    assert found[1, "behaviour_share"] == pytest.approx(2 / 3)
    assert found[2, "behaviour_share"] == pytest.approx(1 / 3)
    assert found[1, "behaviour_by_chance"] == pytest.approx(5 / 8)
    assert found[2, "behaviour_by_chance"] == pytest.approx(2 / 8)
    assert (1, "neighbours_share") not in found  # four items have no ten neighbours
