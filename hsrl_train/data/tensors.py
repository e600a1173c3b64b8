"""From the tables of a release to the tensors of ``hsrl_train.data.world``: ids become dense numbers, 0 is padding."""

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl
import torch

from hsrl_train.data.world import Catalogue, Records, share_shown_again
from pipeline.errors import TrainingError
from pipeline.fingerprints import short_sha256
from pipeline.sids.table import SidTable

Ids = npt.NDArray[np.int64]


@dataclass(frozen=True)
class World:
    """Everything a retrain learns from.

    Attributes:
        records: all records, by user and position.
        catalogue: all items.
        fingerprint: of the records, vectors and profiles; Semantic IDs have their own.
        sid_fingerprint: of the tokens.
    """

    records: Records
    catalogue: Catalogue
    fingerprint: str
    sid_fingerprint: str

    @cached_property
    def share_shown_again(self) -> float:
        """Share of the places of the log whose item its user had been shown before, in [0, 1]."""
        return share_shown_again(self.records)

    @classmethod
    def of(cls, records: Records, catalogue: Catalogue) -> "World":
        """Take the fingerprints of what belongs together."""
        tensors = (records.user, records.exposed, records.feedback, records.history, records.is_train, catalogue.vectors[1:])
        arrays = (catalogue.item_ids, *(tensor.numpy() for tensor in (*tensors, records.profiles, catalogue.is_active[1:])))
        return cls(records, catalogue, _fingerprint(*arrays), _fingerprint(catalogue.tokens[1:].numpy()))

    def with_sids(self, sids: SidTable) -> "World":
        """The same world under other Semantic IDs."""
        catalogue = under_sids(self.catalogue, sids)
        return replace(self, catalogue=catalogue, sid_fingerprint=_fingerprint(catalogue.tokens[1:].numpy()))


def build_records(records: pl.DataFrame, item_ids: Ids, user_ids: Ids, profiles: npt.NDArray[np.float32]) -> Records:
    """Number the items and users of the records and lay them out by user and position.

    Args:
        records: user_id, record_index, exposed_items, feedback, history, split; all slates of one length K.
        item_ids: (n,) rising.
        user_ids: (m,) rising, every user of ``records`` among them.
        profiles: (m, u) float32, the encoded attributes of those users.

    Raises:
        TrainingError: no test records, slates of several lengths, or an item that is not in the catalogue.
    """
    records = records.sort("user_id", "record_index")
    _require_slates(records)
    exposed = _numbers(records["exposed_items"], item_ids)
    feedback = np.asarray(records["feedback"].explode().to_numpy(), np.float32).reshape(exposed.shape)
    history = _padded(records["history"], item_ids)
    is_train = (records["split"] == "train").to_numpy()
    user = np.searchsorted(user_ids, records["user_id"].to_numpy())
    arrays = (user, exposed, feedback, history, is_train, profiles)
    return with_log(Records(*(torch.from_numpy(array) for array in arrays)))


def with_log(records: Records) -> Records:
    """The same records as a log of their own: each then knows what its user was shown before.

    Args:
        records: all of them, by user and position.
    """
    log = torch.where(records.feedback > 0, records.exposed, -records.exposed).to(torch.int32)
    row = torch.arange(len(records.user))
    is_first = torch.cat([torch.ones(1, dtype=torch.bool), records.user.diff() != 0])
    turn = row - torch.where(is_first, row, 0).cummax(dim=0).values
    return replace(records, log=log, row=row, turn=turn)


def train_positives(records: Records, n_items: int) -> Ids:
    """(n_items,) how often each item was liked in the training records."""
    liked = records.exposed[records.is_train][records.feedback[records.is_train] > 0]
    return np.bincount(liked.numpy(), minlength=n_items + 1)[1:]


