"""Refused rows of who is forgotten go, and only these; what comes again of them is known; nothing else names them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from flows.refresh.forgotten_rows import BLANK
from tests.support.daily_log import Shop

START = 1_700_000_000


def shown(day: int) -> pl.DataFrame:
    """Ten users see ten items a day, all by whole numbers from 1 on."""
    pairs = [(user, at) for user in range(10) for at in range(10)]
    return pl.DataFrame(
        {
            "user_id": [str(user + 1) for user, _ in pairs],
            "timestamp": [str(START + 86_400 * day + 600 * at + user) for user, at in pairs],
            "clicked": [str(int((user + at + day) % 3 == 0)) for user, at in pairs],
            "item_id": [str((7 * user + 3 * at + day) % 25 + 1) for user, at in pairs],
        }
    )


def refused(*pairs: tuple[str, str]) -> pl.DataFrame:
    """Rows of user and item whose time is none."""
    rows = [(user, "then", "1", item) for user, item in pairs]
    return pl.DataFrame(rows, schema=shown(1).schema, orient="row")


@pytest.fixture
def shop(tmp_path: Path, hsrl: Callable[..., Any]) -> Shop:
    """A night with refused rows of the users 1, 2, 11 and 99, the last of whom is in no other row, and a line with too few fields."""
    made = Shop(tmp_path / "shop", hsrl)
    path = made.folder / "logs" / "day-1.csv"
    shown(1).vstack(refused(("1", "5"), ("2", "1"), ("11", "1"), ("99", "3"))).write_csv(path)
    with path.open("a") as file:
        file.write("1,2\n")
    made.run("refresh")
    return made


def quarantine(shop: Shop) -> list[str]:
    return shop.ask("select raw from quarantine order by line")["raw"].to_list()


def test_only_rows_of_the_user_go_from_quarantine_and_requeue_finds_the_others(shop: Shop) -> None:
    """Every refused row has a cell that spells 1: an answer or an item. The line without its fields stays, without the id."""
    assert "1 rows of it would go; 1 rows that may be" in shop.run("forget", "--user", "1", "--dry-run").out
    done = shop.run("forget", "--user", "1")
    assert "1 rows of it gone; 1 rows that may be another's stay" in done.out
    assert quarantine(shop) == ["2,then,1,1", "11,then,1,1", "99,then,1,3", f"{BLANK},2"]
    mended = shop.config.read_text().replace("[source.columns]", "blank_is_no = true\n[source.columns]")
    shop.config.write_text(mended)
    again = shop.run("requeue", "--accept", "source.blank_is_no")
    assert "day-1.csv" in again.out + again.err
    assert quarantine(shop) == ["2,then,1,1", "11,then,1,1", "99,then,1,3", f"{BLANK},2"]


def test_refused_rows_that_come_again_are_known(shop: Shop) -> None:
    """The file grows by a refused row of the user and one of another's: theirs of before, and the line without its fields, are known."""
    shop.run("forget", "--user", "1")
    before = quarantine(shop)
    with (shop.folder / "logs" / "day-1.csv").open("a") as file:
        file.write("1,never,1,4\n2,then,1,4\n" + shown(2)[10:20].write_csv(include_header=False))
    shop.run("refresh")
    assert quarantine(shop) == [*before, "2,then,1,4"]
    rows = shop.ask("select n_rows, n_accepted, n_rejected, n_known from ingests order by sequence desc limit 1").rows()
    assert rows == [(117, 10, 1, 106)]


def test_who_is_forgotten_already_is_said_and_nothing_is_published(shop: Shop) -> None:
    shop.run("forget", "--user", "1")
    n_releases = shop.ask("select count(*) from releases").item()
    assert "user 1: forgotten already since release 2" in shop.run("forget", "--user", "1").out
    assert "forgotten already since release 2" in shop.run("forget", "--user", "1", "--dry-run").out
    assert shop.ask("select count(*) from releases").item() == n_releases


def test_who_is_only_in_quarantine_can_be_forgotten(shop: Shop) -> None:
    done = shop.run("forget", "--user", "99")
    assert "release 2: without user 99" in " ".join(done.out.split()) and "1 rows of it gone" in done.out
    assert quarantine(shop) == ["1,then,1,5", "2,then,1,1", "11,then,1,1", "1,2"]
    assert shop.ask("select kind, release_id from forgotten").rows() == [("user", 2)]
    assert shop.run("verify").code == 0


def test_messages_pages_and_what_killed_nights_staged_name_nobody_who_is_forgotten(shop: Shop) -> None:
    """A refused night quotes its first bad row; the morning page shows it; a killed night leaves its delivery."""
    refused(*[("7", "5")] * 60).write_csv(shop.folder / "logs" / "day-2.csv")
    assert "7,then,1,5" in shop.run("refresh", code=2).err
    quoted = "select message from runs where status = 'failed'"
    assert "7,then,1,5" in shop.ask(quoted).item()
    pages = shop.root / "reports"
    pages.mkdir()
    (pages / "latest.html").write_text("<td>7,then,1,5</td>")
    (pages / "1.html").write_text("<td>8,then,1,5</td>")
    for kind in ("delivery", "rest"):
        (shop.root / "staging" / kind / "left").mkdir(parents=True)
    done = shop.run("forget", "--user", "7")
    message = shop.ask(quoted).item()
    assert f"{BLANK},then,1,5" in message and "60 of 60" in message
    assert "1 that hold the id were deleted" in done.out
    assert sorted(page.name for page in pages.iterdir()) == ["1.html"]
    assert not list((shop.root / "staging").rglob("left"))


def test_under_a_mapping_that_means_something_else_nobody_is_forgotten(shop: Shop) -> None:
    """Whose a refused row is would be read by columns that it was not refused under."""
    text = shop.config.read_text()
    swapped = (
        text.replace('user = "user_id"', 'user = "x"').replace('item = "item_id"', 'item = "user_id"').replace('"x"', '"item_id"')
    )
    assert swapped != text
    shop.config.write_text(swapped)
    before = quarantine(shop)
    asked = shop.hsrl("forget", "--user", "1", "--config", shop.config, "--warehouse", shop.root)
    assert asked.code == 2 and "put it back" in asked.err and quarantine(shop) == before
