"""Late events, corrected days and mended mappings: only the users touched are laid out anew, and all is as if it had come in time."""

import re
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from tests.support import daily_log
from tests.support.configurations import LONG_COLUMNS, log_toml

START = 1_700_000_000
KEY = ["user_id", "item_id", "timestamp"]
EVENTS = "select * exclude (ingest_id) from events order by user_id, user_seq"
RECORDS = "select * exclude (ingest_id) from records order by user_id, record_index"
# What the audits say of users whose events were laid out anew.
CONSERVED = "select sum(n_accepted) - (select count(*) from events) from ingests"


def shown(day: int, users: range = range(1, 41), n: int = 12) -> pl.DataFrame:
    """Rows of a day: every user sees n items, a time each; a third of them clicked."""
    pairs = [(user, at) for user in users for at in range(n)]
    return pl.DataFrame(
        {
            "user_id": [user for user, _ in pairs],
            "timestamp": [START + 86_400 * day + 600 * at + user for user, at in pairs],
            "clicked": [int((user + at + day) % 3 == 0) for user, at in pairs],
            "item_id": [1 + (7 * user + 11 * at + 13 * day) % 30 for user, at in pairs],
        }
    )


class Shop(daily_log.Shop):
    """A folder of daily files, each taken in when a refresh is run, and a warehouse of four buckets."""

    def __init__(self, folder: Path, hsrl: Callable[..., Any]) -> None:
        super().__init__(folder, hsrl)
        self.config.write_text(log_toml("logs/*.csv", LONG_COLUMNS, codes=(1, 4)).replace("buckets = 1", "buckets = 4"))

    def deliver(self, day: int, rows: pl.DataFrame, *, name: str | None = None) -> None:
        rows.write_csv(self.folder / "logs" / (name or f"day-{day}.csv"))


@pytest.fixture
def shop(tmp_path: Path, hsrl: Callable[..., Any]) -> Shop:
    return Shop(tmp_path / "shop", hsrl)


def same_as_in_time(shop: Shop, days: dict[int, pl.DataFrame], *, items: bool = True) -> None:
    """Events, records, splits, users and, if asked, items are those of a warehouse that took in the days in their order."""
    other = Shop(shop.folder.parent / "in_time", shop.hsrl)
    for day, rows in days.items():
        other.deliver(day, rows)
    other.run("refresh")
    tables = ("splits order by user_id", "users order by user_id", *(["items order by item_id"] if items else []))
    for sql in (EVENTS, RECORDS, *(f"from {table}" for table in tables)):
        assert shop.ask(sql).equals(other.ask(sql)), sql


def test_days_in_any_order_make_the_same_events_and_records(shop: Shop) -> None:
    """Day 2 first, then day 4, day 1, day 3: each night lays out anew the users that have later events."""
    days = {day: shown(day, range(1, 31) if day % 2 else range(11, 41)) for day in range(1, 5)}
    for day in (2, 4, 1, 3):
        shop.deliver(day, days[day])
        result = shop.run("refresh")
        is_late = day in (1, 3)
        assert bool(re.search(r"users are laid out anew", result.err)) == is_late
    same_as_in_time(shop, days)
    assert shop.ask(CONSERVED).item() == 0 and shop.ask("from quarantine").is_empty()
    # Users 11 to 30 have days 1 to 4, users 1 to 10 days 1 and 3: day 1 is late for the first, day 3 for those of day 4 alone.
    assert shop.ask("select n_late from ingests order by sequence")["n_late"].to_list() == [0, 0, 240, 240]
    rebuilt = shop.ask(
        "select release_id, count(*) n, min(user_id) low, max(user_id) high from rebuilt_users group by all order by 1"
    )
    assert rebuilt.rows() == [(3, 20, 11, 30), (4, 20, 11, 30)]
    assert shop.run("verify").code == 0


