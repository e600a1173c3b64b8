"""The generated feed's files: whole, also where two refreshes write them at once."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from flows.refresh.feed import missing_days, write_missing_days
from tests.support import small_feed


def test_two_that_write_the_same_days_at_once_both_end_well(tmp_path: Path) -> None:
    """Each of ten times: the second finds what the first renamed away from under it, or writes the same bytes again."""
    for number in range(10):
        home = tmp_path / str(number)
        home.mkdir()
        source = small_feed.settings_of(home / "w", 2).source
        with ThreadPoolExecutor(2) as pool:
            list(pool.map(write_missing_days, [source, source]))
        assert missing_days(source) == []
        assert not list(source.path.glob(".*"))
