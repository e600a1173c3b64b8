"""Deliveries beside those before them, in plain SQL: what is honest passes, what is broken does not."""

from collections.abc import Sequence

import duckdb
import pytest

# rows, positives, users, new users, items, new items
FIRST = (1000, 333, 40, 40, 30, 30)
USUAL = [FIRST, *[(200 + 10 * n, 70 + 3 * n, 38 + n % 3, 1, 28, n % 2) for n in range(6)]]
CASES = {
    "usual nights": (USUAL, {}),
    "a first night": ([FIRST], {}),
    "a weekend: twice the rows, a little less liked": ([*USUAL, (450, 120, 40, 3, 30, 1)], {}),
    "three events of strangers": ([FIRST, (3, 0, 3, 3, 3, 3)], {}),
    "no positives": ([FIRST, (200, 0, 40, 0, 30, 0)], {"share of positives": "block"}),
    "everything positive": ([FIRST, (200, 200, 40, 0, 30, 0)], {"share of positives": "block"}),
    "labels turned round": ([(1000, 100, 40, 40, 30, 30), (1000, 900, 40, 0, 30, 0)], {"share of positives": "block"}),
    "less than half liked": ([FIRST, (300, 40, 40, 0, 30, 0)], {"share of positives": "warn"}),
    "a log that has positives only": ([(1000, 1000, 40, 40, 30, 30), (1000, 990, 40, 0, 30, 0)], {}),
    "rare positives, none in a few rows": ([(10_000, 10, 40, 40, 30, 30), (1000, 0, 40, 0, 30, 0)], {}),
    "all ids new": (
        [FIRST, (200, 66, 40, 40, 30, 30)],
        {"share of known users and items": "block", "share of known users": "warn", "share of known items": "warn"},
    ),
    "items written in another way on the second night": ([FIRST, (200, 66, 40, 0, 30, 30)], {"share of known items": "warn"}),
    "users written in another way on the second night": ([FIRST, (200, 66, 40, 40, 30, 0)], {"share of known users": "warn"}),
    "sessions for users": ([FIRST, *[(200, 66, 40, 40, 30, 0)] * 4], {}),
    "news: all items new every day": ([FIRST, *[(200, 66, 40, 2, 30, 30)] * 4], {}),
    "all items new once": ([*USUAL, (200, 66, 40, 1, 30, 30)], {"share of known items": "warn"}),
    "a fiftieth of the rows": ([(10_000, 3000, 400, 40, 300, 10)] * 4 + [(100, 30, 60, 0, 60, 0)], {"rows": "block", "users": "warn", "items": "warn"}),
    "five times the rows": ([(1000, 300, 40, 1, 30, 1)] * 4 + [(5000, 1500, 40, 1, 30, 1)], {"rows": "warn"}),
    "small nights after a backfill": ([(100_000, 30_000, 400, 400, 300, 300), *[(500, 150, 40, 1, 30, 1)] * 5], {}),
    "only known rows": ([*USUAL, (0, 0, 0, 0, 0, 0)], {}),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_the_last_delivery_is_compared_with_those_before(world: duckdb.DuckDBPyConnection, name: str) -> None:
    nights, expected = CASES[name]
    assert fill(world, nights) == expected


def fill(world: duckdb.DuckDBPyConnection, nights: Sequence[tuple[int, ...]], config: str = "{}") -> dict[str, str]:
    """Make ``nights`` the deliveries of the warehouse, one a release; return the levels of the last that are not ok."""
    world.execute("DELETE FROM ingests; DELETE FROM releases")
    for number, (rows, positives, users, new_users, items, new_items) in enumerate(nights):
        world.execute(
            "INSERT INTO releases VALUES (?, 'r', 'refresh', NULL, '0.1', ?, 7, [], '2026-01-01 02:00:00+00')",
            [number + 1, config],
        )
        world.execute(
            "INSERT INTO ingests VALUES (?, 'shop', ?, ?, ?, ?, 0, 0, 0, ?, ?, ?, ?, ?, [], ?)",
            [f"i{number}", f"{number}.csv", number, rows, rows, positives, users, new_users, items, new_items, number + 1],
        )
    last = f"i{len(nights) - 1}"
    return dict(
        world.execute("SELECT figure, level FROM delivery_drift WHERE ingest_id = ? AND level <> 'ok'", [last]).fetchall()
    )


def test_few_rows_of_a_delivery_that_is_mostly_late_only_warn(world: duckdb.DuckDBPyConnection) -> None:
    """The rest of a day, of a hundred of ten thousand users."""
    usual = (20_000, 6_000, 10_000, 0, 300, 0)
    assert fill(world, [usual, usual, usual, usual, (200, 60, 100, 0, 90, 0)]) == {"rows": "block", "users": "block"}
    world.execute("UPDATE ingests SET n_late = 150 WHERE sequence = 4")
    levels = "SELECT figure, level FROM delivery_drift WHERE ingest_id = 'i4' AND level <> 'ok' ORDER BY figure"
    assert world.execute(levels).fetchall() == [("rows", "warn"), ("users", "warn")]


@pytest.mark.parametrize(
    ("config", "level"),
    [
        ('{"deliveries": {"share_block": 0}}', {"share of positives": "warn"}),
        ('{"deliveries": {"share_block": 0, "share_warn": 0}}', {}),
        ('{"deliveries": {"nights": 1}}', {}),
    ],
)
def test_levels_and_the_band_are_settings(world: duckdb.DuckDBPyConnection, config: str, level: dict[str, str]) -> None:
    """No positives after nights with a third, or (a band of one night) after a night without any."""
    nights = (
        [FIRST, FIRST, (200, 0, 40, 0, 30, 0), (200, 0, 40, 0, 30, 0)] if "nights" in config else [FIRST, (200, 0, 40, 0, 30, 0)]
    )
    assert fill(world, nights, config) == level


def test_a_finding_says_what_is_unusual(world: duckdb.DuckDBPyConnection) -> None:
    fill(world, [FIRST, (200, 0, 40, 0, 30, 0)])
    asked = "SELECT finding FROM delivery_drift WHERE level = 'block'"
    assert world.execute(asked).fetchall() == [("share of positives of 1.csv is 0.000, usually 0.333",)]
