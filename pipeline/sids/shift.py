"""How tonight's vectors differ from those of the last release: what distinguishes a bad file from a night's new evidence."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from pipeline.contracts import IS_OPEN
from pipeline.sids.codebook import Codebook
from pipeline.sids.encode import CHUNK_ROWS, reconstruction_errors
from pipeline.sids.inputs import NightInputs, SidIncumbents
from pipeline.sids.vectors import matrix, mean_square_from_centre, rows_kept, sorted_embeddings, squared_norms

Matrix = npt.NDArray[np.float32]
GIVEN_BY_VECTOR = ("new", "moved", "returned")
FIGURES = ("explained_drop", "jumped_share", "strayed_share", "lost_signal_share", "fallback_share", "lost_columns_share")
# Both in units of the spread. An item whose Semantic ID is a night old is decided anew after a smaller jump.
JUMP, NEWCOMERS_JUMP = 1.0, 0.1
CLEARLY_BETTER = 0.1  # rise of the explained variance, or its fall where it is clearly worse
# What is left of a coordinate's variance where a file has one value for all: that value over different lengths, at length 1.
_CONSTANT = 0.02


@dataclass(frozen=True)
class Pairs:
    """n items that have a vector of the same model, not zero, in the last release and tonight.

    Attributes:
        item_ids: (n,) rising.
        before, now: (n, d).
        moved: (n,) ‖now − before‖², in units of the mean ‖before − mean of before‖²: two items drawn at random lie 2 apart.
    """

    item_ids: npt.NDArray[np.int64]
    before: Matrix
    now: Matrix
    moved: npt.NDArray[np.float64]

    @property
    def jumped(self) -> npt.NDArray[np.bool_]:
        """(n,) whether an item's vector moved by more than half of the squared distance between two items drawn at random."""
        return self.moved > JUMP

    def with_tokens(self, held: pl.DataFrame) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.uint16]]:
        """The rows of the m pairs that ``held`` (item_id, tokens) names, (m,), and their tokens, (m, L)."""
        known = pl.DataFrame({"item_id": self.item_ids}).with_row_index("row").join(held, on="item_id", maintain_order="left")
        if known.is_empty():
            return np.zeros(0, dtype=np.int64), np.zeros((0, 0), dtype=np.uint16)
        return known["row"].to_numpy(), known["tokens"].explode().to_numpy().reshape(known.height, -1)


@dataclass(frozen=True)
class VectorShift:
    """The vectors of active items in two releases.

    Attributes:
        before: EMBEDDINGS of the last release.
        now: EMBEDDINGS of tonight.
        pairs: of the items that have both.
    """

    before: pl.DataFrame
    now: pl.DataFrame
    pairs: Pairs

    @classmethod
    def between(cls, before: pl.DataFrame, night: NightInputs) -> "VectorShift":
        """Pair tonight's vectors with ``before``, EMBEDDINGS of the last release."""
        active = night.items.filter("is_active")["item_id"].implode()
        old, new = (rows_kept(each, each["item_id"].is_in(active)) for each in (before, night.embeddings))
        return cls(old, new, pair_up(old, new))


def pair_up(before: pl.DataFrame, now: pl.DataFrame) -> Pairs:
    """Pair the vectors of two releases.

    Args:
        before: EMBEDDINGS of the last release; rows of another model than that of ``now`` are ignored.
        now: EMBEDDINGS of tonight, of one model.
    """
    rows = sorted_embeddings(now, "vectors")
    places = (
        each.select("item_id", "embedding_id", width=pl.col("vector").list.len()).with_row_index("row") for each in (rows, before)
    )
    both = next(places).join(next(places), on=["embedding_id", "item_id", "width"], suffix="_before", maintain_order="left")
    new, old = (_matrix_of(each, both[name]) for each, name in ((rows, "row"), (before, "row_before")))
    has_both = np.flatnonzero((squared_norms(new) > 0) & (squared_norms(old) > 0))
    new, old = _taken(new, has_both), _taken(old, has_both)
    spread = mean_square_from_centre(old) if len(old) else 0.0
    moved = squared_norms(new - old) / max(spread, float(np.finfo(np.float32).tiny))
    return Pairs(both["item_id"].to_numpy()[has_both], old, new, moved.astype(np.float64))


def _matrix_of(embeddings: pl.DataFrame, rows: pl.Series) -> Matrix:
    """The vectors of some rows, which are not copied where these are all, in their order."""
    is_all = len(rows) == embeddings.height and bool((rows == pl.int_range(len(rows), eager=True)).all())
    return matrix(embeddings if is_all else embeddings[rows], "vectors")


def _taken(vectors: Matrix, rows: npt.NDArray[np.int64]) -> Matrix:
    """The vectors of different rows, rising; not copied where these are all."""
    return vectors if len(rows) == len(vectors) else vectors[rows]