def test_a_late_delivery_among_others_of_one_night_and_a_night_that_is_killed(shop: Shop) -> None:
    """Files by name: late ones of b.csv arrive with those of a.csv in one night; what is staged already is written without them."""
    shop.deliver(1, shown(1, n=10))
    shop.run("refresh")
    shop.deliver(0, shown(5), name="day-x1.csv")
    shop.deliver(0, shown(3, range(5, 9)), name="day-x2.csv")
    shop.deliver(0, shown(4, range(7, 11)), name="day-x3.csv")
    shop.run("refresh")
    same_as_in_time(shop, {1: shown(1, n=10), 3: shown(3, range(5, 9)), 4: shown(4, range(7, 11)), 5: shown(5)})
    assert shop.ask("select count(*) from rebuilt_users").item() == 6
    assert shop.run("verify").code == 0


def test_the_night_after_and_a_second_late_day_go_on_from_what_was_laid_out_anew(shop: Shop) -> None:
    days = {1: shown(1), 3: shown(3), 5: shown(5)}
    late = {2: shown(2, range(3, 6)), 4: shown(4, range(5, 8))}
    for rows in (days[1], days[3], late[2], days[5], late[4]):
        shop.deliver(0, rows, name=f"{len(list((shop.folder / 'logs').glob('*'))) if (shop.folder / 'logs').is_dir() else 0}.csv")
        shop.run("refresh")
    same_as_in_time(shop, dict(sorted((days | late).items())))
    shop.run("gc")
    assert shop.run("verify").code == 0
    assert "nothing new" in shop.run("refresh").err


def test_rows_that_come_late_and_again_are_events_once(shop: Shop) -> None:
    shop.deliver(2, shown(2))
    shop.run("refresh")
    shop.deliver(1, shown(1, range(1, 4)))
    shop.run("refresh")
    shop.deliver(0, pl.concat([shown(1, range(1, 5)), shown(2, range(1, 5))]), name="again.csv")
    shop.run("refresh")
    assert shop.ask("select n_known, n_late from ingests order by sequence desc limit 1").rows() == [(36 + 48, 12)]
    same_as_in_time(shop, {1: shown(1, range(1, 5)), 2: shown(2)})


def test_a_corrected_day_takes_the_place_of_what_it_had_brought(shop: Shop) -> None:
    """Answers of day 2 are turned round, users 1 and 2 are gone from it, and 41 is new: only its users are laid out anew."""
    days = {day: shown(day, range(1, 21)) for day in (1, 2)} | {3: shown(3, range(11, 41))}
    for day, rows in days.items():
        shop.deliver(day, rows)
    shop.run("refresh")
    corrected = shown(2, range(3, 21)).with_columns(clicked=1 - pl.col("clicked"))
    corrected = pl.concat([corrected, shown(2, range(41, 42))])
    shop.deliver(2, corrected)
    plan = shop.run("refresh", "--corrected", "--dry-run").out
    assert "day-2" in plan
    shop.run("refresh", "--corrected")
    same_as_in_time(shop, days | {2: corrected})
    assert shop.ask("select count(*) from rebuilt_users").item() == 20
    assert shop.ask("select len(replaces) from ingests order by sequence desc limit 1").item() == 1
    assert "nothing new" in shop.run("refresh", "--corrected").err
    assert shop.run("verify").code == 0


def test_a_correction_that_a_night_took_for_growth_is_still_one(shop: Shop) -> None:
    """A night adds what is new of the corrected day; asked for corrections, the next takes away what had been there before."""
    days = {day: shown(day, range(1, 21)) for day in (1, 2)}
    for day, rows in days.items():
        shop.deliver(day, rows)
    shop.run("refresh")
    corrected = days[2].with_columns(clicked=1 - pl.col("clicked"))
    shop.deliver(2, corrected)
    shop.run("refresh")
    assert shop.ask("select count(*) from events").item() == 3 * 20 * 12, "both answers stand"
    shop.run("refresh", "--corrected")
    same_as_in_time(shop, days | {2: corrected})
    assert "nothing new" in shop.run("refresh", "--corrected").err


def test_a_file_that_only_grew_is_no_correction(shop: Shop) -> None:
    rows = shown(1)
    shop.deliver(1, rows[:200])
    shop.run("refresh")
    shop.deliver(1, rows)
    shop.run("refresh", "--corrected")
    assert shop.ask("select n_accepted, len(replaces) from ingests order by sequence").rows() == [
        (200, 0),
        (rows.height - 200, 0),
    ]
    assert "nothing new" in shop.run("refresh", "--corrected").err
    same_as_in_time(shop, {1: rows})


