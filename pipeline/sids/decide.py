"""Which Semantic ID each item should have tonight: the one it had while that is good enough, else the best that is free."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl

from pipeline.contracts import IS_OPEN
from pipeline.sids.capacity import Assignment, CapacityRules, Seekers, assign_free_sids
from pipeline.sids.codebook import Codebook
from pipeline.sids.encode import encode, reconstruction_errors
from pipeline.sids.inputs import AssignmentRules, SidIncumbents
from pipeline.sids.names import fixed_hash, name_tokens, sid_keys
from pipeline.sids.vectors import matrix

Flags = npt.NDArray[np.bool_]
Errors = npt.NDArray[np.float32]
Tokens = npt.NDArray[np.uint16]


class Decided(NamedTuple):
    """What becomes of the usable items.

    Attributes:
        rows: item_id, tokens, sid, sid_key, recon_error, nearest_error, outcome, assigned_by, waits; one row for each item that has a
            Semantic ID tonight.
        waiting: item_id, sid, recon_error, best_error, n_nights, since_release (empty where tonight is the first); the items that
            should move and have to wait.
        missing: item_id, reason: items for which no Semantic ID is free.
    """

    rows: pl.DataFrame
    waiting: pl.DataFrame
    missing: pl.DataFrame


@dataclass(frozen=True)
class _Prior:
    """The last Semantic ID of each of n items.

    Attributes:
        exists: (n,) whether the item ever had one under this numbering.
        is_open: (n,) whether it has it now.
        is_current: (n,) whether that was under tonight's codes.
        valid_to: (n,) the release that closed it; 0 where it is open or there is none.
        tokens: (n, L); the greedy ones where there is none.
        errors: (n,) ‖x − dec(tokens)‖² of tonight's vectors.
    """

    exists: Flags
    is_open: Flags
    is_current: pl.Series
    valid_to: npt.NDArray[np.int64]
    tokens: Tokens
    errors: Errors


def decide(
    usable: pl.DataFrame, own: pl.DataFrame, codebook: Codebook, incumbents: SidIncumbents, rules: AssignmentRules
) -> Decided:
    """Decide for every usable item; ``assign`` states the rules.

    Args:
        usable: item_id, vector, has_signal, by item_id.
        own: SID_HISTORY of this numbering of codes, open and closed.
        codebook: tonight's codes.
        incumbents: of which ``waiting`` and ``reserved_from`` are used.
        rules: when an item keeps its Semantic ID, how many may move, and how many a Semantic ID holds.
    """
    vectors, hashes = matrix(usable, "SIDs"), fixed_hash(usable["item_id"].to_numpy())
    greedy, greedy_error = encode(vectors, codebook)
    prior = _prior(usable, own, codebook, vectors, greedy)
    best, best_error, reasons = greedy, greedy_error, np.full(len(greedy), "")
    keeps = prior.exists & (prior.errors <= (1.0 + rules.epsilon) * greedy_error)
    if rules.capacity is not None:
        last = _last_rows(own.select("item_id", "valid_from", "valid_to", "sid_key"))
        taken = last.filter(IS_OPEN | (pl.col("valid_to") >= incumbents.reserved_from))["sid_key"].to_numpy()
        lapsed = prior.exists & ~prior.is_open & (prior.valid_to < incumbents.reserved_from)
        prior_keys = sid_keys(prior.tokens, codebook.vocabulary)
        keeps &= ~lapsed | _still_free(prior_keys, lapsed & keeps, hashes, taken, rules.capacity.capacity)
        taken = np.concatenate([taken, prior_keys[keeps & lapsed]])
        seekers = Seekers(vectors, hashes, greedy, greedy_error, ~prior.exists | lapsed)
        found = _assign_others(seekers, ~keeps, codebook, taken, rules.capacity)
        best, reasons = found.tokens, found.reasons
        best_error = reconstruction_errors(vectors, best, codebook)
        keeps |= prior.exists & ~lapsed & (~found.is_assigned | (prior.errors <= (1.0 + rules.epsilon) * best_error))
    n_waited = _n_waited(usable.select("item_id"), incumbents.waiting)
    wants_to_move = prior.is_open & ~keeps & ~usable["item_id"].is_in(list(rules.exempt_item_ids)).to_numpy()
    n_allowed = int(rules.max_moved_share * prior.is_open.sum())
    deferred = _beyond_budget(wants_to_move, prior.errors - best_error, n_waited, hashes, n_allowed)
    keeps |= deferred
    flags = {
        "keeps": keeps,
        "is_deferred": deferred,
        "is_nearest": (prior.tokens == greedy).all(axis=1) | (prior.errors <= greedy_error),
        "is_greedy": (best == greedy).all(axis=1),
        "has_prior": prior.exists,
        "is_open": prior.is_open,
        "is_current": prior.is_current,
        "has_signal": usable["has_signal"],
        "recon_error": np.where(keeps, prior.errors, best_error),
        "best_error": best_error,
        "nearest_error": greedy_error,
        "n_nights": n_waited + 1,
        "missing": np.where(keeps, "", reasons),
    }
    named = name_tokens(np.where(keeps[:, None], prior.tokens, best), codebook.vocabulary)
    known = pl.concat([usable.select("item_id"), named, pl.DataFrame(flags)], how="horizontal")
    has_sid = pl.col("missing") == ""
    rows = known.filter(has_sid).with_columns(outcome=_outcome(), assigned_by=_assigned_by(rules.capacity), waits="is_deferred")
    since = incumbents.waiting.select("item_id", "since_release")
    waiting = rows.filter("waits").select("item_id", "sid", "recon_error", "best_error", "n_nights")
    return Decided(
        rows,
        waiting.join(since, on="item_id", how="left", maintain_order="left"),
        known.filter(~has_sid).select("item_id", reason="missing"),
    )


def _prior(
    usable: pl.DataFrame, own: pl.DataFrame, codebook: Codebook, vectors: npt.NDArray[np.float32], greedy: Tokens
) -> _Prior:
    """The last Semantic ID of each usable item, and its error tonight."""
    item_ids = usable.select("item_id")
    last = _last_rows(own.join(item_ids, on="item_id", how="semi"))
    rows = item_ids.join(last, on="item_id", how="left", maintain_order="left")
    exists = rows["tokens"].is_not_null().to_numpy()
    tokens = greedy.copy()
    tokens[exists] = rows["tokens"].drop_nulls().explode().to_numpy().reshape(-1, codebook.n_levels)
    return _Prior(
        exists,
        exists & rows["valid_to"].is_null().to_numpy(),
        (rows["codebook_id"] == codebook.codebook_id).fill_null(value=False),
        rows["valid_to"].fill_null(0).to_numpy(),
        tokens,
        reconstruction_errors(vectors, tokens, codebook),
    )


def _last_rows(rows: pl.DataFrame) -> pl.DataFrame:
    """The latest row of each item."""
    return rows.sort("item_id", "valid_from").unique("item_id", keep="last", maintain_order=True)


def _assign_others(
    seekers: Seekers, others: Flags, codebook: Codebook, taken: npt.NDArray[np.uint64], rules: CapacityRules
) -> Assignment:
    """The best free Semantic ID of each of the ``others``; the nearest, as if it were free, for the rest."""
    found = assign_free_sids(seekers.select(others), codebook, taken, rules)
    n = len(others)
    tokens, is_assigned, reasons = seekers.greedy.copy(), np.ones(n, dtype=bool), np.full(n, "", dtype=object)
    tokens[others], is_assigned[others], reasons[others] = found.tokens, found.is_assigned, found.reasons
    return Assignment(tokens, is_assigned, reasons.astype(str))


def _still_free(
    keys: npt.NDArray[np.uint64],
    asks: Flags,
    hashes: npt.NDArray[np.uint64],
    taken: npt.NDArray[np.uint64],
    capacity: int,
) -> Flags:
    """Which of the items that ask for a Semantic ID they once had, and that is no longer kept for them, find it free."""
    free = np.zeros(len(keys), dtype=bool)
    counts: dict[int, int] = {}
    rows = np.flatnonzero(asks)
    for row in rows[np.argsort(hashes[rows])].tolist():
        key = int(keys[row])
        counts.setdefault(key, int((taken == key).sum()))
        free[row] = counts[key] < capacity
        counts[key] += int(free[row])
    return free


def _n_waited(item_ids: pl.DataFrame, waiting: pl.DataFrame) -> npt.NDArray[np.int64]:
    """Nights that each item has waited until now."""
    known = waiting.select("item_id", "n_nights")
    return item_ids.join(known, on="item_id", how="left", maintain_order="left")["n_nights"].fill_null(0).to_numpy()


def _beyond_budget(
    wants: Flags, gain: Errors, n_waited: npt.NDArray[np.int64], hashes: npt.NDArray[np.uint64], budget: int
) -> Flags:
    """Which items have to wait, where more want to move than may (at least one may).

    Those go first that gain most; every night of waiting doubles what an item's gain counts, so that an item that waits is served in
    the end, however many come later with more to gain.
    """
    rows = np.flatnonzero(wants)
    weight = np.log2(np.maximum(gain[rows].astype(np.float64), np.finfo(np.float32).tiny)) + n_waited[rows]
    order = rows[np.lexsort((hashes[rows], -weight))]
    waits = np.zeros(len(wants), dtype=bool)
    waits[order[max(budget, 1) :]] = True
    return waits


def _outcome() -> pl.Expr:
    kept_open = pl.col("keeps") & pl.col("is_open")
    return (
        pl.when(kept_open & ~pl.col("is_current"))
        .then(pl.lit("carried"))
        .when(pl.col("is_deferred"))
        .then(pl.lit("deferred"))
        .when(kept_open & pl.col("is_nearest"))
        .then(pl.lit("unchanged"))
        .when(kept_open)
        .then(pl.lit("hysteresis"))
        .when("keeps")
        .then(pl.lit("returned"))
        .when("has_prior")
        .then(pl.lit("moved"))
        .otherwise(pl.lit("new"))
    )


def _assigned_by(capacity: CapacityRules | None) -> pl.Expr:
    return (
        pl.when(pl.col("keeps") & pl.col("is_nearest"))
        .then(pl.lit("incumbent"))
        .when("is_deferred")
        .then(pl.lit("deferred"))
        .when("keeps")
        .then(pl.lit("hysteresis"))
        .when(~pl.col("is_greedy"))
        .then(pl.lit("greedy" if capacity is None else capacity.name))
        .when("has_signal")
        .then(pl.lit("greedy"))
        .otherwise(pl.lit("fallback"))
    )