def decided_by_vanished_vectors(incumbents: SidIncumbents, pairs: Pairs) -> list[int]:
    """item_ids whose Semantic ID was given last night by a vector that is another one tonight: they need not keep it.

    Survivors that moved last night are not among them (the churn budget covers those), nor are items that came with the numbering.
    There are none where the other items no longer fit their Semantic IDs either: then tonight's vectors are in doubt, not last
    night's.

    Args:
        incumbents: history, numbering, codes and the last night; without codes nothing is looked for beyond the history.
        pairs: the vectors of last night and tonight.
    """
    history, codes = incumbents.history, incumbents.codebook
    own = history.filter(pl.col("codebook_id").is_in(list(incumbents.same_numbering_ids)))
    given = own.filter(
        IS_OPEN
        & (pl.col("valid_from") >= incumbents.last_night)
        & (pl.col("valid_from") > pl.lit(own["valid_from"].min()))
        & pl.col("reason").is_in(GIVEN_BY_VECTOR)
    )
    survived = history.select("item_id", valid_from="valid_to").drop_nulls()
    ids = given.join(survived, on=["item_id", "valid_from"], how="anti")["item_id"].to_numpy()
    others = own.filter(IS_OPEN & ~pl.col("item_id").is_in(ids)).select("item_id", "tokens")
    if codes is not None and _collapsed(pairs, others, codes):
        return []
    vanished: list[int] = np.intersect1d(ids, pairs.item_ids[pairs.moved > NEWCOMERS_JUMP]).tolist()
    return vanished


def _collapsed(pairs: Pairs, held: pl.DataFrame, codes: Codebook) -> bool:
    """Whether what the Semantic IDs of some items explain of their vectors' variance fell clearly since the last release."""
    rows, tokens = pairs.with_tokens(held)
    if not len(rows):
        return False
    both = (_taken(each, rows) for each in (pairs.before, pairs.now))
    was, is_now = (_explained(vectors, reconstruction_errors(vectors, tokens, codes)) for vectors in both)
    return was - is_now > CLEARLY_BETTER


def shift_figures(
    shift: VectorShift, history: pl.DataFrame, codes: tuple[Codebook, Codebook], epsilon: float
) -> dict[str, float]:
    """The FIGURES of a night; docs/metrics.md has the formulas. A figure of no items is left out, all of them without vectors before.

    Args:
        shift: the vectors of the last release and of tonight.
        history: SID_HISTORY as the last release left it.
        codes: the codebook of the last release and that of tonight, of the same numbering.
        epsilon: share by which an error may grow before its item counts as strayed.
    """
    before, now, pairs = shift.before, shift.now, shift.pairs
    if before.is_empty():
        return {}
    held = history.filter((pl.col("codebook_id") == codes[0].codebook_id) & IS_OPEN).select("item_id", "tokens")
    figures = {"fallback_share": now.filter(~pl.col("has_signal")).height / now.height} if now.height else {}
    had, has = (each.filter("has_signal").select("item_id") for each in (before.join(held, on="item_id", how="semi"), now))
    if had.height:
        figures["lost_signal_share"] = had.join(has, on="item_id", how="anti").height / had.height
    if len(pairs.item_ids):
        figures["jumped_share"] = float(pairs.jumped.mean())
        figures["lost_columns_share"] = _lost_columns(pairs)
    rows, tokens = pairs.with_tokens(held)
    if len(rows):
        before_held, now_held = _taken(pairs.before, rows), _taken(pairs.now, rows)
        was = reconstruction_errors(before_held, tokens, codes[0])
        is_now = reconstruction_errors(now_held, tokens, codes[1])
        figures["explained_drop"] = _explained(before_held, was) - _explained(now_held, is_now)
        # the first right night after a bad one explains much more: nothing strays then, though codes may have fitted the bad vectors
        strays = pairs.jumped[rows] & (is_now > (1.0 + epsilon) * was) & (figures["explained_drop"] > -CLEARLY_BETTER)
        figures["strayed_share"] = float(strays.mean())
    return figures


def _explained(vectors: Matrix, errors: Matrix) -> float:
    """Share of the variance that Semantic IDs explain, at least 0; 0 where all vectors are the same."""
    variance = mean_square_from_centre(vectors)
    return max(0.0, 1.0 - float(errors.mean(dtype=np.float64)) / variance) if variance > 0 else 0.0


def _lost_columns(pairs: Pairs) -> float:
    """Share of the last release's variance in coordinates of which a fiftieth or less is left."""
    then, now = (_variances(vectors) for vectors in (pairs.before, pairs.now))
    return float(then[now <= _CONSTANT * then].sum() / then.sum()) if then.sum() > 0 else 0.0


def _variances(vectors: Matrix) -> npt.NDArray[np.float64]:
    """(d,) the variance of each coordinate."""
    centre, total = vectors.mean(axis=0, dtype=np.float64), np.zeros(vectors.shape[1])
    for start in range(0, len(vectors), CHUNK_ROWS):
        away = vectors[start : start + CHUNK_ROWS] - centre
        total += np.einsum("nd,nd->d", away, away)
    return total / len(vectors)
