"""How the night's Semantic IDs come about: learned, appended, or under codes that were centred anew; and why."""

import resource
import time
from collections.abc import Iterable
from dataclasses import dataclass

import polars as pl

from flows.runtime.run import peak_memory_mb
from flows.runtime.settings import Settings
from flows.stores.incumbent import Incumbent
from pipeline.contracts import EMBEDDINGS, IS_OPEN, SID_METRICS
from pipeline.sids.assign import SidChanges, apply_changes, assign
from pipeline.sids.codebook import Codebook
from pipeline.sids.decide import Moves
from pipeline.sids.drift import Drift, drift
from pipeline.sids.learn import learn_codebook
from pipeline.sids.metrics import OF_RUN, sid_metrics
from pipeline.sids.recentre import recentre
from pipeline.sids.shift import Pairs, decided_by_vanished_vectors, pair_up, shift_figures


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
    vectors = _Vectors.of(incumbent, items, embeddings)
    jumped = decided_by_vanished_vectors(
        incumbent.history, vectors.pairs, incumbent.last_night, incumbent.same_numbering_ids, before
    )
    trusted = incumbent.history.filter(~pl.col("item_id").is_in(jumped))
    seen = None if before is None else drift(embeddings, before, trusted, incumbent.same_numbering_ids, incumbent.earlier)
    mode, why = mode_of(settings, seen)
    is_open = IS_OPEN
    if before is None or seen is None:
        codebook = learn_codebook(embeddings, config, settings.seed, popularity)
    elif mode == "append":
        codebook = before
    else:
        codebook = seen.codes or before
        if not seen.goes_back:
            held = trusted.filter((pl.col("codebook_id") == before.codebook_id) & is_open)
            codebook = recentre(codebook, embeddings, held)
    changes = assign(
        embeddings,
        items,
        codebook,
        incumbent.history,
        release_id,
        config.epsilon,
        moves=Moves(config.churn_budget, incumbent.waiting, jumped),
        placing=config.placing,
        same_numbering_ids=incumbent.same_numbering_ids,
        reserved_from=incumbent.reserved_from,
    )
    figures_of_release = sid_metrics(
        apply_changes(incumbent.history, changes.upserts).filter(is_open),
        embeddings,
        codebook,
        incumbent.history.filter(is_open) if incumbent.release else None,
        release_id,
        same_numbering_ids=incumbent.same_numbering_ids,
        items=items,
        popularity=popularity,
        outcomes=dict(changes.summary.rows()),
        shift=vectors.figures(incumbent, codebook, config.epsilon),
    )
    spent = dict(zip(OF_RUN, (time.monotonic() - wall, _cpu_seconds() - cpu, peak_memory_mb()), strict=True))
    told = [(release_id, codebook.codebook_id, 0, name, float(value)) for name, value in spent.items()]
    metrics = pl.concat([figures_of_release, pl.DataFrame(told, schema=SID_METRICS.schema, orient="row")])
    return Tokenized(codebook, codebook is not before, changes, metrics, mode, why)


@dataclass(frozen=True)
class _Vectors:
    """Of active items, EMBEDDINGS in the release before and tonight; none before where a codebook is learned: they mean something else."""

    before: pl.DataFrame
    now: pl.DataFrame
    pairs: Pairs

    @classmethod
    def of(cls, incumbent: Incumbent, items: pl.DataFrame, embeddings: pl.DataFrame) -> "_Vectors":
        """Read the vectors of the release before."""
        active = items.filter("is_active").select("item_id")
        before = EMBEDDINGS.empty()
        if incumbent.codebook is not None and incumbent.embeddings:
            is_same = pl.col("embedding_id") == incumbent.codebook.embedding_id
            before = pl.read_parquet(incumbent.embeddings).select(list(EMBEDDINGS.schema)).filter(is_same)
        before, now = (each.join(active, on="item_id", how="semi") for each in (before, embeddings))
        return cls(before, now, pair_up(before, now))

    def figures(self, incumbent: Incumbent, codebook: Codebook, epsilon: float) -> dict[str, float]:
        """How tonight's differ; nothing where there is nothing to compare with."""
        if incumbent.codebook is None or self.before.is_empty():
            return {}
        is_held = (pl.col("codebook_id") == incumbent.codebook.codebook_id) & IS_OPEN
        held = incumbent.history.filter(is_held).select("item_id", "tokens")
        return shift_figures(self.pairs, self.before, self.now, held, (incumbent.codebook, codebook), epsilon)


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
