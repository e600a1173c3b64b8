"""A user or an item is erased: from the release, from every file once old releases are gone, and from what raw files bring again."""

import os
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from pipeline.warehouse.warehouse import Warehouse
from tests.support.daily_log import Shop

START = 1_700_000_000
WHO, WHAT = "zebedee-4711", "quux-0815"  # spelled as nothing else is


def shown(day: int) -> pl.DataFrame:
    """Twenty users see ten items a day; one of each goes by a name that is easily found."""
    pairs = [(user, at) for user in range(20) for at in range(10)]
    users = [WHO if user == 7 else f"user-{user}" for user, _ in pairs]
    items = [(7 * user + 3 * at + day) % 25 for user, at in pairs]
    return pl.DataFrame(
        {
            "user_id": users,
            "timestamp": [START + 86_400 * day + 600 * at + user for user, at in pairs],
            "clicked": [int((user + at + day) % 3 == 0) for user, at in pairs],
            "item_id": [WHAT if item == 11 else f"item-{item}" for item in items],
        }
    )


@pytest.fixture
def shop(tmp_path: Path, hsrl: Callable[..., Any]) -> Shop:
    """Two nights; on the first, a row of the user is refused."""
    made = Shop(tmp_path / "shop", hsrl)
    spoilt = pl.DataFrame({"user_id": [WHO], "timestamp": [None], "clicked": [1], "item_id": [WHAT]}, schema=shown(1).schema)
    made.deliver(1, pl.concat([shown(1), spoilt]))
    made.deliver(2, shown(2))
    return made


def without(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.filter((pl.col("user_id") != WHO) & (pl.col("item_id") != WHAT))


def rest_as_if_never_there(shop: Shop, days: dict[int, pl.DataFrame]) -> None:
    """Answers, histories and counts are those of a warehouse into which neither ever came."""
    other = Shop(shop.folder.parent / "never", shop.hsrl)
    for day, rows in days.items():
        other.deliver(day, without(rows))
    for sql in (
        "select user_id, item_id, occurred_at, feedback from events order by all",
        "select user_id, record_index, occurred_at, exposed_items, feedback, history, split from records order by all",
        "select user_id, n_records, n_train from splits order by all",
        "select item_id, raw_id from items order by all",
        "select user_id, raw_id from users order by all",
    ):
        assert shop.ask(sql).equals(other.ask(sql)), sql


def holding(root: Path, numbers: tuple[int, int]) -> list[str]:
    """Files below the warehouse's folder in which the user or the item can be read, as text or as number."""
    found = []
    for path in sorted(path for path in root.rglob("*") if path.is_file()):
        if path.suffix == ".parquet":
            frame = pl.read_parquet(path)
            text = "".join(str(frame[column].to_list()) for column in frame.columns)
        elif path.suffix == ".sqlite":
            with sqlite3.connect(f"file:{path}?immutable=1", uri=True) as catalogue:
                text = "".join(catalogue.iterdump())
            text += path.read_bytes().decode("latin-1")
        else:
            text = path.read_bytes().decode("latin-1")
        found += [f"{path.relative_to(root)}: {name}" for name in (WHO, WHAT, *map(str, numbers)) if name in text]
    return found


def plant_example(root: Path, examples: list[str]) -> None:
    """An audit of a night before that named who is forgotten later."""
    with Warehouse.open(root) as warehouse, warehouse.writer("planted", 10), warehouse.transaction("planted", {}):
        warehouse.connection.execute(
            "INSERT INTO audits VALUES ('planted', 1, 'keys_unique', 'warn', 3, ?, TIMESTAMPTZ '2026-01-01 00:00:00+00')",
            [examples],
        )


def test_user_and_item_are_gone_from_sql_at_once_and_from_every_file_once_old_releases_are(shop: Shop) -> None:
    user = shop.ask(f"select user_id from users where raw_id = '{WHO}'").item()
    item = shop.ask(f"select item_id from items where raw_id = '{WHAT}'").item()
    n_user = shop.ask(f"select count(*) from events where user_id = {user}").item()
    assert shop.ask("select count(*) from quarantine").item() == 1
    plant_example(shop.root, [f'{{"user_id":{user},"n":3}}', f'{{"raw_id":"{WHAT}"}}', '{"user_id":1}'])
    plan = shop.run("forget", "--user", WHO, "--dry-run")
    assert f"{n_user} events" in plan.out and shop.ask("select count(*) from releases").item() == 2
    done = shop.run("forget", "--user", WHO)
    assert "releases 1, 2" in done.out and f"{n_user} events" in done.out
    shop.run("forget", "--item", WHAT)
    rest_as_if_never_there(shop, {1: shown(1), 2: shown(2)})
    assert shop.ask("select count(*) from quarantine").item() == 0
    assert shop.ask("select examples, n_offenders from audits where run_id = 'planted'").rows() == [(['{"user_id":1}'], 3)]
    assert shop.ask(f"select count(*) from sid_history where item_id = {item}").item() == 0
    assert shop.ask(f"select count(*) from embeddings where item_id = {item}").item() == 0
    assert shop.run("verify").code == 0
    assert holding(shop.root, (user, item)) != []
    shop.run("gc", "--keep-days", "0", "--keep-releases", "1", "--resume-days", "0")
    for copy in (shop.root / "readers").iterdir():  # kept for an hour for those who read them
        os.utime(copy, (0, 0))
    shop.run("gc", "--keep-days", "0", "--keep-releases", "1", "--resume-days", "0")
    assert holding(shop.root, (user, item)) == []
    assert shop.run("verify").code == 0


def test_raw_files_bring_them_again_in_vain(shop: Shop) -> None:
    """The night after, a rebuild, and the same days in another file."""
    shop.run("forget", "--user", WHO)
    shop.run("forget", "--item", WHAT)
    shop.deliver(3, shown(3))
    n_left_out = shown(3).height - without(shown(3)).height
    last = shop.ask("select n_rows, n_accepted, n_known from ingests order by sequence desc limit 1").rows()
    assert last == [(200, 200 - n_left_out, n_left_out)]
    shop.run("refresh", "--rebuild")
    shop.deliver(9, pl.concat([shown(1), shown(2)]))
    rest_as_if_never_there(shop, {day: shown(day) for day in (1, 2, 3)})
    assert shop.run("verify").code == 0


def test_who_is_not_there_is_told_in_one_line_and_nothing_is_published(shop: Shop) -> None:
    result = shop.run("forget", "--user", "nobody", code=2)
    assert result.err.count("\n") == 1 and "user 'nobody': no such user among 20" in result.err
    assert "--user ID or --item ID" in shop.run("forget", code=2).err
    assert shop.ask("select count(*) from releases").item() == 2


def test_late_events_of_someone_else_still_find_their_place(shop: Shop) -> None:
    shop.run("forget", "--user", WHO)
    shop.deliver(0, shown(0))
    days = {day: shown(day).filter(pl.col("user_id") != WHO) for day in (0, 1, 2)}
    other = Shop(shop.folder.parent / "in_time", shop.hsrl)
    for day, rows in days.items():
        other.deliver(day, rows)
    records = "select user_id, record_index, exposed_items, feedback, history from records order by all"
    assert shop.ask(records).equals(other.ask(records))
