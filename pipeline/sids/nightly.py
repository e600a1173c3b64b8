"""How the night's Semantic IDs come about: learned, appended, or under codes that were centred anew; and why."""

from dataclasses import dataclass, replace

import polars as pl

from pipeline.contracts import IS_OPEN, open_rows
from pipeline.sids.align import aligned_with_history
from pipeline.sids.assign import SidChanges, apply_changes, assign
from pipeline.sids.codebook import Codebook
from pipeline.sids.config import SidsConfig
from pipeline.sids.drift import Drift, drift
from pipeline.sids.inputs import NightInputs, SidIncumbents
from pipeline.sids.learn import learn_codebook
from pipeline.sids.metrics import Background, ReleaseSids, sid_metrics
from pipeline.sids.recentre import recentre
from pipeline.sids.shift import VectorShift, decided_by_vanished_vectors, shift_figures


@dataclass(frozen=True)
class NightDecision:
    """The tokenizer's part of a release.

    Attributes:
        codebook: the codes from tonight on.
        is_new: whether they are not those of the release before.
        changes: what happens to sid_history.
        metrics: SID_METRICS, without those of the run (``run_metrics``): a stage has no clock.
        mode: learn, append or refresh.
        why: figures that asked for the mode.
    """

    codebook: Codebook
    is_new: bool
    changes: SidChanges
    metrics: pl.DataFrame
    mode: str
    why: tuple[str, ...]


def decide_night(config: SidsConfig, seed: int, night: NightInputs, incumbents: SidIncumbents) -> NightDecision:
    """Choose the mode, decide every item's Semantic ID, and measure the outcome.

    Args:
        config: the section ``sids``.
        seed: of a codebook that is learned.
        night: items, EMBEDDINGS of the codes' space and popularity of tonight.
        incumbents: what earlier nights decided; without a codebook one is learned.

    Raises:
        ContractError: see ``learn_codebook``, ``drift``, ``recentre``, ``assign`` and ``sid_metrics``.
    """
    before = incumbents.codebook
    shift = VectorShift.between(incumbents.embeddings, night)
    exempt = decided_by_vanished_vectors(incumbents, shift.pairs)
    trusted = incumbents.history.filter(~pl.col("item_id").is_in(exempt))
    seen = None
    if before is not None:
        seen = drift(night.embeddings, before, trusted, incumbents.same_numbering_ids, incumbents.earlier, incumbents.explained)
    mode, why = mode_of(config, seen)
    numbers: dict[str, float] = {}
    if before is None or seen is None:
        learned = learn_codebook(night.embeddings, config, seed, night.popularity)
        codebook, numbers = aligned_with_history(learned, night.embeddings, incumbents.history)
    else:
        codebook = before if mode == "append" else _followed(before, seen, night.embeddings, trusted)
    changes = assign(night, codebook, incumbents, replace(config.assignment_rules, exempt_item_ids=exempt))
    figures = {} if before is None else shift_figures(shift, incumbents.history, (before, codebook), config.epsilon)
    return NightDecision(
        codebook, codebook is not before, changes, _metrics(night, codebook, incumbents, changes, figures | numbers), mode, why
    )


def mode_of(config: SidsConfig, seen: Drift | None) -> tuple[str, tuple[str, ...]]:
    """The mode of a night (learn, append or refresh) and why.

    A rebuild is never begun by itself, as it renames everything: it is advised.

    Args:
        config: the section ``sids``; its mode decides where it is not ``auto``.
        seen: how far tonight's vectors have drifted; None where there are no codes to drift from.
    """
    if seen is None:
        return "learn", ("no codebook yet, or --rebuild",)
    if config.mode != "auto":
        return config.mode, (f"sids.mode is {config.mode}",)
    if seen.mode == "rebuild":
        return "refresh" if seen.may_follow else "append", (*seen.reasons, "a rebuild is advised: hsrl refresh --rebuild")
    return seen.mode, seen.reasons


def _followed(before: Codebook, seen: Drift, embeddings: pl.DataFrame, trusted: pl.DataFrame) -> Codebook:
    """The codes of a night that refreshes them: centred anew, or earlier ones where these are still right as they are."""
    codebook = seen.codes or before
    if seen.goes_back:
        return codebook
    return recentre(codebook, embeddings, trusted.filter((pl.col("codebook_id") == before.codebook_id) & IS_OPEN))


def _metrics(
    night: NightInputs, codebook: Codebook, incumbents: SidIncumbents, changes: SidChanges, seen: dict[str, float]
) -> pl.DataFrame:
    """SID_METRICS of the release to come."""
    release = ReleaseSids(
        release_id=night.release_id,
        codebook=codebook,
        open_rows=open_rows(apply_changes(incumbents.history, changes.upserts)),
        embeddings=night.embeddings,
        previous=open_rows(incumbents.history) if incumbents.history.height else None,
        same_numbering_ids=incumbents.same_numbering_ids,
        nearest=changes.nearest,
    )
    return sid_metrics(release, Background(night.items, night.popularity, dict(changes.summary.rows()), seen, night.follows))
