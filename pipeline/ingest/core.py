"""The core of a log: the users and items that have enough events, counted until all that stay have as many."""

from typing import NamedTuple

import polars as pl

from pipeline.ingest import reasons
from pipeline.ingest.cells import Check
from pipeline.ingest.ids import IDS


class Core(NamedTuple):
    """The ids, i64, whose rows are taken."""

    users: pl.Series
    items: pl.Series

    def checks(self) -> list[Check]:
        """Where a row, its ids read, is outside."""
        is_in = [pl.col(IDS[what]).is_in(ids.implode()) for what, ids in (("user", self.users), ("item", self.items))]
        return [(reasons.OUTSIDE_CORE, ~pl.all_horizontal(is_in).fill_null(value=False))]


def core_of(events: pl.DataFrame, least_of_user: int, least_of_item: int) -> Core:
    """The users with at least so many events of core items, and the items with at least so many of core users.

    Taking away those with too few is repeated until none is (Seidman 1983, k-core), which leads to the same whatever goes first.

    Args:
        events: user, item (i64), a row an event.
        least_of_user: events of a user; 0 and 1 keep everyone.
        least_of_item: the same of an item.
    """
    while True:
        n_before = events.height
        for name, least in (("user", least_of_user), ("item", least_of_item)):
            if least > 1:
                few = events.group_by(name).len().filter(pl.col("len") < least)
                events = events.join(few, on=name, how="anti") if few.height else events
        if events.height == n_before:
            return Core(events["user"].unique(), events["item"].unique())
