"""Which Semantic ID each item should have tonight: the one it had while that is good enough, else the best that is free."""

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl

from pipeline.contracts import IS_OPEN, SID_WAITING
from pipeline.sids.codebook import Codebook
from pipeline.sids.encode import encode, reconstruction_errors
from pipeline.sids.names import fixed_hash, name_tokens, sid_keys
from pipeline.sids.place import CapacityRules, Placement, place
from pipeline.sids.vectors import matrix

Flags = npt.NDArray[np.bool_]
Errors = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Moves:
    """Which of the items whose Semantic ID no longer fits may move tonight, and in which order.

    Attributes:
        share: of the survivors that may move, in [0, 1]; at least one item may.
        waiting: SID_WAITING of the release before: who was asked before, and how often.
        free: item_ids that may move beside the share: their Semantic ID is a night old and was given by a vector that is gone.
    """

    share: float = 1.0
    waiting: pl.DataFrame = field(default_factory=SID_WAITING.empty)
    free: Collection[int] = ()


class Decided(NamedTuple):
    """What becomes of the items that were looked at.

    Attributes:
        rows: item_id, tokens, sid, sid_key, recon_error, outcome, assigned_by, waits; one an item that has a Semantic ID tonight.
        waiting: item_id, sid, recon_error, best_error, n_nights, since_release (empty where tonight is the first); those who
            would have moved.
        without: item_id, reason: no place was found.
    """

    rows: pl.DataFrame
    waiting: pl.DataFrame
    without: pl.DataFrame


def decide(
    usable: pl.DataFrame,
    own: pl.DataFrame,
    codebook: Codebook,
    epsilon: float,
    moves: Moves,
    placing: CapacityRules | None,
    reserved_from: int,
) -> Decided:
    """Decide for every usable item; the rules are told by ``assign``.

    Args:
        usable: item_id, vector, has_signal, by item_id.
        own: SID_HISTORY of this numbering of codes, open and closed.
        codebook: the codes.
        epsilon: how much worse than the best a kept Semantic ID may be.
        moves: who may move tonight.
        placing: None where any number of items may share a Semantic ID.
        reserved_from: rows closed in this release or later still hold their place.
    """
    asked = usable.select("item_id")
    prior = asked.join(_last_rows(own.join(asked, on="item_id", how="semi")), on="item_id", how="left", maintain_order="left")
    has_prior = prior["tokens"].is_not_null().to_numpy()
    is_open = has_prior & prior["valid_to"].is_null().to_numpy()
    vectors, hashes = matrix(usable, "SIDs"), fixed_hash(usable["item_id"].to_numpy())
    greedy, greedy_error = encode(vectors, codebook)
    old = greedy.copy()
    old[has_prior] = prior["tokens"].drop_nulls().explode().to_numpy().reshape(-1, codebook.n_levels)
    old_error = reconstruction_errors(vectors, old, codebook)
    best, best_error, reasons = greedy, greedy_error, np.full(len(greedy), "")
    keeps = has_prior & (old_error <= (1.0 + epsilon) * greedy_error)
    if placing is not None:
        last = _last_rows(own.select("item_id", "valid_from", "valid_to", "sid_key"))
        claims = last.filter(IS_OPEN | (pl.col("valid_to") >= reserved_from))["sid_key"].to_numpy()
        lapsed = has_prior & ~is_open & (prior["valid_to"].fill_null(0).to_numpy() < reserved_from)
        keeps &= ~lapsed | _still_free(sid_keys(old, codebook.vocabulary), lapsed & keeps, hashes, claims, placing.capacity)
        taken = np.concatenate([claims, sid_keys(old[keeps & lapsed], codebook.vocabulary)])
        placed = _place_rest(vectors, hashes, ~keeps, ~has_prior | lapsed, greedy, codebook, taken, placing)
        best, reasons = placed.tokens, placed.reasons
        best_error = reconstruction_errors(vectors, best, codebook)
        keeps |= has_prior & ~lapsed & (~placed.is_placed | (old_error <= (1.0 + epsilon) * best_error))
    n_waited = _n_waited(asked, moves.waiting)
    is_bound = is_open & ~keeps & ~usable["item_id"].is_in(list(moves.free)).to_numpy()
    deferred = _beyond_budget(is_bound, old_error - best_error, n_waited, hashes, int(moves.share * is_open.sum()))
    keeps |= deferred
    flags = {
        "keeps": keeps,
        "is_deferred": deferred,
        "is_nearest": (old == greedy).all(axis=1) | (old_error <= greedy_error),
        "is_greedy": (best == greedy).all(axis=1),
        "has_prior": has_prior,
        "is_open": is_open,
        "is_current": (prior["codebook_id"] == codebook.codebook_id).fill_null(value=False),
        "has_signal": usable["has_signal"],
        "recon_error": np.where(keeps, old_error, best_error),
        "best_error": best_error,
        "n_nights": n_waited + 1,
        "without": np.where(keeps, "", reasons),
    }
    named = name_tokens(np.where(keeps[:, None], old, best), codebook.vocabulary)
    told = pl.concat([usable.select("item_id"), named, pl.DataFrame(flags)], how="horizontal")
    has_place = pl.col("without") == ""
    rows = told.filter(has_place).with_columns(outcome=_outcome(), assigned_by=_assigned_by(placing), waits="is_deferred")
    since = moves.waiting.select("item_id", "since_release")
    waiting = rows.filter("waits").select("item_id", "sid", "recon_error", "best_error", "n_nights")
    return Decided(
        rows,
        waiting.join(since, on="item_id", how="left", maintain_order="left"),
        told.filter(~has_place).select("item_id", reason="without"),
    )


