"""Corrections in any order: rows that move between days, are copied or dropped; what stays is what the files hold."""

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from tests.flows.refresh.test_late import KEY, Shop, shown


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1])
def test_after_corrections_the_warehouse_holds_every_row_of_the_files_once(
    tmp_path: Path, hsrl: Callable[..., Any], seed: int
) -> None:
    draw, shop = random.Random(seed), Shop(tmp_path / "shop", hsrl)  # noqa: S311
    days = range(1, 5)
    rows = pl.concat([shown(day, range(1, 13)) for day in days]).unique(KEY, maintain_order=True)
    files = {day: set(range(rows.height * (day - 1) // 4, rows.height * day // 4)) for day in days}
    for day, mine in files.items():
        shop.deliver(day, rows[sorted(mine)])
    shop.run("refresh")
    for _ in range(3):
        for _ in range(draw.choice((1, 2, 3))):
            giver, taker = draw.sample(days, 2)
            some = set(draw.sample(sorted(files[giver]), min(len(files[giver]), draw.choice((5, 40, 200)))))
            what = draw.choice(("move", "copy", "drop"))
            files[taker] |= some if what != "drop" else set()
            files[giver] -= some if what != "copy" else set()
        for day, mine in files.items():
            shop.deliver(day, rows[sorted(mine)])
        shop.run("refresh", "--corrected")
        held = shop.ask("select user_id, item_id, epoch(occurred_at)::bigint as timestamp from events").select(KEY)
        assert held.sort(KEY).equals(rows[sorted(set().union(*files.values()))].select(KEY).sort(KEY))
        assert "nothing new" in shop.run("refresh", "--corrected").err
