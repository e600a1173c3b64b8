"""The middle of a refresh: what records become on the way to Semantic IDs, with frozen artifacts learned once and found again."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from flows.refresh.brought import Brought, read_brought
from flows.refresh.deliveries import of_bucket
from flows.refresh.tokenizer import tokenize
from flows.runtime.run import Tick
from flows.runtime.settings import Settings
from flows.stores.artifacts import Artifact
from flows.stores.incumbent import Incumbent
from flows.stores.models import KIND, Models, load_models, of_codebook
from pipeline.contracts import CODEBOOKS, IS_TRAINING
from pipeline.embeddings.brought import Coverage
from pipeline.embeddings.embed import embed, learn
from pipeline.embeddings.positives import count_positives
from pipeline.embeddings.profiles import learn_profiles
from pipeline.errors import SourceError
from pipeline.records.split import split_by_time, split_per_user, time_of_fraction
from pipeline.sids.codebook import Codebook
from pipeline.sids.inputs import NightInputs
from pipeline.warehouse.artifacts import fingerprint
from pipeline.warehouse.warehouse import Warehouse


@dataclass(frozen=True)
class SemanticIds:
    """What the tokenizer brings to a release.

    Attributes:
        models: the frozen models of items and users.
        codebook: the frozen codes.
        embeddings: EMBEDDINGS of all items, of every space there is.
        upserts: SID_HISTORY rows that change.
        missing: item_id, reason: active items without a SID.
        waiting: SID_WAITING of the release.
        summary: reason, n_items.
        metrics: SID_METRICS of the release.
        new_codes: CODEBOOKS, empty unless the codebook was learned tonight.
        artifact: the models in the store.
        simulators: that the space of the codes was taken from, where it was learned tonight.
        mode: learn, append or refresh.
        why: what asked for the mode.
        coverage: how many items have a brought vector; None where none are brought.
    """

    models: Models
    codebook: Codebook
    embeddings: pl.DataFrame
    upserts: pl.DataFrame
    missing: pl.DataFrame
    waiting: pl.DataFrame
    summary: pl.DataFrame
    metrics: pl.DataFrame
    new_codes: pl.DataFrame
    artifact: Artifact
    simulators: tuple[Artifact, ...]
    mode: str
    why: tuple[str, ...]
    coverage: Coverage | None


def make_splits(settings: Settings, state: Sequence[Path], records: Sequence[Path]) -> pl.DataFrame:
    """SPLITS of all users, from their states or, by time, from their records."""
    config = settings.records
    if config.split == "per_user":
        counts = pl.scan_parquet(list(state)).select("user_id", "n_records").collect()
        return split_per_user(counts, config.train_fraction)
    times = pl.scan_parquet(list(records)).select("user_id", "record_index", "occurred_at").collect()
    return split_by_time(times, config.split_at or time_of_fraction(times["occurred_at"], config.train_fraction))


def train_positives(records: Sequence[Path], splits: pl.DataFrame, n_buckets: int) -> Iterator[pl.DataFrame]:
    """user_id and item_id of every positive in a training record, whole users, one frame a bucket."""
    n_train = splits.lazy().select("user_id", "n_train")
    for bucket in range(n_buckets):
        if mine := of_bucket(records, bucket):
            yield (
                pl.scan_parquet(mine)
                .select("user_id", "record_index", "exposed_items", "feedback")
                .join(n_train, on="user_id")
                .filter(IS_TRAINING)
                .explode("exposed_items", "feedback")
                .filter(pl.col("feedback") == 1)
                .select("user_id", item_id="exposed_items")
                .collect()
            )


def _none_for_training(settings: Settings, splits: pl.DataFrame) -> str:
    """Why there is nothing to learn vectors from, although there are records."""
    config = settings.records
    n_records, n_most = splits.select(n=pl.col("n_records").sum(), most=pl.col("n_records").max()).row(0)
    share = "those before the cut in time" if config.split == "by_time" else f"the first {config.train_fraction} of each user's"
    return (
        f"split: none of {n_records:,} records is for training: {share} are, and a user has at most {n_most}; "
        "lower records.slate_size, or wait for more events"
    )


def make_semantic_ids(
    warehouse: Warehouse,
    settings: Settings,
    incumbent: Incumbent,
    items: pl.DataFrame,
    users: pl.DataFrame,
    splits: pl.DataFrame,
    records: Sequence[Path],
    release_id: int,
    tick: Tick,
    brought: Brought | None = None,
) -> SemanticIds:
    """Embed all items, learn a codebook if there is none, and decide every item's Semantic ID.

    Args:
        warehouse: in whose store the models are kept and found.
        settings: the run's.
        incumbent: its codebook and SIDs; a rebuild comes with no codebook.
        items: ITEMS of the release.
        users: USERS of the release; profiles are frozen together with the embedding.
        splits: SPLITS of the release.
        records: all record files of the release.
        release_id: the release to come.
        tick: told (done, total) where simulators have to be fitted.
        brought: the file of vectors that the user brings.

    Raises:
        SourceError: vectors are to be learned from likes, and no record is for training.
    """
    external, coverage = read_brought(settings, brought, items)

    def positives() -> Iterator[pl.DataFrame]:
        return train_positives(records, splits, settings.ingest.buckets)

    simulators: tuple[Artifact, ...] = ()
    if incumbent.codebook is None:
        if "cooccurrence" in settings.embeddings.parts and not splits["n_train"].sum():
            raise SourceError(_none_for_training(settings, splits))
        models = Models(learn(items, positives(), settings.embeddings, settings.seed, external), learn_profiles(users), None)
        vectors = embed(models.items, items, positives(), external)
        if settings.embeddings.score_aware:
            from flows.refresh.score_space import learn_scores  # brings torch, which costs seconds that other nights save

            models, simulators = learn_scores(warehouse, settings, models, vectors, items, users, splits, records, tick)
        models.save(warehouse.artifacts)
    else:
        models = load_models(warehouse.artifacts, incumbent.codebook.embedding_id)
        vectors = embed(models.items, items, positives(), external)
    popularity = count_positives(positives())
    embeddings = models.embed_scores(vectors, items, popularity)
    night = NightInputs(release_id, items, of_codebook(embeddings, models.embedding_id), popularity)
    done = tokenize(settings.sids, settings.seed, night, incumbent.sids())
    return SemanticIds(
        models=models,
        codebook=done.codebook,
        embeddings=embeddings,
        upserts=done.changes.upserts,
        missing=done.changes.missing,
        waiting=done.changes.waiting,
        summary=done.changes.summary,
        metrics=done.metrics,
        new_codes=done.codebook.to_frame() if done.is_new else CODEBOOKS.empty(),
        artifact=Artifact(
            KIND,
            models.embedding_id,
            (fingerprint(settings.embeddings.model_dump(mode="json")), *(one.name for one in simulators)),
        ),
        simulators=simulators,
        mode=done.mode,
        why=done.why,
        coverage=coverage,
    )
