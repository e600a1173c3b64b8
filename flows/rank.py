"""Ranking from a warehouse: load the published policy once, then answer requests, one by one or from a file."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl
import torch

from flows.pinned import pin_latest
from flows.settings import Settings
from flows.training import load_policy
from hsrl_train.policy import HsrlPolicy
from hsrl_train.rank import Ranker, Request
from pipeline.errors import ConfigError, WarehouseError
from pipeline.warehouse.verify import naming_damage
from pipeline.warehouse.warehouse import Warehouse

# Requests of one forward pass; more gain nothing on one core.
_AT_ONCE = 64
_READERS = {".parquet": pl.read_parquet, ".jsonl": pl.read_ndjson, ".ndjson": pl.read_ndjson}
_IDS = pl.List(pl.Int64)


@dataclass(frozen=True)
class Service:
    """Everything that answering takes.

    Attributes:
        ranker: over the release's Semantic IDs.
        policy_id: of the published policy.
        release_id: pinned.
        user_ids: (m,) int64, rising.
        profiles: (m, u), theirs.
    """

    ranker: Ranker
    policy_id: str
    release_id: int
    user_ids: npt.NDArray[np.int64]
    profiles: npt.NDArray[np.float32]

    def profile(self, user_id: int | None) -> npt.NDArray[np.float32] | None:
        """Of a user; None for one the release does not know, who is ranked by his history alone."""
        if user_id is None or not len(self.user_ids):
            return None
        place = min(int(np.searchsorted(self.user_ids, user_id)), len(self.user_ids) - 1)
        return self.profiles[place] if self.user_ids[place] == user_id else None


def open_service(root: Path, settings: Settings) -> Service:
    """Load the newest release's published policy and its Semantic IDs.

    Raises:
        WarehouseError: no policy is published on the current codebook, or it scores no tokens.
        TrainingError: it was learned on a codebook of other V or L.
    """
    torch.set_num_threads(1)
    with Warehouse.open(root, settings.engine.memory_limit_mb) as warehouse:
        pinned = pin_latest(warehouse, settings)
        if pinned.published_policy is None:
            raise WarehouseError(
                f"{root}: no policy is published on codebook {pinned.codebook.codebook_id}; train one with: hsrl retrain"
            )
        policy = load_policy(warehouse.artifacts, pinned.published_policy, pinned.world.catalogue)
        users = warehouse.query("SELECT user_id FROM users ORDER BY user_id")["user_id"].to_numpy()
    if not isinstance(policy, HsrlPolicy):
        raise WarehouseError(f"{root}: the published policy scores items, not tokens; train one with learner.method = hsrl")
    profiles = pinned.world.records.profiles
    ranker = Ranker(policy, pinned.world.catalogue, profiles.shape[1])
    return Service(ranker, pinned.published_policy, pinned.release.release_id, users, profiles.numpy())


@naming_damage
def rank_file(root: Path, settings: Settings, requests: Path, output: Path) -> dict[str, Any]:
    """Rank a file of requests.

    Args:
        root: the warehouse.
        settings: for the engine's limits.
        requests: Parquet or JSON lines: history and candidates (lists of item ids), user_id (may be absent or null).
        output: Parquet or JSON lines: request (row number), place (1 = best), item_id, score (null: may not be shown).

    Returns:
        What was done.

    Raises:
        ConfigError: a file that cannot be read as such.
    """
    asked = read_requests(requests)
    if output.suffix not in _READERS:
        raise ConfigError(f"{output}: ends in {output.suffix or 'nothing'!r}, expected .parquet or .jsonl")
    service = open_service(root, settings)
    frames: list[pl.DataFrame] = []
    for part in asked.iter_slices(_AT_ONCE):
        told = [
            Request(history, candidates, service.profile(user))
            for user, history, candidates in part.select("user_id", "history", "candidates").iter_rows()
        ]
        first = sum(frame["request"].n_unique() for frame in frames)
        frames += [_rows(first + row, ranked.item_ids, ranked.scores) for row, ranked in enumerate(service.ranker.rank(told))]
    answers = pl.concat(frames)
    answers.write_parquet(output) if output.suffix == ".parquet" else answers.write_ndjson(output)
    return {
        "status": "ranked",
        "policy_id": service.policy_id,
        "release_id": service.release_id,
        "requests": asked.height,
        "candidates": answers.height,
        "output": str(output),
    }


def read_requests(path: Path) -> pl.DataFrame:
    """user_id, history, candidates.

    Raises:
        ConfigError: no such file, another format, or columns that are missing or of another type.
    """
    if path.suffix not in _READERS:
        raise ConfigError(f"{path}: ends in {path.suffix or 'nothing'!r}, expected .parquet or .jsonl")
    try:
        frame = _READERS[path.suffix](path)  # type: ignore[operator]
        missing = [name for name in ("history", "candidates") if name not in frame.columns]
        if missing:
            raise ConfigError(
                f"{path}: no column {' and no column '.join(missing)}, expected history and candidates, lists of item ids"
            )
        if "user_id" not in frame.columns:
            frame = frame.with_columns(user_id=pl.lit(None, pl.Int64))
        frame = frame.select(
            pl.col("user_id").cast(pl.Int64), pl.col("history").cast(_IDS).fill_null([]), pl.col("candidates").cast(_IDS)
        )
    except (OSError, pl.exceptions.PolarsError) as error:
        raise ConfigError(
            f"{path}: {str(error).splitlines()[0]}; expected user_id, history and candidates, whole numbers"
        ) from error
    named = frame["candidates"].list.drop_nulls().list.len()
    n_gaps = frame.height - int((named == frame["candidates"].list.len()).sum())
    if not frame.height or n_gaps:
        raise ConfigError(
            f"{path}: {n_gaps} of {frame.height} requests lack candidates or name a null one, expected one request at least and none such"
        )
    return frame


def _rows(request: int, item_ids: npt.NDArray[np.int64], scores: npt.NDArray[np.float32]) -> pl.DataFrame:
    places = np.arange(1, len(item_ids) + 1, dtype=np.uint32)
    score = pl.Series(scores).replace(-np.inf, None)
    return pl.DataFrame(
        {"request": np.full(len(item_ids), request, np.uint32), "place": places, "item_id": item_ids, "score": score}
    )
