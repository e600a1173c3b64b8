"""From the tables of a release to the tensors of ``hsrl_train.data.world``: ids become dense numbers, 0 is padding."""

import hashlib
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import polars as pl
import torch

from hsrl_train.data.world import Catalogue, Records
from pipeline.embeddings.profiles import ProfileModel, encode_profiles
from pipeline.embeddings.score_aware import with_popularity
from pipeline.errors import TrainingError
from pipeline.sids.table import SidTable


@dataclass(frozen=True)
class World:
    """Everything a retrain learns from.

    Attributes:
        records: all records, by user and place.
        catalogue: all items.
        fingerprint: of the records, vectors and profiles; Semantic IDs have their own.
        sid_fingerprint: of the tokens.
    """

    records: Records
    catalogue: Catalogue
    fingerprint: str
    sid_fingerprint: str


def build_world(
    items: pl.DataFrame,
    users: pl.DataFrame,
    records: pl.DataFrame,
    vectors: npt.NDArray[np.float32],
    model: ProfileModel,
) -> World:
    """Number items and users and lay everything out; Semantic IDs come by ``with_sids``.

    Args:
        items: ITEMS, by item_id.
        users: USERS, by user_id, every user of ``records`` among them.
        records: user_id, record_index, exposed_items, feedback, history, split; all slates of one length K.
        vectors: (n, d) standardised item vectors in the order of ``items``; the catalogue's have a column more, popularity.
        model: the frozen encoding of user attributes.

    Raises:
        TrainingError: no test records, or slates of several lengths.
    """
    records = records.sort("user_id", "record_index")
    _require_slates(records)
    item_ids = items["item_id"].to_numpy()
    exposed = _numbers(records["exposed_items"], item_ids)
    feedback = np.asarray(records["feedback"].explode().to_numpy(), np.float32).reshape(exposed.shape)
    history = _padded(records["history"], item_ids)
    is_train = (records["split"] == "train").to_numpy()
    profiles = encode_profiles(model, users)
    user = np.searchsorted(users["user_id"].to_numpy(), records["user_id"].to_numpy())
    popularity = np.bincount(exposed[is_train][feedback[is_train] > 0], minlength=len(item_ids) + 1)[1:]
    catalogue = build_catalogue(items, vectors, popularity)
    features = catalogue.vectors[1:].numpy()
    arrays = (item_ids, user, exposed, feedback, history, is_train, features, profiles, items["is_active"].to_numpy())
    return World(
        Records(*(torch.from_numpy(array) for array in (user, exposed, feedback, history, is_train, profiles))),
        catalogue,
        _fingerprint(*arrays),
        _fingerprint(catalogue.tokens[1:].numpy()),
    )


def build_catalogue(items: pl.DataFrame, vectors: npt.NDArray[np.float32], popularity: npt.NDArray[np.int64]) -> Catalogue:
    """Lay out what is known of the items; Semantic IDs come by ``under_sids``.

    Args:
        items: item_id, is_active and first_seen of ITEMS, by item_id.
        vectors: (n, d) standardised item vectors in that order; the catalogue's have a column more, popularity.
        popularity: (n,) positives in the training records.
    """
    item_ids, is_active = items["item_id"].to_numpy(), items["is_active"].to_numpy()
    return Catalogue(
        item_ids,
        torch.from_numpy(_with_padding(with_popularity(vectors, popularity, is_active), 0)),
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


def with_sids(world: World, sids: SidTable) -> World:
    """The same world under other Semantic IDs."""
    catalogue = under_sids(world.catalogue, sids)
    return replace(world, catalogue=catalogue, sid_fingerprint=_fingerprint(catalogue.tokens[1:].numpy()))


def _tokens(sids: SidTable, item_ids: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
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


def _numbers(lists: pl.Series, item_ids: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Lists of one length as a matrix of item numbers."""
    return _look_up(lists.explode().to_numpy(), item_ids).reshape(len(lists), -1)


def _padded(lists: pl.Series, item_ids: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Lists of many lengths as a matrix of item numbers, padded on the right; at least one column."""
    lengths = lists.list.len().to_numpy()
    width = max(int(lengths.max(initial=0)), 1)
    matrix = np.zeros((len(lists), width), np.int64)
    matrix[np.arange(width) < lengths[:, None]] = _look_up(lists.explode(empty_as_null=False).to_numpy(), item_ids)
    return matrix


def _look_up(ids: npt.NDArray[np.int64], item_ids: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Item numbers, 1 = first.

    Raises:
        TrainingError: an id is not in the catalogue.
    """
    places = np.searchsorted(item_ids, ids)
    is_known = item_ids[np.minimum(places, len(item_ids) - 1)] == ids
    if not is_known.all():
        raise TrainingError(
            f"records: {(~is_known).sum()} of {len(ids)} shown or liked items are not in items, such as {ids[~is_known][0]}; "
            "the warehouse is damaged: restore it from a copy of its folder"
        )
    return places + 1


def _with_padding(rows: npt.NDArray, fill: float) -> npt.NDArray:
    """``rows`` below a first row of ``fill`` for the padding item."""
    return np.concatenate([np.full((1, *rows.shape[1:]), fill, rows.dtype), rows])


def _fingerprint(*arrays: npt.NDArray) -> str:
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(str((array.dtype, array.shape)).encode())
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()[:16]
