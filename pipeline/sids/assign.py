"""The nightly decision: who keeps, moves, gets or loses a Semantic ID; nothing is ever renumbered (DESIGN §6).

The laws, whatever the nights bring: an active item with a usable vector has exactly one open row; a pair of SID and slot of a
codebook belongs to one item for ever; the intervals of an item do not overlap.
"""

from dataclasses import dataclass

import numpy as np
import polars as pl

from pipeline.contracts import ITEMS, SID_HISTORY, check
from pipeline.errors import ContractError
from pipeline.sids.codebook import Codebook
from pipeline.sids.encode import encode, reconstruction_errors
from pipeline.sids.names import fixed_hash, name_tokens
from pipeline.sids.vectors import matrix, sorted_embeddings, squared_norms

OUTCOMES = ("unchanged", "hysteresis", "new", "moved", "returned", "rebuild", "closed", "without")


@dataclass(frozen=True)
class SidChanges:
    """What a night does to sid_history.

    Attributes:
        upserts: SID_HISTORY rows to write by key: closed rows come again with ``valid_to``, new rows are open.
        summary: ``reason``, ``n_items``: one row for each of OUTCOMES, zeros too. *unchanged* and *hysteresis* keep their row
            (the old SID is nearest, or near enough); *closed* had a SID and have none now; *without* are those of ``without``.
        without: ``item_id``, ``reason``: active items that get no SID.
    """

    upserts: pl.DataFrame
    summary: pl.DataFrame
    without: pl.DataFrame


def assign(
    embeddings: pl.DataFrame, items: pl.DataFrame, codebook: Codebook, incumbents: pl.DataFrame, release_id: int, epsilon: float
) -> SidChanges:
    """Decide the Semantic IDs of a release, mode ``candidates``: items may share a SID and are told apart by their slot.

    An item keeps the last SID s it had in this codebook, also one that it had before it went away, while

        ‖x − dec(s)‖² ≤ (1 + ε) · ‖x − dec(greedy)‖²,

    else it takes the greedy one. An item back in a SID it ever had gets its old slot; others queue behind the highest slot ever
    given in that SID: lowest error first, then a fixed hash of item_id. Open rows of other codebooks are closed (rebuild).

    Args:
        embeddings: EMBEDDINGS of the codebook's model; rows of inactive items are ignored.
        items: ITEMS; inactive items lose their SID.
        codebook: the frozen codes.
        incumbents: SID_HISTORY, open and closed rows of this codebook and at least the open ones of any other.
        release_id: the release to come, above every release in ``incumbents``.
        epsilon: ε ≥ 0, how much worse than the best a kept SID may be.

    Raises:
        ContractError: a broken contract, vectors of another model or width or not finite, an item with two open rows of this
            codebook, or a release that is not above those of ``incumbents``.
    """
    history = _checked_history(incumbents, release_id)
    usable, without = _usable(items, embeddings, codebook)
    is_own = pl.col("codebook_id") == codebook.codebook_id
    is_open = pl.col("valid_to").is_null()
    own, open_before = history.filter(is_own), history.filter(is_open)
    elsewhere = open_before.filter(~is_own)["item_id"]
    is_rebuilt = pl.col("item_id").is_in(elsewhere.implode())
    decided = _decide(usable, own, codebook, epsilon).with_columns(
        outcome=pl.when(is_rebuilt).then(pl.lit("rebuild")).otherwise("outcome")
    )
    keeps = pl.col("outcome").is_in(["unchanged", "hysteresis"])
    kept = decided.filter(keeps).select("item_id")
    closed = pl.concat([open_before.filter(~is_own), open_before.filter(is_own).join(kept, on="item_id", how="anti")])
    opened = _with_slots(decided.filter(~keeps), own).select(
        "item_id",
        "tokens",
        "sid",
        "sid_key",
        "slot",
        "assigned_by",
        "recon_error",
        codebook_id=pl.lit(codebook.codebook_id),
        valid_from=pl.lit(release_id, dtype=pl.Int64),
        valid_to=pl.lit(None, dtype=pl.Int64),
        reason="outcome",
        is_ood=pl.col("recon_error") > codebook.ood_error,
    )
    upserts = pl.concat(
        [closed.with_columns(valid_to=pl.lit(release_id, dtype=pl.Int64)), opened.select(list(SID_HISTORY.schema))]
    ).sort("item_id", "valid_from")
    n_closed = open_before.join(decided, on="item_id", how="anti")["item_id"].n_unique()
    return SidChanges(check(upserts, SID_HISTORY, "SIDs"), _summary(decided, n_closed, without.height), without)


def apply_changes(history: pl.DataFrame, upserts: pl.DataFrame) -> pl.DataFrame:
    """SID_HISTORY after a night: rows of ``upserts`` replace those of ``history`` with the same key."""
    old = history.join(upserts, on=list(SID_HISTORY.key), how="anti")
    return pl.concat([old, upserts]).sort("item_id", "codebook_id", "valid_from")


def _checked_history(incumbents: pl.DataFrame, release_id: int) -> pl.DataFrame:
    """The incumbents, if they can precede ``release_id``."""
    history = check(incumbents, SID_HISTORY, "SIDs")
    if n_late := history.filter(pl.col("valid_from") >= release_id).height:
        raise ContractError(
            f"SIDs: {n_late} of {history.height} incumbent rows begin at release {release_id} or later; expected earlier ones: "
            "assign for a release above them"
        )
    open_rows = history.filter(pl.col("valid_to").is_null())
    if n_repeats := open_rows.height - open_rows.select("item_id", "codebook_id").n_unique():
        raise ContractError(
            f"SIDs: {n_repeats} of {open_rows.height} open rows are second ones of their item, expected one each; roll back to "
            "a release before that"
        )
    return history


