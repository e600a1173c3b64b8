"""The generated log in RL4RS's format: read by the same source, and people answer as it is known that they do."""

from pathlib import Path

import numpy as np
import pytest

from pipeline.errors import ConfigError
from pipeline.ingest.rl4rs_feed import Preferences, bought, write_feed
from tests.support.tables import read_source


def test_the_feed_is_read_as_the_real_log_is(tmp_path: Path) -> None:
    """1,999 slates of nine, an odd number: the last session has one page."""
    items, log = write_feed(tmp_path, 1_999, n_users=50)
    batch = read_source(kind="rl4rs", path=log, items={"path": items})
    assert (batch.events.height, batch.rejects.height, batch.items.height) == (9 * 1_999, 0, 283)
    assert batch.events["request_id"].n_unique() == 1_999
    assert batch.events["user_id"].n_unique() == 50


def test_answers_follow_the_known_preferences(tmp_path: Path) -> None:
    """Of the first location, where all is for sale: bought as often as P says, within four standard errors in each third of P."""
    items, log = write_feed(tmp_path, 4_000, n_users=20, seed=3)
    world = Preferences.of(20, seed=3)
    events = read_source(kind="rl4rs", path=log, items={"path": items}).events.sort("line", "position")
    shown, liked = (events[name].to_numpy().reshape(-1, 9)[:, :3] for name in ("item_id", "feedback"))
    texts = [line.split("@") for line in log.read_text().splitlines()[1:]]
    portraits = {
        ",".join(map(str, [*codes, *profile])): user
        for user, (codes, profile) in enumerate(zip(world.codes, world.profiles, strict=True))
    }
    users = np.array([portraits[text[6]] for text in texts])
    expected = world.probabilities(users, shown).ravel()
    for third in np.array_split(np.argsort(expected), 3):
        p = expected[third]
        assert abs(liked.ravel()[third].mean() - p.mean()) < 4 * np.sqrt((p * (1 - p)).mean() / len(p))
    assert np.quantile(expected, 0.9) - np.quantile(expected, 0.1) > 0.2


def test_a_location_opens_when_all_before_is_bought() -> None:
    wanted = np.array([[1, 1, 1, 1, 1, 1, 0, 1, 1], [1, 0, 1, 1, 1, 1, 1, 1, 1], [1, 1, 1, 1, 1, 0, 1, 1, 1]], dtype=bool)
    assert bought(wanted.copy()).astype(int).tolist() == [
        [1, 1, 1, 1, 1, 1, 0, 1, 1],
        [1, 0, 1, 0, 0, 0, 0, 0, 0],
        [1, 1, 1, 1, 1, 0, 0, 0, 0],
    ]


def test_the_same_seed_gives_the_same_bytes_and_nothing_is_no_feed(tmp_path: Path) -> None:
    first, again, other = (
        write_feed(tmp_path / name, 100, 10, seed)[1].read_bytes() for name, seed in (("a", 1), ("b", 1), ("c", 2))
    )
    assert first == again != other
    with pytest.raises(ConfigError, match="a feed of 0 records"):
        write_feed(tmp_path, 0)
