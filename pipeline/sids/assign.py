"""Which items keep, move, get or lose their Semantic ID tonight; nothing is ever renumbered (docs/tokenizer.md).

The laws, whatever the nights bring: an active item with a usable vector has exactly one open row; a pair of SID and slot of a
codebook belongs to one item for ever; the intervals of an item do not overlap.
"""

from collections.abc import Collection
from dataclasses import dataclass

import polars as pl

from pipeline.contracts import ITEMS, SID_HISTORY, SID_WAITING, check, n_repeats, open_rows
from pipeline.errors import ContractError
from pipeline.sids.codebook import Codebook
from pipeline.sids.decide import Decided, decide
from pipeline.sids.inputs import AssignmentRules, NightInputs, SidIncumbents
from pipeline.sids.names import fixed_hash
from pipeline.sids.vectors import matrix, rows_kept, sorted_embeddings, squared_norms

OUTCOMES = ("unchanged", "hysteresis", "deferred", "carried", "new", "moved", "returned", "rebuild", "closed", "without")
KEEP_THEIR_ROW = ("unchanged", "hysteresis", "deferred")
_SMALL_ERROR = 0.01  # share of the out-of-distribution error: below it, a doubled error is only rounding


@dataclass(frozen=True)
class SidChanges:
    """What a night does to sid_history.

    Attributes:
        upserts: SID_HISTORY rows to write by key: closed rows come again with ``valid_to``, new rows are open; a kept row comes again
            where its error was measured on a vector that is gone.
        summary: ``reason``, ``n_items``: one row for each of OUTCOMES, zeros too. *unchanged*, *hysteresis* and *deferred* keep
            their SID (it is nearest, near enough, or others were more in need of a move); *carried* keep theirs under codes that were
            centred anew, and wait for nothing; *closed* had a SID and have none now; *without* are those of ``missing``.
        missing: ``item_id``, ``reason``: active items that get no SID.
        waiting: SID_WAITING: the *deferred*, under whatever codes.
        nearest: ``item_id``, ``nearest_error`` (f32): of each item with a SID, the error of the nearest codes, whoever holds them.
    """

    upserts: pl.DataFrame
    summary: pl.DataFrame
    missing: pl.DataFrame
    waiting: pl.DataFrame
    nearest: pl.DataFrame


def assign(night: NightInputs, codebook: Codebook, incumbents: SidIncumbents, rules: AssignmentRules) -> SidChanges:
    """Decide the Semantic IDs of a release.

    An item keeps the last SID s it had under this numbering of codes, also one that it had before it went away, while

        ‖x − dec(s)‖² ≤ (1 + ε) · ‖x − dec(best)‖²,

    else it takes the best: the nearest by greedy encoding or, where SIDs have a capacity, the nearest that is free. If more than a
    share of the survivors would move, those who gain most do and the others wait. Every item is decided every night: the SID it
    holds and the best it could hold are compared on tonight's vectors under tonight's codes, so that no item is forgotten. An item
    back in a SID it ever had gets its old slot; others queue behind the highest slot ever given in that SID: lowest error first,
    then a fixed hash of item_id. Open rows of other numberings are closed (rebuild).

    Args:
        night: items and EMBEDDINGS of the codebook's model.
        codebook: tonight's codes.
        incumbents: of which history, numbering, waiting and tombstones are used.
        rules: when an item keeps its SID, how many may move, and how many a SID holds.

    Raises:
        ContractError: a broken contract, vectors of another model or width or not finite, an item with two open rows of this
            codebook, a release that is not above those of the history, or a capacity that cannot hold the catalogue.
    """
    release_id = night.release_id
    history = _checked_history(incumbents.history, release_id)
    is_own = pl.col("codebook_id").is_in([codebook.codebook_id, *incumbents.same_numbering_ids])
    own, open_before = history.filter(is_own), open_rows(history)
    usable, unusable = _usable(night.items, night.embeddings, codebook)
    elsewhere = open_before.filter(~is_own)["item_id"]
    is_rebuilt = pl.col("item_id").is_in(elsewhere.implode())
    decided = decide(usable, own, codebook, incumbents, rules)
    rows = decided.rows.with_columns(outcome=pl.when(is_rebuilt).then(pl.lit("rebuild")).otherwise("outcome"))
    missing = pl.concat([unusable, decided.missing]).sort("item_id")
    keeps = pl.col("outcome").is_in(KEEP_THEIR_ROW)
    closed = pl.concat(
        [open_before.filter(~is_own), open_before.filter(is_own).join(rows.filter(keeps), on="item_id", how="anti")]
    )
    opened = _opened(_with_slots(rows.filter(~keeps), own), codebook, release_id)
    measured = _measured_anew(open_before.filter(is_own), rows.filter(keeps), codebook, rules.exempt_item_ids)
    upserts = pl.concat([closed.with_columns(valid_to=pl.lit(release_id, dtype=pl.Int64)), opened, measured])
    n_closed = open_before.join(rows, on="item_id", how="anti")["item_id"].n_unique()
    return SidChanges(
        check(upserts.sort("item_id", "valid_from"), SID_HISTORY, "SIDs"),
        _summary(rows, n_closed, missing.height),
        missing,
        _waiting(decided, release_id),
        decided.rows.select("item_id", "nearest_error"),
    )


def _opened(rows: pl.DataFrame, codebook: Codebook, release_id: int) -> pl.DataFrame:
    """SID_HISTORY rows that begin with the release."""
    return rows.select(
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
    ).select(list(SID_HISTORY.schema))


