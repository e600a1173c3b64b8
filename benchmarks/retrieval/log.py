"""Leave-last-out: what each user had, the last item to test, the one before to validate, the rest to learn from."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl

from pipeline.contracts import ITEMS
from pipeline.ingest.catalogue import merge_items
from pipeline.ingest.ready import ReadySource

LEFT_OUT = 2  # the last item tests, the one before it validates
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Sequences:
    """Users and their items in time order. An item's number is its row in ``items`` plus 1; 0 is padding.

    Attributes:
        items: ITEMS, n rows by item_id.
        numbers: (events,) in [1, n], user by user, oldest first.
        start: (users + 1,) the items of user u are numbers[start[u] : start[u + 1]], three at least.
    """

    items: pl.DataFrame
    numbers: Ints
    start: Ints

    @property
    def n_items(self) -> int:
        """n."""
        return self.items.height

    @property
    def n_users(self) -> int:
        """Users, each with a sequence."""
        return len(self.start) - 1

    def of(self, user: int, left_out: int) -> Ints:
        """The items of a user without the last ``left_out``."""
        return self.numbers[self.start[user] : self.start[user + 1] - left_out]

    def targets(self, left_out: int) -> Ints:
        """(users,) the item that follows once the last ``left_out`` are taken off: 2 gives those that validate, 1 those that test."""
        return self.numbers[self.start[1:] - left_out]

    def positives(self) -> pl.DataFrame:
        """user_id and item_id of what is learned from; nothing that validates or tests."""
        users = np.repeat(np.arange(self.n_users), np.diff(self.start))
        to_the_end = self.start[1:][users] - np.arange(len(self.numbers))
        is_training = to_the_end > LEFT_OUT
        item_ids = self.items["item_id"].to_numpy()[self.numbers[is_training] - 1]
        return pl.DataFrame({"user_id": users[is_training], "item_id": item_ids}).unique(maintain_order=True)

    def popularity(self) -> Ints:
        """(n,) how many users each item has in what is learned from."""
        counts = self.positives().group_by("item_id").len()
        joined = self.items.select("item_id").join(counts, on="item_id", how="left", maintain_order="left")
        return joined["len"].fill_null(0).cast(pl.Int64).to_numpy()


def sequences_of(items: pl.DataFrame, events: pl.DataFrame) -> Sequences:
    """Sort the events into sequences.

    Args:
        items: ITEMS.
        events: user_id, item_id and order; all positive.

    Raises:
        ValueError: a user has fewer than three events, or an item is not in ``items``.
    """
    items = items.sort("item_id")
    rows = events.sort("user_id", "order", maintain_order=True)
    item_ids = items["item_id"].to_numpy()
    wanted = rows["item_id"].to_numpy()
    at = np.minimum(np.searchsorted(item_ids, wanted), len(item_ids) - 1)
    if n_unknown := int((item_ids[at] != wanted).sum()):
        raise ValueError(f"retrieval: {n_unknown} of {rows.height} events are of items that are not in the catalogue")
    lengths = rows.group_by("user_id", maintain_order=True).len()["len"].to_numpy()
    if n_short := int((lengths <= LEFT_OUT).sum()):
        raise ValueError(f"retrieval: {n_short} of {len(lengths)} users have fewer than {LEFT_OUT + 1} events; leave them out")
    return Sequences(items, at.astype(np.int64) + 1, np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64))


def amazon_beauty(shared: Path) -> Sequences:
    """Amazon Beauty by the source ``sequences``.

    Args:
        shared: the folder whose data/amazon-beauty holds the two files.
    """
    folder = shared / "data" / "amazon-beauty"
    files = {"path": folder / "Beauty.txt.gz", "items": {"path": folder / "Beauty_item2attributes.json.gz"}}
    source = ReadySource.model_validate({"kind": "sequences", "name": "amazon-beauty", **files}).open()
    batches = [batch for delivery in source.deliveries() for batch in source.read(delivery)]
    items = ITEMS.empty()
    for batch in batches:
        if batch.items.height:
            items = merge_items(items, batch.items, is_whole=False)
    events = pl.concat([batch.events for batch in batches])
    return sequences_of(items, events.select("user_id", "item_id", "order"))
