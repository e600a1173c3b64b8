"""The space of score-aware codes, taken from the training simulators when a codebook is about to be learned."""

from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl
import torch

from flows.refresh.release_inputs import ReleaseInputs
from flows.retrain.simulators import KIND, fit_missing, load_fitted, training_specs
from flows.runtime.run import Tick
from flows.runtime.sid_settings import SidSettings
from flows.stores.models import Models
from flows.stores.workspace import Workspace
from flows.stores.world import build_world
from hsrl_train.data.starts import sample_starts
from hsrl_train.data.tensors import World
from hsrl_train.simulator.score_aware import linear_taste, score_weights
from pipeline.contracts import RECORD_ROWS
from pipeline.records.split import labelled_slates
from pipeline.warehouse.artifact_rows import Artifact
from pipeline.warehouse.stored_files import scan
from pipeline.warehouse.warehouse import Warehouse

_N_STATES = 5_000  # of users, whose tastes weigh the space; more change nothing that matters


def world_of(models: Models, vectors: pl.DataFrame, inputs: ReleaseInputs, folder: Path, newest: int | None) -> World:
    """The release to come as tensors, without Semantic IDs.

    Args:
        models: of items and users.
        vectors: EMBEDDINGS of ``models.items``.
        inputs: what the release is made from.
        folder: see ``build_world``.
        newest: see ``build_world``.
    """
    slates = labelled_slates(scan(inputs.records, RECORD_ROWS), inputs.tables.splits)
    _, features = models.items.standardised(vectors)
    items, users = inputs.tables.items.sort("item_id"), inputs.tables.users.sort("user_id")
    return build_world(items, users, [slates.sort("user_id", "record_index")], features, models.profiles, folder, newest)


def learn_weights(
    warehouse: Warehouse, settings: SidSettings, world: World, tick: Tick
) -> tuple[npt.NDArray[np.float32], tuple[Artifact, ...]]:
    """What the training simulators weigh item vectors by, and these simulators; see ``score_weights``.

    They are the simulators that the next retrain of this release learns in: it finds them in the store. Their inputs are left to
    the caller, who knows what the records are called.

    Args:
        warehouse: its stores keep the simulators.
        settings: their settings, and the run's seed.
        world: what they are fitted on.
        tick: called with (done, total) of the fits.
    """
    torch.set_num_threads(1)
    workspace = Workspace.of(warehouse, world)
    specs = training_specs(workspace.artifacts, world, settings.simulator, settings.seed)
    try:
        fit_missing(workspace, specs, settings.workers, tick)
    finally:
        workspace.clear()
    fitted = [linear_taste(load_fitted(workspace.artifacts, world, spec).model, spec.config.family) for spec in specs]
    weights = score_weights(fitted, sample_starts(world.records, _N_STATES, settings.seed, "train")).numpy()
    return weights, tuple(Artifact(KIND, spec.simulator_id, ()) for spec in specs)