def _measured_anew(own_open: pl.DataFrame, kept: pl.DataFrame, codebook: Codebook, exempt_ids: Collection[int]) -> pl.DataFrame:
    """Kept rows whose error is more than twice, or less than half, of what was written, or on the other side of the threshold.

    The rows that came with the codebook stay as they are, as the drift triggers compare with them, except those of ``exempt_ids``.
    """
    now = kept.select("item_id", measured="recon_error")
    began = own_open["valid_from"].min()
    is_later = (pl.col("valid_from") > pl.lit(began)) | pl.col("item_id").is_in(list(exempt_ids))
    larger, smaller = pl.max_horizontal("measured", "recon_error"), pl.min_horizontal("measured", "recon_error")
    is_off = (larger > 2 * smaller) & (larger > _SMALL_ERROR * codebook.ood_error)
    is_ood = pl.col("measured") > codebook.ood_error
    stale = own_open.join(now, on="item_id").filter(is_later & (is_off | (is_ood != pl.col("is_ood"))))
    return stale.with_columns(recon_error="measured", is_ood=is_ood).select(list(SID_HISTORY.schema))


def _waiting(decided: Decided, release_id: int) -> pl.DataFrame:
    """SID_WAITING of the release."""
    rows = decided.waiting.with_columns(
        pl.col("since_release").fill_null(release_id), release_id=pl.lit(release_id, dtype=pl.Int64)
    )
    return check(rows.select(list(SID_WAITING.schema)), SID_WAITING, "SIDs")


def apply_changes(history: pl.DataFrame, upserts: pl.DataFrame) -> pl.DataFrame:
    """SID_HISTORY after a night: rows of ``upserts`` replace those of ``history`` with the same key."""
    old = history.join(upserts, on=list(SID_HISTORY.key), how="anti")
    return pl.concat([old, upserts]).sort("item_id", "codebook_id", "valid_from")


def _checked_history(rows: pl.DataFrame, release_id: int) -> pl.DataFrame:
    """SID_HISTORY, if it can precede ``release_id``."""
    history = check(rows, SID_HISTORY, "SIDs")
    if n_late := history.filter(pl.col("valid_from") >= release_id).height:
        raise ContractError(
            f"SIDs: {n_late} of {history.height} incumbent rows begin at release {release_id} or later; expected earlier ones: "
            "assign for a release above them"
        )
    now_open = open_rows(history)
    if n_repeated := n_repeats(now_open, ["item_id", "codebook_id"]):
        raise ContractError(
            f"SIDs: {n_repeated} of {now_open.height} open rows are second ones of their item, expected one each; roll back to "
            "a release before that"
        )
    return history


def _usable(items: pl.DataFrame, embeddings: pl.DataFrame, codebook: Codebook) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Active items with a vector to encode, by item_id; and those without (``item_id``, ``reason``)."""
    rows = sorted_embeddings(embeddings, "SIDs")
    if rows.height and (model := rows["embedding_id"][0]) != codebook.embedding_id:
        raise ContractError(
            f"SIDs: {rows.height} vectors are of the model {model}, the codebook was learned on {codebook.embedding_id}; rebuild "
            "with: hsrl refresh --rebuild"
        )
    active = check(items, ITEMS, "SIDs").filter("is_active").select("item_id")
    rows = rows_kept(rows, rows["item_id"].is_in(active["item_id"].implode()))
    has_length = pl.Series("has_length", squared_norms(matrix(rows, "SIDs")) > 0, dtype=pl.Boolean)
    found = active.join(rows.select("item_id", has_length), on="item_id", how="left").sort("item_id")
    missing = found.filter(pl.col("has_length").not_().fill_null(True)).select(
        "item_id", reason=pl.when(pl.col("has_length").is_null()).then(pl.lit("no vector")).otherwise(pl.lit("zero vector"))
    )
    return rows_kept(rows, has_length).select("item_id", "vector", "has_signal"), missing


def _with_slots(opened: pl.DataFrame, own: pl.DataFrame) -> pl.DataFrame:
    """Give rows to open their slot: the one the item had in that SID, else the next that was never given."""
    crowded = own.select("item_id", "sid_key", "slot").join(opened.select("sid_key").unique(), on="sid_key", how="semi")
    had = crowded.select("item_id", "sid_key", old_slot="slot").unique(["item_id", "sid_key"])
    given = crowded.group_by("sid_key").agg(n_given=pl.col("slot").max().cast(pl.Int64) + 1)
    tie = pl.Series("tie", fixed_hash(opened["item_id"].to_numpy()), dtype=pl.UInt64)
    queue = (
        opened.with_columns(tie)
        .join(had, on=["item_id", "sid_key"], how="left")
        .join(given, on="sid_key", how="left")
        .sort("sid_key", "recon_error", "tie", "item_id")
    )
    rank = pl.col("old_slot").is_null().cast(pl.Int64).cum_sum().over("sid_key") - 1
    return queue.with_columns(
        slot=pl.coalesce(pl.col("old_slot").cast(pl.Int64), pl.col("n_given").fill_null(0) + rank).cast(pl.UInt32)
    )


def _summary(rows: pl.DataFrame, n_closed: int, n_missing: int) -> pl.DataFrame:
    """``reason``, ``n_items`` for each of OUTCOMES; an item that is carried but waits counts as deferred."""
    outcome = pl.when("waits").then(pl.lit("deferred")).otherwise("outcome").alias("outcome")
    counts = dict(rows.select(outcome)["outcome"].value_counts().iter_rows()) | {"closed": n_closed, "without": n_missing}
    return pl.DataFrame(
        {"reason": OUTCOMES, "n_items": [counts.get(outcome, 0) for outcome in OUTCOMES]}, schema_overrides={"n_items": pl.Int64}
    )
