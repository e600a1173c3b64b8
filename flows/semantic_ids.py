"""The middle of a refresh: what records become on the way to Semantic IDs, with frozen artifacts learned once and found again."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy.typing as npt
import polars as pl
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from flows.artifacts import Artifact
from flows.deliveries import of_bucket
from flows.incumbent import Incumbent
from flows.settings import Settings
from flows.tokenizer import count_positives, tokenize
from pipeline.contracts import CODEBOOKS
from pipeline.embeddings.embed import embed, learn
from pipeline.embeddings.model import EmbeddingModel
from pipeline.embeddings.profiles import ProfileModel, learn_profiles
from pipeline.errors import ConfigError, WarehouseError
from pipeline.records.split import split_by_time, split_per_user, time_of_fraction
from pipeline.sids.codebook import Codebook
from pipeline.warehouse.artifacts import ArtifactStore, fingerprint

_MODEL_KIND = "embedding_model"
_MODEL_FILE, _PROFILES_FILE = "items.safetensors", "profiles.safetensors"


@dataclass(frozen=True)
class SemanticIds:
    """What the tokenizer brings to a release.

    Attributes:
        model: the frozen embedding model.
        codebook: the frozen codes.
        embeddings: EMBEDDINGS of all items.
        upserts: SID_HISTORY rows that change.
        missing: item_id, reason: active items without a SID.
        summary: reason, n_items.
        metrics: SID_METRICS of the release.
        new_codes: CODEBOOKS, empty unless the codebook was learned tonight.
        artifact: the embedding model in the store.
        mode: learn, append or refresh.
        why: what asked for the mode.
    """

    model: EmbeddingModel
    codebook: Codebook
    embeddings: pl.DataFrame
    upserts: pl.DataFrame
    missing: pl.DataFrame
    summary: pl.DataFrame
    metrics: pl.DataFrame
    new_codes: pl.DataFrame
    artifact: Artifact
    mode: str
    why: tuple[str, ...]


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
                .filter(pl.col("record_index") < pl.col("n_train"))
                .explode("exposed_items", "feedback")
                .filter(pl.col("feedback") == 1)
                .select("user_id", item_id="exposed_items")
                .collect()
            )


def make_semantic_ids(
    store: ArtifactStore,
    settings: Settings,
    incumbent: Incumbent,
    items: pl.DataFrame,
    users: pl.DataFrame,
    splits: pl.DataFrame,
    records: Sequence[Path],
    release_id: int,
) -> SemanticIds:
    """Embed all items, learn a codebook if there is none, and decide every item's Semantic ID.

    Args:
        store: where embedding models are kept and found.
        settings: the run's.
        incumbent: its codebook and SIDs; a rebuild comes with no codebook.
        items: ITEMS of the release.
        users: USERS of the release; profiles are frozen together with the embedding.
        splits: SPLITS of the release.
        records: all record files of the release.
        release_id: the release to come.
    """
    external = _read_external(settings)

    def positives() -> Iterator[pl.DataFrame]:
        return train_positives(records, splits, settings.ingest.buckets)

    if incumbent.codebook is None:
        model = learn(items, positives(), settings.embeddings, settings.seed, external)
        _save_models(store, model, learn_profiles(users))
    else:
        model = load_model(store, incumbent.codebook.embedding_id)
    embeddings = embed(model, items, positives(), external)
    done = tokenize(settings, incumbent, items, embeddings, count_positives(positives()), release_id)
    return SemanticIds(
        model=model,
        codebook=done.codebook,
        embeddings=embeddings,
        upserts=done.changes.upserts,
        missing=done.changes.without,
        summary=done.changes.summary,
        metrics=done.metrics,
        new_codes=done.codebook.to_frame() if done.is_new else CODEBOOKS.empty(),
        artifact=Artifact(_MODEL_KIND, model.embedding_id, (fingerprint(settings.embeddings.model_dump(mode="json")),)),
        mode=done.mode,
        why=done.why,
    )


def load_model(store: ArtifactStore, embedding_id: str) -> EmbeddingModel:
    """The frozen embedding model of that name, its bytes checked against it.

    Raises:
        WarehouseError: it is not in the store.
    """
    return EmbeddingModel.from_arrays(*_load(store, embedding_id, _MODEL_FILE))


def load_profiles(store: ArtifactStore, embedding_id: str) -> ProfileModel:
    """The profile model that was frozen together with an embedding model.

    Raises:
        WarehouseError: it is not in the store.
    """
    return ProfileModel.from_arrays(*_load(store, embedding_id, _PROFILES_FILE))


def _load(store: ArtifactStore, embedding_id: str, file: str) -> tuple[dict[str, npt.NDArray[Any]], dict[str, str]]:
    path = store.path(_MODEL_KIND, embedding_id) / file
    try:
        with safe_open(path, framework="numpy") as stored:
            return {name: stored.get_tensor(name) for name in stored.keys()}, stored.metadata()  # noqa: SIM118 no dict
    except (OSError, SafetensorError) as error:
        raise WarehouseError(f"{path}: {error}; restore it, or make new SIDs with: hsrl refresh --rebuild") from error


def _save_models(store: ArtifactStore, model: EmbeddingModel, profiles: ProfileModel) -> None:
    with store.writing(_MODEL_KIND, model.embedding_id) as folder:
        for file, part in ((_MODEL_FILE, model), (_PROFILES_FILE, profiles)):
            arrays, metadata = part.to_arrays()
            save_file(arrays, folder / file, metadata)


def _read_external(settings: Settings) -> pl.DataFrame | None:
    path = settings.embeddings.external_path
    if "external" not in settings.embeddings.parts or path is None:
        return None
    try:
        return pl.read_parquet(path)
    except (OSError, pl.exceptions.ComputeError) as error:
        raise ConfigError(
            f"embeddings.external_path {path}: {str(error).splitlines()[0]}; name a Parquet of item_id and vector"
        ) from error
