"""Which Semantic ID each item should have tonight: the one it had while that is good enough, else the best that is free."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl

from pipeline.sids.codebook import Codebook
from pipeline.sids.encode import encode, reconstruction_errors
from pipeline.sids.names import fixed_hash, name_tokens, sid_keys
from pipeline.sids.place import Placed, Placing, place
from pipeline.sids.vectors import matrix

Flags = npt.NDArray[np.bool_]
Errors = npt.NDArray[np.float32]


class Decided(NamedTuple):
    """What becomes of the items that were looked at.

    Attributes:
        rows: item_id, tokens, sid, sid_key, recon_error, outcome, assigned_by; one an item that has a Semantic ID tonight.
        without: item_id, reason: no place was found.
    """

    rows: pl.DataFrame
    without: pl.DataFrame


def decide(
    usable: pl.DataFrame,
    own: pl.DataFrame,
    codebook: Codebook,
    epsilon: float,
    moves: float,
    placing: Placing | None,
    reserved_from: int,
    n_settled: int = 0,
) -> Decided:
    """Decide for every usable item; the rules are told by ``assign``.

    Args:
        usable: item_id, vector, has_signal, by item_id.
        own: SID_HISTORY of this numbering of codes, open and closed.
        codebook: the codes.
        epsilon: how much worse than the best a kept Semantic ID may be.
        moves: share of the survivors that may move tonight, at least one item.
        placing: None where any number of items may share a Semantic ID.
        reserved_from: rows closed in this release or later still hold their place.
        n_settled: survivors that were not looked at; they count for the share of those that may move.
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
        claims = last.filter(pl.col("valid_to").is_null() | (pl.col("valid_to") >= reserved_from))["sid_key"].to_numpy()
        lapsed = has_prior & ~is_open & (prior["valid_to"].fill_null(0).to_numpy() < reserved_from)
        keeps &= ~lapsed | _still_free(sid_keys(old, codebook.vocabulary), lapsed & keeps, hashes, claims, placing.capacity)
        taken = np.concatenate([claims, sid_keys(old[keeps & lapsed], codebook.vocabulary)])
        placed = _place_rest(vectors, hashes, ~keeps, greedy, codebook, taken, placing)
        best, reasons = placed.tokens, placed.reasons
        best_error = reconstruction_errors(vectors, best, codebook)
        keeps |= has_prior & ~lapsed & (~placed.is_placed | (old_error <= (1.0 + epsilon) * best_error))
    deferred = _beyond_budget(is_open & ~keeps, old_error - best_error, hashes, int(moves * (is_open.sum() + n_settled)))
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
        "without": np.where(keeps, "", reasons),
    }
    named = name_tokens(np.where(keeps[:, None], old, best), codebook.vocabulary)
    told = pl.concat([usable.select("item_id"), named, pl.DataFrame(flags)], how="horizontal")
    has_place = pl.col("without") == ""
    rows = told.filter(has_place).with_columns(outcome=_outcome(), assigned_by=_assigned_by(placing))
    return Decided(rows, told.filter(~has_place).select("item_id", reason="without"))


def _last_rows(rows: pl.DataFrame) -> pl.DataFrame:
    """The latest row of each item."""
    return rows.sort("item_id", "valid_from").unique("item_id", keep="last", maintain_order=True)


def _place_rest(
    vectors: npt.NDArray[np.float32],
    hashes: npt.NDArray[np.uint64],
    rest: Flags,
    greedy: npt.NDArray[np.uint16],
    codebook: Codebook,
    taken: npt.NDArray[np.uint64],
    placing: Placing,
) -> Placed:
    """The best free Semantic ID of each of the ``rest``; the nearest, as if placed, for the others."""
    found = place(vectors[rest], hashes[rest], codebook, taken, placing)
    tokens, is_placed, reasons = greedy.copy(), np.ones(len(greedy), dtype=bool), np.full(len(greedy), "", dtype=object)
    tokens[rest], is_placed[rest], reasons[rest] = found.tokens, found.is_placed, found.reasons
    return Placed(tokens, is_placed, reasons.astype(str))


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


def _beyond_budget(wants: Flags, gain: Errors, hashes: npt.NDArray[np.uint64], budget: int) -> Flags:
    """Who has to wait: those who would gain least by moving, where more want to than may (at least one may)."""
    rows = np.flatnonzero(wants)
    order = rows[np.lexsort((hashes[rows], -gain[rows]))]
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


def _assigned_by(placing: Placing | None) -> pl.Expr:
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
