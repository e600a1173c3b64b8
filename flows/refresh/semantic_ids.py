"""From records to Semantic IDs: frozen models are learned once and found again, then every item's Semantic ID is decided."""

import time
from dataclasses import dataclass, replace

import polars as pl

from flows.refresh.external_vectors import read_external_vectors
from flows.refresh.likes import LikesOfRelease, positives
from flows.refresh.release_inputs import ReleaseInputs
from flows.runtime.resources import own_cpu_seconds, peak_memory_mb
from flows.runtime.run import Tick
from flows.runtime.sid_settings import SidSettings
from flows.stores.models import KIND, Models, load_models, of_codebook
from pipeline.embeddings.embed import embed_sums, learn
from pipeline.embeddings.item_matching import Coverage
from pipeline.embeddings.profiles import learn_profiles
from pipeline.embeddings.score_aware import ScoreAware
from pipeline.errors import SourceError
from pipeline.records.config import RecordsConfig
from pipeline.sids.inputs import NightInputs, SidIncumbents
from pipeline.sids.metrics import run_metrics
from pipeline.sids.nightly import NightDecision, decide_night
from pipeline.warehouse.artifact_rows import Artifact
from pipeline.warehouse.artifacts import fingerprint
from pipeline.warehouse.warehouse import Warehouse


@dataclass(frozen=True)
class SemanticIds:
    """What the tokenizer brings to a release.

    Attributes:
        models: the frozen models of items and users.
        embeddings: EMBEDDINGS of all items, of every space there is.
        decision: codebook, changes of Semantic IDs, and figures.
        artifacts: the simulators that the space of the codes was taken from, where it was learned tonight, the models, and the sums of
            likes from which the next night goes on.
        coverage: how many items have an external vector; None where there are none.
    """

    models: Models
    embeddings: pl.DataFrame
    decision: NightDecision
    artifacts: tuple[Artifact, ...]
    coverage: Coverage | None


def make_semantic_ids(warehouse: Warehouse, settings: SidSettings, inputs: ReleaseInputs, tick: Tick) -> SemanticIds:
    """Embed all items, learn a codebook if there is none, and decide every item's Semantic ID.

    Args:
        warehouse: its stores keep the frozen models.
        settings: what decides Semantic IDs.
        inputs: what the release is made from.
        tick: called with (done, total) where simulators have to be fitted.

    Raises:
        SourceError: vectors are to be learned from likes, and no record is for training.
    """
    items = inputs.tables.items
    external, coverage = read_external_vectors(settings.embeddings, inputs.external, items)
    before, store = inputs.incumbent.sids.codebook, warehouse.artifacts
    simulators: tuple[Artifact, ...] = ()
    models = _learn_models(settings, inputs, external) if before is None else load_models(store, before.embedding_id)
    of_release = LikesOfRelease(warehouse, models.items, inputs, settings.records, settings.n_buckets)
    likes = of_release.read()
    vectors = embed_sums(models.items, items, likes.sums, external)
    if before is None:
        if settings.embeddings.score_aware:
            from flows.refresh.score_space import learn_weights, world_of  # brings torch, which other nights do without

            world = world_of(models, vectors, inputs, warehouse.spill, settings.newest_records)
            weights, simulators = learn_weights(warehouse, settings, world, tick)
            models = replace(models, scores=ScoreAware(models.items.embedding_id, weights))
        models.save(store)
    embeddings = models.embed_scores(vectors, items, likes.answers)
    popularity = likes.answers.filter(pl.col("n_positives") > 0).select("item_id", "n_positives")
    night = NightInputs(inputs.release_id, items, of_codebook(embeddings, models.embedding_id), popularity, likes.follows)
    decision = _decide(settings, night, inputs.incumbent.with_vectors())
    made_from = (fingerprint(settings.embeddings.model_dump(mode="json")), *(simulator.name for simulator in simulators))
    artifacts = (*simulators, Artifact(KIND, models.embedding_id, made_from), of_release.keep(likes))
    return SemanticIds(models, embeddings, decision, artifacts, coverage)


def _decide(settings: SidSettings, night: NightInputs, incumbents: SidIncumbents) -> NightDecision:
    """The nightly decision; its metrics also have what it took: seconds, CPU seconds and peak memory of this process."""
    wall, cpu = time.monotonic(), own_cpu_seconds()
    decision = decide_night(settings.sids, settings.seed, night, incumbents)
    spent = (time.monotonic() - wall, own_cpu_seconds() - cpu, peak_memory_mb())
    of_run = run_metrics(night.release_id, decision.codebook.codebook_id, spent)
    return replace(decision, metrics=pl.concat([decision.metrics, of_run]))


def _learn_models(settings: SidSettings, inputs: ReleaseInputs, external: pl.DataFrame | None) -> Models:
    """New models of items and users, without a space of scores."""
    tables = inputs.tables
    if "cooccurrence" in settings.embeddings.parts and not tables.splits["n_train"].sum():
        raise SourceError(_none_for_training(settings.records, tables.splits))
    items = learn(tables.items, positives(inputs, settings.n_buckets), settings.embeddings, settings.seed, external)
    return Models(items, learn_profiles(tables.users), None)


def _none_for_training(config: RecordsConfig, splits: pl.DataFrame) -> str:
    """Why there is nothing to learn vectors from, although there are records."""
    n_records, n_most = splits.select(n=pl.col("n_records").sum(), most=pl.col("n_records").max()).row(0)
    share = "those before the cut in time" if config.split == "by_time" else f"the first {config.train_fraction} of each user's"
    return (
        f"split: none of {n_records:,} records is for training: {share} are, and a user has at most {n_most}; "
        "lower records.slate_size, or wait for more events"
    )
