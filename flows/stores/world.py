"""The tensors that policies and simulators learn from, with the features and profiles that the frozen models give."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl

from flows.stores.mapped import put_together
from hsrl_train.data.tensors import World, build_catalogue, log_arrays, newest_rows, records_of, train_answers
from hsrl_train.data.world import Catalogue
from pipeline.embeddings.profiles import ProfileModel, encode_profiles
from pipeline.embeddings.score_aware import with_answers


def build_world(
    items: pl.DataFrame,
    users: pl.DataFrame,
    records: Iterable[pl.DataFrame],
    vectors: npt.NDArray[np.float32],
    model: ProfileModel,
    folder: Path,
    newest: int | None = None,
) -> World:
    """Number items and users and lay everything out; Semantic IDs come by ``World.with_sids``.

    Args:
        items: ITEMS, by item_id.
        users: USERS, by user_id, every user of ``records`` among them.
        records: user_id, record_index, exposed_items, feedback, history, split, occurred_at, some at a time; all of them by user_id and
            record_index, all slates of one length K.
        vectors: (n, d) standardised item vectors in the order of ``items``; the catalogue's have two columns more, see ``with_answers``.
        model: the frozen encoding of user attributes.
        folder: where the log is laid out in files without a name, which go with the world.
        newest: ``training.newest_records``; None = all. What came before a record is known all the same.

    Raises:
        TrainingError: no test records, slates of several lengths, or no times where the newest are asked for.
    """
    arrays = put_together(log_arrays(records, items["item_id"].to_numpy(), users["user_id"].to_numpy()), folder)
    rows = None if newest is None else newest_rows(arrays["is_train"], arrays["time"], newest)
    laid_out = records_of(arrays, encode_profiles(model, users), rows)
    return World.of(laid_out, catalogue_of(items, vectors, *train_answers(laid_out, items.height)))


def catalogue_of(
    items: pl.DataFrame, vectors: npt.NDArray[np.float32], n_shown: npt.NDArray[np.int64], n_liked: npt.NDArray[np.int64]
) -> Catalogue:
    """The items as simulators and policies see them, without Semantic IDs yet.

    Args:
        items: item_id, is_active and first_seen of ITEMS, by item_id.
        vectors: (n, d) standardised item vectors in that order; the catalogue's have two columns more, see ``with_answers``.
        n_shown: (n,) how often the training records show an item.
        n_liked: (n,) how often it was liked there.
    """
    features = with_answers(vectors, n_shown, n_liked, items["is_active"].to_numpy())
    return build_catalogue(items, features, n_liked)