def test_a_corrected_day_that_is_empty_takes_all_away_that_it_had_brought(shop: Shop) -> None:
    for day in (1, 2):
        shop.deliver(day, shown(day, range(1, 21)))
    shop.run("refresh")
    shop.deliver(2, shown(2)[:0])
    shop.run("refresh", "--corrected")
    same_as_in_time(shop, {1: shown(1, range(1, 21))}, items=False)  # when an item was last seen is not taken back
    assert "nothing new" in shop.run("refresh", "--corrected").err


def test_what_another_day_holds_as_well_stays_when_a_day_is_corrected(shop: Shop) -> None:
    """Day 2 came with the first rows of day 3 behind its own, which day 3 then had as known; and whole, by the name of day 4."""
    days = {day: shown(day, range(1, 21)) for day in (1, 2, 3)}
    shop.deliver(1, days[1])
    shop.deliver(2, pl.concat([days[2], days[3][:50]]))
    shop.deliver(3, days[3])
    shop.run("refresh")
    shop.deliver(2, days[2])
    shop.run("refresh", "--corrected")
    same_as_in_time(shop, days)
    later = shown(5, range(1, 21))
    shop.deliver(4, later)
    shop.run("refresh")
    shop.deliver(5, later)
    assert "nothing new" in shop.run("refresh").err, "its rows are there, by the name of day 4"
    shop.deliver(4, shown(4, range(1, 21)))
    shop.run("refresh", "--corrected")
    assert shop.ask("select count(*) from events").item() == 5 * 20 * 12
    assert "nothing new" in shop.run("refresh").err


def test_rows_that_two_corrections_moved_from_a_day_to_another_are_there_after_both(shop: Shop) -> None:
    days = {day: shown(day, range(1, 21)) for day in (1, 2, 3)}
    shop.deliver(1, days[1])
    shop.deliver(2, days[2])
    shop.deliver(3, pl.concat([days[3], days[2][:50]]).unique(maintain_order=True))
    shop.run("refresh")
    shop.deliver(2, days[2][:100])
    shop.deliver(3, pl.concat([days[2][100:], days[3]]))
    shop.run("refresh", "--corrected")
    assert shop.ask("select count(*) from events").item() == 3 * 20 * 12
    shop.deliver(2, pl.concat([days[2][:100], days[3][:30]]))
    shop.deliver(3, pl.concat([days[2][100:], days[3][30:]]))
    shop.run("refresh", "--corrected")
    assert shop.ask("select count(*) from events").item() == 3 * 20 * 12


def test_a_file_that_is_put_back_as_it_was_brings_its_rows_back(shop: Shop) -> None:
    rows = shown(1)
    shop.deliver(1, rows)
    shop.run("refresh")
    shop.deliver(1, rows[:400])
    shop.run("refresh", "--corrected")
    shop.deliver(1, rows)
    shop.run("refresh")
    same_as_in_time(shop, {1: rows})
    assert "nothing new" in shop.run("refresh").err


def test_a_correction_of_a_delivery_of_which_files_are_gone_is_refused(shop: Shop) -> None:
    shop.config.write_text(shop.config.read_text().replace("[source]\n", '[source]\ndelivery = "all"\n'))
    for day in (1, 2, 3):
        shop.deliver(day, shown(day))
    shop.run("refresh")
    for day in (1, 2):
        (shop.folder / "logs" / f"day-{day}.csv").unlink()
    shop.deliver(3, shown(3).with_columns(clicked=1 - pl.col("clicked")))
    for options in (("--dry-run",), ()):
        refused = shop.run("refresh", "--corrected", *options, code=2).err
        assert (
            "2 of its 3 files are no longer there, such as day-1.csv, and their events would go; put them back for this run"
            in refused
        )
    assert shop.ask("select count(*) from events").item() == 3 * 40 * 12