def build_catalogue(items: pl.DataFrame, features: npt.NDArray[np.float32], popularity: Ids) -> Catalogue:
    """Lay out what is known of the items; Semantic IDs come by ``under_sids``.

    Args:
        items: item_id, is_active and first_seen of ITEMS, by item_id.
        features: (n, d) what simulators see of the items, standardised, in that order.
        popularity: (n,) positives in the training records.
    """
    item_ids, is_active = items["item_id"].to_numpy(), items["is_active"].to_numpy()
    return Catalogue(
        item_ids,
        torch.from_numpy(_with_padding(features, 0)),
        torch.from_numpy(_with_padding(np.empty((len(item_ids), 0), np.int64), -1)),
        (),
        torch.from_numpy(_with_padding(is_active, fill=False)),
        torch.from_numpy(_with_padding(popularity.astype(np.float32), 0)),
        _first_seen(items),
    )


def under_sids(catalogue: Catalogue, sids: SidTable) -> Catalogue:
    """The same items under other Semantic IDs."""
    tokens = torch.from_numpy(_with_padding(_tokens(sids, catalogue.item_ids), -1))
    return replace(catalogue, tokens=tokens, vocabulary=sids.vocabulary)


def _tokens(sids: SidTable, item_ids: Ids) -> Ids:
    """(n, L) tokens in the order of ``item_ids``; −1 where an item has no Semantic ID."""
    tokens = np.full((len(item_ids), len(sids.vocabulary)), -1, np.int64)
    tokens[np.searchsorted(item_ids, sids.item_ids)] = sids.tokens
    return tokens


def _first_seen(items: pl.DataFrame) -> torch.Tensor | None:
    """(n + 1,) seconds at which each item came, for newest first; items without a time count as the oldest, None where all are."""
    seconds = items["first_seen"].dt.epoch("s").cast(pl.Float64)
    if seconds.is_null().all():
        return None
    return torch.from_numpy(_with_padding(seconds.fill_null(0.0).to_numpy(), 0))


def _require_slates(records: pl.DataFrame) -> None:
    lengths = records["exposed_items"].list.len().unique().to_list()
    n_test = records.filter(pl.col("split") == "test").height
    if len(lengths) != 1:
        raise TrainingError(f"records: slates of lengths {sorted(lengths)}, expected one length K; ingest into a new warehouse")
    if not 0 < n_test < records.height:
        raise TrainingError(
            f"records: {n_test} of {records.height} are for testing, expected some and not all; ingest more, or change [records]"
        )


def _numbers(lists: pl.Series, item_ids: Ids) -> Ids:
    """Lists of one length as a matrix of item numbers."""
    return _look_up(lists.explode().to_numpy(), item_ids).reshape(len(lists), -1)


def _padded(lists: pl.Series, item_ids: Ids) -> Ids:
    """Lists of many lengths as a matrix of item numbers, padded on the right; at least one column."""
    lengths = lists.list.len().to_numpy()
    width = max(int(lengths.max(initial=0)), 1)
    matrix = np.zeros((len(lists), width), np.int64)
    matrix[np.arange(width) < lengths[:, None]] = _look_up(lists.explode(empty_as_null=False).to_numpy(), item_ids)
    return matrix


def _look_up(ids: Ids, item_ids: Ids) -> Ids:
    """Item numbers, 1 = first.

    Raises:
        TrainingError: an id is not in the catalogue.
    """
    rows = np.searchsorted(item_ids, ids)
    is_known = item_ids[np.minimum(rows, len(item_ids) - 1)] == ids
    if not is_known.all():
        raise TrainingError(
            f"records: {(~is_known).sum()} of {len(ids)} shown or liked items are not in items, such as {ids[~is_known][0]}; "
            "the warehouse is damaged: restore it from a copy of its folder"
        )
    return rows + 1


def _with_padding(rows: npt.NDArray[Any], fill: float) -> npt.NDArray[Any]:
    """``rows`` below a first row of ``fill`` for the padding item."""
    return np.concatenate([np.full((1, *rows.shape[1:]), fill, rows.dtype), rows])


def _fingerprint(*arrays: npt.NDArray[Any]) -> str:
    return short_sha256(
        piece for array in arrays for piece in (str((array.dtype, array.shape)).encode(), np.ascontiguousarray(array).tobytes())
    )