def _usable(items: pl.DataFrame, embeddings: pl.DataFrame, codebook: Codebook) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Active items with a vector to encode, by item_id, and those without (``item_id``, ``reason``)."""
    rows = sorted_embeddings(embeddings, "SIDs")
    if rows.height and (model := rows["embedding_id"][0]) != codebook.embedding_id:
        raise ContractError(
            f"SIDs: {rows.height} vectors are of the model {model}, the codebook was learned on {codebook.embedding_id}; rebuild "
            "with: hsrl refresh --rebuild"
        )
    has_length = pl.Series("has_length", squared_norms(matrix(rows, "SIDs")) > 0, dtype=pl.Boolean)
    found = (
        check(items, ITEMS, "SIDs")
        .filter("is_active")
        .select("item_id")
        .join(rows.with_columns(has_length), on="item_id", how="left")
        .sort("item_id")
    )
    missing = found.filter(pl.col("has_length").not_().fill_null(True)).select(
        "item_id", reason=pl.when(pl.col("has_length").is_null()).then(pl.lit("no vector")).otherwise(pl.lit("zero vector"))
    )
    return found.filter(pl.col("has_length").fill_null(False)).select("item_id", "vector", "has_signal"), missing


def _decide(usable: pl.DataFrame, own: pl.DataFrame, codebook: Codebook, epsilon: float) -> pl.DataFrame:
    """The SID of each usable item and how it came about: *outcome* and *assigned_by*."""
    last = own.sort("item_id", "valid_from").unique("item_id", keep="last", maintain_order=True)
    prior = usable.select("item_id").join(last, on="item_id", how="left", maintain_order="left")
    has_prior = prior["tokens"].is_not_null().to_numpy()
    vectors = matrix(usable, "SIDs")
    greedy, greedy_error = encode(vectors, codebook)
    old = greedy.copy()
    old[has_prior] = prior["tokens"].drop_nulls().explode().to_numpy().reshape(-1, codebook.n_levels)
    old_error = reconstruction_errors(vectors, old, codebook)
    is_nearest = (old == greedy).all(axis=1)
    keeps = has_prior & (old_error <= (1.0 + epsilon) * greedy_error)
    error = np.where(keeps, old_error, greedy_error)
    flags = pl.DataFrame(
        {
            "keeps": keeps,
            "is_nearest": is_nearest,
            "has_prior": has_prior,
            "has_signal": usable["has_signal"],
            "recon_error": error,
        }
    )
    named = name_tokens(np.where(keeps[:, None], old, greedy), codebook.vocabulary)
    is_open = prior["valid_from"].is_not_null() & prior["valid_to"].is_null()
    return pl.concat([usable.select("item_id"), named, flags], how="horizontal").with_columns(
        is_open=is_open,
        outcome=pl.when(pl.col("keeps") & is_open & pl.col("is_nearest"))
        .then(pl.lit("unchanged"))
        .when(pl.col("keeps") & is_open)
        .then(pl.lit("hysteresis"))
        .when("keeps")
        .then(pl.lit("returned"))
        .when("has_prior")
        .then(pl.lit("moved"))
        .otherwise(pl.lit("new")),
        assigned_by=pl.when(pl.col("keeps") & pl.col("is_nearest"))
        .then(pl.lit("incumbent"))
        .when("keeps")
        .then(pl.lit("hysteresis"))
        .when("has_signal")
        .then(pl.lit("greedy"))
        .otherwise(pl.lit("fallback")),
    )


def _with_slots(opened: pl.DataFrame, own: pl.DataFrame) -> pl.DataFrame:
    """Give rows to open their slot: the one the item had in that SID, else the next that was never given."""
    had = own.select("item_id", "sid_key", old_slot="slot").unique(["item_id", "sid_key"])
    given = own.group_by("sid_key").agg(n_given=pl.col("slot").max().cast(pl.Int64) + 1)
    tie = pl.Series("tie", fixed_hash(opened["item_id"].to_numpy()), dtype=pl.UInt64)
    queue = (
        opened.with_columns(tie)
        .join(had, on=["item_id", "sid_key"], how="left")
        .join(given, on="sid_key", how="left")
        .sort("sid_key", "recon_error", "tie", "item_id")
    )
    place = pl.col("old_slot").is_null().cast(pl.Int64).cum_sum().over("sid_key") - 1
    return queue.with_columns(
        slot=pl.coalesce(pl.col("old_slot").cast(pl.Int64), pl.col("n_given").fill_null(0) + place).cast(pl.UInt32)
    )


def _summary(decided: pl.DataFrame, n_closed: int, n_without: int) -> pl.DataFrame:
    """``reason``, ``n_items`` for each of OUTCOMES."""
    counts = dict(decided["outcome"].value_counts().iter_rows()) | {"closed": n_closed, "without": n_without}
    return pl.DataFrame(
        {"reason": OUTCOMES, "n_items": [counts.get(outcome, 0) for outcome in OUTCOMES]}, schema_overrides={"n_items": pl.Int64}
    )
