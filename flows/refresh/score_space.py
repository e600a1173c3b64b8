"""The space of score-aware codes, taken from the training simulators when a codebook is about to be learned."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import polars as pl
import torch

from flows.retrain.simulators import KIND, fit_missing, load_fitted, training_specs
from flows.runtime.run import Tick
from flows.runtime.settings import Settings
from flows.stores.models import Models
from flows.stores.workspace import Workspace
from flows.stores.world import build_world
from hsrl_train.data.starts import sample_starts
from hsrl_train.simulator.score_aware import score_weights
from pipeline.contracts import IS_TRAINING
from pipeline.embeddings.score_aware import ScoreAware
from pipeline.warehouse.artifact_rows import Artifact
from pipeline.warehouse.warehouse import Warehouse

_N_STATES = 5_000  # whose tastes weigh the space; more change nothing that matters


def learn_scores(
    warehouse: Warehouse,
    settings: Settings,
    models: Models,
    vectors: pl.DataFrame,
    items: pl.DataFrame,
    users: pl.DataFrame,
    splits: pl.DataFrame,
    records: Sequence[Path],
    tick: Tick,
) -> tuple[Models, tuple[Artifact, ...]]:
    """The models with a space of scores, and the simulators it was taken from.

    The simulators are those that the next retrain of this release learns in: it finds them in the store. Their inputs are left to the
    caller, who knows what the records are called.

    Args:
        warehouse: for its stores.
        settings: the run's.
        models: of items and users, without a space of scores.
        vectors: EMBEDDINGS of ``models.items``.
        items: ITEMS.
        users: USERS.
        splits: SPLITS.
        records: all record files.
        tick: told (done, total) of the fits.
    """
    torch.set_num_threads(1)
    slates = (
        pl.scan_parquet(list(records))
        .select("user_id", "record_index", "exposed_items", "feedback", "history")
        .join(splits.lazy().select("user_id", "n_train"), on="user_id")
        .with_columns(split=pl.when(IS_TRAINING).then(pl.lit("train")).otherwise(pl.lit("test")))
        .collect()
    )
    _, features = models.items.standardised(vectors)
    world = build_world(items.sort("item_id"), users.sort("user_id"), slates, features, models.profiles)
    place = Workspace.of(warehouse, world)
    wanted = training_specs(place.artifacts, world, settings.simulator, settings.seed)
    try:
        fit_missing(place, wanted, settings.training.n_processes, tick)
    finally:
        place.clear()
    fitted = [load_fitted(place.artifacts, world, one).model for one in wanted]
    weights = score_weights(fitted, sample_starts(world.records, _N_STATES, settings.seed, "train")).numpy()
    space = ScoreAware(models.items.embedding_id, weights)
    return replace(models, scores=space), tuple(Artifact(KIND, one.simulator_id, ()) for one in wanted)
