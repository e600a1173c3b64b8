"""Sums of likes that are moved on by the users whose records changed equal, to the last bit, those of all users."""

import hashlib
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from flows.refresh.likes import KIND, LikesOfRelease
from pipeline.warehouse.adhoc import run_sql
from tests.support.configurations import LONG_COLUMNS, log_toml

START = 1_700_000_000
TABLES = {
    "embeddings": "from embeddings order by embedding_id, item_id",
    "sid_history": "from sid_history order by item_id, valid_from",
    "sid_metrics": "from sid_metrics where metric not in ('seconds', 'cpu_seconds', 'peak_memory_mb') order by all",
}


def shown(day: int, users: range, n: int = 12) -> pl.DataFrame:
    """Every user sees n items a day; a third of them clicked; a few items come anew each day."""
    pairs = [(user, at) for user in users for at in range(n)]
    return pl.DataFrame(
        {
            "user_id": [user for user, _ in pairs],
            "timestamp": [START + 86_400 * day + 600 * at + user for user, at in pairs],
            "clicked": [int((user + at + day) % 3 == 0) for user, at in pairs],
            "item_id": [1 + (7 * user + 11 * at + 13 * day) % (30 + day) for user, at in pairs],
        }
    )


class Shop:
    """A folder of daily files, and a warehouse."""

    def __init__(self, folder: Path, hsrl: Callable[..., Any]) -> None:
        self.folder, self.root, self.hsrl = folder, folder / "w", hsrl
        (folder / "logs").mkdir(parents=True)
        self.config = folder / "log.toml"
        self.config.write_text(log_toml("logs/*.csv", LONG_COLUMNS, codes=(1, 4)).replace("buckets = 1", "buckets = 4"))

    def run(self, command: str, *options: str) -> None:
        result = self.hsrl(command, "--config", self.config, "--warehouse", self.root, *options)
        assert result.code == 0, result.err

    def take_in(self, day: int, rows: pl.DataFrame) -> None:
        rows.write_csv(self.folder / "logs" / f"day-{day}.csv")
        self.run("refresh", "--accept", "delivery_drift")

    @property
    def sums(self) -> list[Path]:
        return sorted((self.root / "artifacts" / KIND).iterdir())


@pytest.fixture
def shops(tmp_path: Path, hsrl: Callable[..., Any]) -> tuple[Shop, Shop]:
    return Shop(tmp_path / "moved_on", hsrl), Shop(tmp_path / "anew", hsrl)


def same(moved_on: Shop, anew: Shop) -> None:
    for name, sql in TABLES.items():
        assert run_sql(moved_on.root, sql).equals(run_sql(anew.root, sql)), name
    (mine,), (theirs,) = moved_on.sums, anew.sums  # one each: older ones are gone
    hashes = [
        {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in folder.iterdir()} for folder in (mine, theirs)
    ]
    assert hashes[0] == hashes[1] != {}


@pytest.mark.slow
def test_a_night_reads_only_the_users_whose_records_changed_and_gives_the_same_bytes(
    shops: tuple[Shop, Shop], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A day of few users, a day that came late and lies before theirs, a corrected day without some of its rows."""
    moved_on, anew = shops
    days = [
        (1, shown(1, range(1, 41))),
        (3, shown(3, range(5, 12))),
        (2, shown(2, range(3, 9))),
        (3, shown(3, range(5, 12)).filter(pl.col("item_id") != 5)),
    ]
    for number, (day, rows) in enumerate(days):
        for shop in shops:
            with monkeypatch.context() as patch:
                if number and shop is moved_on:
                    patch.setattr(LikesOfRelease, "_of_all", lambda _: pytest.fail("all records were read"))
                if shop is anew and number:
                    shutil.rmtree(shop.root / "artifacts" / KIND)  # damage that no refusal is needed for
                shop.take_in(day, rows)
        same(moved_on, anew)


def test_a_forgotten_user_is_in_no_sums_and_swapped_sums_are_refused(tmp_path: Path, hsrl: Callable[..., Any]) -> None:
    """User 3 liked and is erased: the sums of before are gone, and those of now are of a log without the user."""
    shop, without = Shop(tmp_path / "shop", hsrl), Shop(tmp_path / "without", hsrl)
    shop.take_in(1, shown(1, range(1, 41)))
    [before] = shop.sums
    shop.run("forget", "--user", "3")
    assert before not in shop.sums
    without.take_in(1, shown(1, range(1, 41)).filter(pl.col("user_id") != 3))
    counts = [pl.read_parquet(found.sums[0] / "answers.parquet") for found in (shop, without)]
    assert counts[0].equals(counts[1])
    (shop.sums[0] / "answers.parquet").write_bytes((without.sums[0] / "sums.safetensors").read_bytes())
    shown(2, range(1, 9)).write_csv(shop.folder / "logs" / "day-2.csv")
    result = shop.hsrl("refresh", "--config", shop.config, "--warehouse", shop.root)
    assert result.code == 2
    assert "like_sums" in result.err and "or remove it and sum the likes anew with: hsrl refresh" in result.err
