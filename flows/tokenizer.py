"""How the night's Semantic IDs come about: learned, appended, or under codes that were centred anew; and why."""

import resource
import time
from collections.abc import Iterable
from dataclasses import dataclass

import polars as pl

from flows.incumbent import Incumbent
from flows.run import peak_memory_mb
from flows.settings import Settings
from pipeline.contracts import SID_METRICS
from pipeline.sids.assign import SidChanges, apply_changes, assign
from pipeline.sids.codebook import Codebook
from pipeline.sids.decide import Moves
from pipeline.sids.drift import Drift, drift
from pipeline.sids.learn import learn_codebook
from pipeline.sids.metrics import OF_RUN, sid_metrics
from pipeline.sids.recentre import recentre


@dataclass(frozen=True)
class Tokenized:
    """The tokenizer's part of a release.

    Attributes:
        codebook: the codes from tonight on.
        is_new: whether they are not those of the release before.
        changes: what happens to sid_history.
        metrics: SID_METRICS.
        mode: learn, append or refresh.
        why: figures that asked for the mode.
    """

    codebook: Codebook
    is_new: bool
    changes: SidChanges
    metrics: pl.DataFrame
    mode: str
    why: tuple[str, ...]


def tokenize(
    settings: Settings,
    incumbent: Incumbent,
    items: pl.DataFrame,
    embeddings: pl.DataFrame,
    popularity: pl.DataFrame,
    release_id: int,
) -> Tokenized:
    """Choose the mode, decide every item's Semantic ID, and measure the outcome.

    Args:
        settings: the run's.
        incumbent: its codebook and history; no codebook where one has to be learned.
        items: ITEMS of the release.
        embeddings: EMBEDDINGS of the release, of the codes' space.
        popularity: item_id, n_positives.
        release_id: the release to come.
    """
    wall, cpu = time.monotonic(), _cpu_seconds()
    config, before = settings.sids, incumbent.codebook
    mode, why = mode_of(settings, None if before is None else drift(embeddings, before, incumbent.history, incumbent.kin))
    if before is None:
        codebook = learn_codebook(embeddings, config, settings.seed, popularity)
    else:
        is_open = (pl.col("codebook_id") == before.codebook_id) & pl.col("valid_to").is_null()
        codebook = recentre(before, embeddings, incumbent.history.filter(is_open)) if mode == "refresh" else before
    changes = assign(
        embeddings,
        items,
        codebook,
        incumbent.history,
        release_id,
        config.epsilon,
        moves=Moves(config.churn_budget, incumbent.waiting),
        placing=config.placing,
        kin=incumbent.kin,
        reserved_from=incumbent.reserved_from,
    )
    is_open = pl.col("valid_to").is_null()
    figures = sid_metrics(
        apply_changes(incumbent.history, changes.upserts).filter(is_open),
        embeddings,
        codebook,
        incumbent.history.filter(is_open) if incumbent.release else None,
        release_id,
        kin=incumbent.kin,
        items=items,
        popularity=popularity,
        outcomes=dict(changes.summary.rows()),
    )
    spent = dict(zip(OF_RUN, (time.monotonic() - wall, _cpu_seconds() - cpu, peak_memory_mb()), strict=True))
    told = [(release_id, codebook.codebook_id, 0, name, float(value)) for name, value in spent.items()]
    metrics = pl.concat([figures, pl.DataFrame(told, schema=SID_METRICS.schema, orient="row")])
    return Tokenized(codebook, codebook is not before, changes, metrics, mode, why)


def mode_of(settings: Settings, seen: Drift | None) -> tuple[str, tuple[str, ...]]:
    """learn (where nothing is known to drift), append or refresh, and why.

    A rebuild is never begun by itself, as it renames everything: it is advised.
    """
    if seen is None:
        return "learn", ("no codebook yet, or --rebuild",)
    if settings.sids.mode != "auto":
        return settings.sids.mode, (f"sids.mode is {settings.sids.mode}",)
    if seen.mode == "rebuild":
        return "refresh", (*seen.reasons, "a rebuild is advised: hsrl refresh --rebuild")
    return seen.mode, seen.reasons


def count_positives(frames: Iterable[pl.DataFrame]) -> pl.DataFrame:
    """item_id, n_positives over frames of user_id and item_id."""
    counts = [frame.group_by("item_id").agg(n_positives=pl.len().cast(pl.Int64)) for frame in frames]
    empty = pl.DataFrame(schema={"item_id": pl.Int64, "n_positives": pl.Int64})
    return pl.concat([empty, *counts]).group_by("item_id").agg(pl.col("n_positives").sum()).sort("item_id")


def _cpu_seconds() -> float:
    return sum(resource.getrusage(resource.RUSAGE_SELF)[:2])
