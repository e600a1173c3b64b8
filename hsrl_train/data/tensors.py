"""From the tables of a release to the tensors of ``hsrl_train.data.world``: ids become dense numbers, 0 is padding."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import chain
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl
import torch

from hsrl_train.data.log import Log
from hsrl_train.data.world import Catalogue, Records, share_shown_again
from pipeline.errors import TrainingError
from pipeline.fingerprints import short_sha256
from pipeline.sids.table import SidTable

Ids = npt.NDArray[np.int64]
# The time of slates of a log that tells none.
NO_TIME = int(np.iinfo(np.int64).min)


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
        known = (tensor.numpy() for tensor in (catalogue.vectors[1:], records.profiles, catalogue.is_active[1:]))
        made = short_sha256(chain(_bytes_of(catalogue.item_ids), _bytes_of_columns(records), *map(_bytes_of, known)))
        return cls(records, catalogue, made, _fingerprint(catalogue.tokens[1:]))

    def with_sids(self, sids: SidTable) -> "World":
        """The same world under other Semantic IDs."""
        catalogue = under_sids(self.catalogue, sids)
        return replace(self, catalogue=catalogue, sid_fingerprint=_fingerprint(catalogue.tokens[1:]))


def log_arrays(batches: Iterable[pl.DataFrame], item_ids: Ids, user_ids: Ids) -> Iterator[dict[str, npt.NDArray[Any]]]:
    """Number the items and users of the records, some records at a time.

    Args:
        batches: user_id, record_index, exposed_items, feedback, history, split, occurred_at; all of them by user_id and record_index,
            all slates of one length K.
        item_ids: (n,) rising.
        user_ids: (m,) rising, every user of the records among them.

    Returns:
        The arrays ``user``, ``shown``, ``likes``, ``ends`` and ``is_train`` of ``Log``, in parts that belong one behind another; and
        ``time``, int64 µs, when each slate was shown, the least number where the log does not tell.

    Raises:
        TrainingError: no test records, slates of several lengths, or an item that is not in the catalogue.
    """
    lengths: set[int] = set()
    n_records = n_test = 0
    n_likes = 1
    yield {"likes": np.zeros(1, np.int32), "ends": np.ones(1, np.int64)}
    for batch in batches:
        lengths |= set(batch["exposed_items"].list.len().unique())
        if len(lengths) > 1:
            raise TrainingError(
                f"records: slates of lengths {sorted(lengths)}, expected one length K; ingest into a new warehouse"
            )
        exposed = _look_up(batch["exposed_items"].explode().to_numpy(), item_ids).reshape(batch.height, -1)
        liked = batch["feedback"].explode().to_numpy().reshape(exposed.shape) > 0
        ends = n_likes + batch["history"].list.len().to_numpy().astype(np.int64).cumsum()
        is_train = (batch["split"] == "train").to_numpy()
        yield {
            "user": np.searchsorted(user_ids, batch["user_id"].to_numpy()).astype(np.int32),
            "shown": np.where(liked, exposed, -exposed),
            "likes": _look_up(batch["history"].explode(empty_as_null=False).to_numpy(), item_ids),
            "ends": ends,
            "is_train": is_train,
            "time": batch["occurred_at"].dt.timestamp("us").fill_null(NO_TIME).to_numpy(),
        }
        n_records, n_test, n_likes = n_records + batch.height, n_test + int((~is_train).sum()), int(ends[-1])
    if not 0 < n_test < n_records:
        raise TrainingError(
            f"records: {n_test} of {n_records} are for testing, expected some and not all; ingest more, or change [records]"
        )


def records_of(arrays: Mapping[str, npt.NDArray[Any]], profiles: npt.NDArray[np.float32], rows: Ids | None = None) -> Records:
    """Records of a log, each of which knows what its user was shown before.

    Args:
        arrays: what ``log_arrays`` gave, put together; times are not looked at.
        profiles: (m, u) float32, the encoded attributes of the users.
        rows: which slates of the log, rising; None = all.
    """
    length = max(int(np.diff(arrays["ends"]).max(initial=0)), 1)
    tensors = {name: torch.from_numpy(array) for name, array in arrays.items() if name != "time"}
    log = Log(**tensors, profiles=torch.from_numpy(profiles), history_length=length).as_whole()
    return Records(log, None if rows is None else torch.from_numpy(rows))


def newest_rows(is_train: npt.NDArray[np.bool_], time: npt.NDArray[np.int64], n_train: int) -> npt.NDArray[np.int64]:
    """Which slates to learn from and to test with where a log is long: the newest of each split, as large a share of both.

    Args:
        is_train: (n,) the split.
        time: (n,) when each was shown; slates of the same time count as the later, the later they stand.
        n_train: slates of the training split to keep; all where there are no more.

    Returns:
        Rising rows; one of each split at least.

    Raises:
        TrainingError: the log tells no times.
    """
    if (time == NO_TIME).all():
        raise TrainingError(
            f"[training] newest_records is {n_train:,}, but the log tells no times, so no record is newer than another; leave it out"
        )
    share = min(1.0, n_train / int(is_train.sum()))
    rows = []
    for of_split in (np.flatnonzero(is_train), np.flatnonzero(~is_train)):
        n_kept = max(1, round(share * len(of_split)))
        rows.append(of_split[np.argsort(time[of_split], kind="stable")[-n_kept:]])
    return np.sort(np.concatenate(rows))


def with_log(records: Records) -> Records:
    """The same records as a log of their own: each then knows what its user was shown before.

    Args:
        records: all of them, by user and position.
    """
    return replace(records, log=records.log.as_whole())


def train_answers(records: Records, n_items: int) -> tuple[Ids, Ids]:
    """(n_items,) how often each item was shown in the training records, and how often it was liked there."""
    n_shown, n_liked = np.zeros(n_items + 1, np.int64), np.zeros(n_items + 1, np.int64)
    for batch in records.select(records.is_train).batches():
        shown, feedback = batch.exposed, batch.feedback
        n_shown += np.bincount(shown.flatten().numpy(), minlength=n_items + 1)
        n_liked += np.bincount(shown[feedback > 0].numpy(), minlength=n_items + 1)
    return n_shown[1:], n_liked[1:]


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


def _look_up(ids: Ids, item_ids: Ids) -> npt.NDArray[np.int32]:
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
    return (rows + 1).astype(np.int32)


def _with_padding(rows: npt.NDArray[Any], fill: float) -> npt.NDArray[Any]:
    """``rows`` below a first row of ``fill`` for the padding item."""
    return np.concatenate([np.full((1, *rows.shape[1:]), fill, rows.dtype), rows])


def _fingerprint(tensor: torch.Tensor) -> str:
    return short_sha256(_bytes_of(tensor.numpy()))


def _bytes_of(array: npt.NDArray[Any]) -> Iterator[bytes]:
    """Its type, shape and numbers."""
    yield str((array.dtype, array.shape)).encode()
    yield np.ascontiguousarray(array).tobytes()


def _bytes_of_columns(records: Records) -> Iterator[bytes]:
    """The same of each column of the records, which is never held as a whole."""
    n = len(records)
    for name, *width in (
        ("user",),
        ("exposed", records.k),
        ("feedback", records.k),
        ("history", records.history_length),
        ("is_train",),
    ):
        for number, batch in enumerate(records.batches()):
            column = getattr(batch, name).numpy()
            if not number:
                yield str((column.dtype, (n, *width))).encode()
            yield np.ascontiguousarray(column).tobytes()
