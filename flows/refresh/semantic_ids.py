"""From records to Semantic IDs: frozen models are learned once and found again, then every item's Semantic ID is decided."""

import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import polars as pl

from flows.refresh.buckets import of_bucket
from flows.refresh.external_vectors import read_external_vectors
from flows.refresh.release_inputs import ReleaseInputs
from flows.runtime.resources import own_cpu_seconds, peak_memory_mb
from flows.runtime.run import Tick
from flows.runtime.sid_settings import SidSettings
from flows.stores.models import KIND, Models, load_models, of_codebook
from pipeline.contracts import RECORD_ROWS
from pipeline.embeddings.embed import embed, learn
from pipeline.embeddings.item_matching import Coverage
from pipeline.embeddings.positives import summed_answers
from pipeline.embeddings.profiles import learn_profiles
from pipeline.embeddings.score_aware import ScoreAware
from pipeline.errors import SourceError
from pipeline.records.config import RecordsConfig
from pipeline.records.split import count_answers, training_answers
from pipeline.sids.inputs import NightInputs, SidIncumbents
from pipeline.sids.metrics import run_metrics
from pipeline.sids.nightly import NightDecision, decide_night
from pipeline.sids.quality import likes_that_follow
from pipeline.warehouse.artifact_rows import Artifact
from pipeline.warehouse.artifacts import fingerprint
from pipeline.warehouse.stored_files import scan
from pipeline.warehouse.warehouse import Warehouse


@dataclass(frozen=True)
class SemanticIds:
    """What the tokenizer brings to a release.

    Attributes:
        models: the frozen models of items and users.
        embeddings: EMBEDDINGS of all items, of every space there is.
        decision: codebook, changes of Semantic IDs, and figures.
        artifacts: the simulators that the space of the codes was taken from, where it was learned tonight, and the models.
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
    read = LikesRead(inputs.tables.splits.height)
    liked = _positives(inputs, settings.n_buckets, read)
    vectors = embed(models.items, items, liked, external)
    deque(liked, maxlen=0)  # where no part asked for the likes, the answers are counted all the same
    if before is None:
        if settings.embeddings.score_aware:
            from flows.refresh.score_space import learn_weights, world_of  # brings torch, which other nights do without

            world = world_of(models, vectors, inputs, warehouse.spill)
            weights, simulators = learn_weights(warehouse, settings, world, tick)
            models = replace(models, scores=ScoreAware(models.items.embedding_id, weights))
        models.save(store)
    answers = summed_answers(read.counts)
    embeddings = models.embed_scores(vectors, items, answers)
    popularity = answers.filter(pl.col("n_positives") > 0).select("item_id", "n_positives")
    night = NightInputs(
        inputs.release_id, items, of_codebook(embeddings, models.embedding_id), popularity, pl.concat(read.follows)
    )
    decision = _decide(settings, night, inputs.incumbent.with_vectors())
    made_from = (fingerprint(settings.embeddings.model_dump(mode="json")), *(simulator.name for simulator in simulators))
    artifacts = (*simulators, Artifact(KIND, models.embedding_id, made_from))
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
    positives = _positives(inputs, settings.n_buckets)
    items = learn(tables.items, positives, settings.embeddings, settings.seed, external)
    return Models(items, learn_profiles(tables.users), None)


@dataclass(frozen=True)
class LikesRead:
    """What is noted while the training records are read, so that they are read once.

    Attributes:
        n_users: of the log.
        counts: how often each bucket's training records show and like every item.
        follows: ``likes_that_follow`` of each bucket.
    """

    n_users: int
    counts: list[pl.DataFrame] = field(default_factory=list)
    follows: list[pl.DataFrame] = field(default_factory=list)

    def note(self, answers: pl.DataFrame, positives: pl.DataFrame) -> None:
        """Note a bucket's answers and the positives among them."""
        self.counts.append(count_answers(answers))
        self.follows.append(likes_that_follow(positives, self.n_users))


def _positives(inputs: ReleaseInputs, n_buckets: int, read: LikesRead | None = None) -> Iterator[pl.DataFrame]:
    """user_id and item_id of every positive in a training record, whole users, a frame for each bucket; ``read`` takes note of them."""
    for bucket in range(n_buckets):
        if files := of_bucket(inputs.records, bucket):
            answers = training_answers(scan(files, RECORD_ROWS), inputs.tables.splits)
            positives = answers.filter(pl.col("feedback") == 1).select("user_id", "record_index", "item_id")
            if read is not None:
                read.note(answers, positives)
            yield positives.select("user_id", "item_id")


def _none_for_training(config: RecordsConfig, splits: pl.DataFrame) -> str:
    """Why there is nothing to learn vectors from, although there are records."""
    n_records, n_most = splits.select(n=pl.col("n_records").sum(), most=pl.col("n_records").max()).row(0)
    share = "those before the cut in time" if config.split == "by_time" else f"the first {config.train_fraction} of each user's"
    return (
        f"split: none of {n_records:,} records is for training: {share} are, and a user has at most {n_most}; "
        "lower records.slate_size, or wait for more events"
    )