def _last_rows(rows: pl.DataFrame) -> pl.DataFrame:
    """The latest row of each item."""
    return rows.sort("item_id", "valid_from").unique("item_id", keep="last", maintain_order=True)


def _place_rest(
    vectors: npt.NDArray[np.float32],
    hashes: npt.NDArray[np.uint64],
    rest: Flags,
    needs: Flags,
    greedy: npt.NDArray[np.uint16],
    codebook: Codebook,
    taken: npt.NDArray[np.uint64],
    placing: CapacityRules,
) -> Placement:
    """The best free Semantic ID of each of the ``rest``, some of whom need one; the nearest, as if placed, for the others."""
    found = place(vectors[rest], hashes[rest], codebook, taken, placing, needs[rest])
    tokens, is_placed, reasons = greedy.copy(), np.ones(len(greedy), dtype=bool), np.full(len(greedy), "", dtype=object)
    tokens[rest], is_placed[rest], reasons[rest] = found.tokens, found.is_placed, found.reasons
    return Placement(tokens, is_placed, reasons.astype(str))


def _still_free(
    keys: npt.NDArray[np.uint64],
    asks: Flags,
    hashes: npt.NDArray[np.uint64],
    claims: npt.NDArray[np.uint64],
    capacity: int,
) -> Flags:
    """Which of those who ask for a Semantic ID they once had, and no longer a claim to, find room in it."""
    free = np.zeros(len(keys), dtype=bool)
    counts: dict[int, int] = {}
    rows = np.flatnonzero(asks)
    for row in rows[np.argsort(hashes[rows])].tolist():
        key = int(keys[row])
        counts.setdefault(key, int((claims == key).sum()))
        free[row] = counts[key] < capacity
        counts[key] += int(free[row])
    return free


def _n_waited(asked: pl.DataFrame, waiting: pl.DataFrame) -> npt.NDArray[np.int64]:
    """Nights that each item has waited until now."""
    known = waiting.select("item_id", "n_nights")
    return asked.join(known, on="item_id", how="left", maintain_order="left")["n_nights"].fill_null(0).to_numpy()


def _beyond_budget(
    wants: Flags, gain: Errors, n_waited: npt.NDArray[np.int64], hashes: npt.NDArray[np.uint64], budget: int
) -> Flags:
    """Who has to wait, where more want to move than may (at least one may).

    Those go first who gain most; every night of waiting doubles what an item's gain counts, so that whoever waits is served in the
    end, however many come later with more to gain.
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


def _assigned_by(placing: CapacityRules | None) -> pl.Expr:
    return (
        pl.when(pl.col("keeps") & pl.col("is_nearest"))
        .then(pl.lit("incumbent"))
        .when("is_deferred")
        .then(pl.lit("deferred"))
        .when("keeps")
        .then(pl.lit("hysteresis"))
        .when(~pl.col("is_greedy"))
        .then(pl.lit("greedy" if placing is None else placing.name))
        .when("has_signal")
        .then(pl.lit("greedy"))
        .otherwise(pl.lit("fallback"))
    )