def test_a_user_who_was_only_in_what_was_corrected_has_no_record_left(shop: Shop) -> None:
    shop.deliver(1, shown(1, range(1, 21)))
    shop.deliver(2, shown(2, range(15, 31)))
    shop.run("refresh")
    shop.deliver(2, shown(2, range(15, 26)))
    shop.run("refresh", "--corrected")
    left = "select count(*) from {} where user_id > 25"
    assert [shop.ask(left.format(table)).item() for table in ("events", "records", "splits")] == [0, 0, 0]


def test_without_being_asked_a_file_that_changed_adds_what_is_new_and_takes_nothing_away(shop: Shop) -> None:
    shop.deliver(1, shown(1))
    shop.deliver(2, shown(2))
    shop.run("refresh")
    shop.deliver(1, pl.concat([shown(1, range(1, 11)), shown(1, range(50, 52))]))
    shop.run("refresh")
    assert shop.ask("select count(*) from events").item() == (40 + 40 + 2) * 12


def test_rows_in_quarantine_are_read_again_after_the_mapping_was_mended(shop: Shop) -> None:
    """The earliest time allowed cuts off the mornings of day 1; once it is set right they are events, before the later ones."""
    text = shop.config.read_text()
    noon = datetime.fromtimestamp(START + 86_400 + 600 * 6, UTC).isoformat()
    shop.config.write_text(text.replace("[ingest]", f'[ingest]\nquarantine_limit = 0.6\nearliest = "{noon}"'))
    shop.deliver(1, shown(1))
    shop.deliver(2, shown(2))
    shop.deliver(3, pl.concat([shown(3), shown(0, range(1, 3))]))
    shop.run("refresh")
    n_early = shop.ask("select count(*) from quarantine").item()
    assert n_early == 6 * 40 + 24 and "nothing new" in shop.run("refresh").err
    shop.config.write_text(
        text.replace("[ingest]", f'[ingest]\nearliest = "{datetime.fromtimestamp(START + 86_400, UTC).isoformat()}"')
    )
    assert "day-1.csv, day-3.csv" in shop.run("requeue", "--dry-run").out
    result = shop.run("requeue")
    assert "240 of" in result.out and "24 known" not in result.out
    assert shop.ask("select file, count(*) from quarantine group by all").rows() == [("day-3.csv", 24)]
    same_as_in_time(shop, {day: shown(day) for day in (1, 2, 3)})
    assert "the same rows are refused for the same reasons" in shop.run("requeue").err
    assert shop.ask("select count(*) from releases").item() == 2, "nothing was mended since"
    assert "nothing new" in shop.run("refresh").err and shop.run("verify").code == 0


def test_a_folder_without_a_warehouse_has_nothing_to_requeue(shop: Shop, hsrl: Callable[..., Any]) -> None:
    empty = shop.config.parent / "empty"
    for dry in ([], ["--dry-run"]):
        asked = hsrl("requeue", "--config", shop.config, "--warehouse", empty, *dry)
        assert asked.code == 2 and asked.err.startswith(f"hsrl: no warehouse at {empty}") and not empty.exists()


def test_what_is_refused_again_stays_in_quarantine_once(shop: Shop) -> None:
    shop.config.write_text(shop.config.read_text().replace("[ingest]", "[ingest]\nquarantine_limit = 0.2"))
    shop.deliver(1, shown(1).with_columns(item_id=pl.when(pl.col("user_id") == 7).then(pl.lit("x")).otherwise(pl.col("item_id"))))
    shop.run("refresh")
    before = shop.ask("from quarantine order by line")
    assert before.height == 12
    n_releases = shop.ask("select count(*) from releases").item()
    assert "nothing new: the same rows are refused for the same reasons" in shop.run("requeue").err
    assert shop.ask("select count(*) from releases").item() == n_releases
    assert shop.ask("from quarantine order by line").equals(before)
    # A corrected file has the row on another line.
    spoilt = pl.read_csv(shop.folder / "logs" / "day-1.csv", infer_schema=False)
    spoilt[1:].write_csv(shop.folder / "logs" / "day-1.csv")
    shop.run("refresh", "--corrected")
    assert shop.ask("from quarantine order by line").equals(before)
    (shop.folder / "logs" / "day-1.csv").unlink()
    shop.deliver(2, shown(2))
    assert "no raw file that is still there has rows in quarantine" in shop.run("requeue").err
