"""Drift triggers: which mode tonight needs, and why (docs/tokenizer.md)."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

import numpy as np
import numpy.typing as npt
import polars as pl

from pipeline.contracts import IS_OPEN, SID_HISTORY, check
from pipeline.sids.codebook import Codebook
from pipeline.sids.encode import encode, reconstruction_errors
from pipeline.sids.names import fixed_hash
from pipeline.sids.vectors import matrix, mean_square_from_centre, sorted_embeddings

Mode = Literal["append", "refresh", "rebuild"]
SAMPLE_ROWS = 20_000
WORSE_THAN_EARLIER = 0.25
_GO_BACK = "error_beyond_earlier_codes"


@dataclass(frozen=True)
class Trigger:
    """One figure that is watched.

    Attributes:
        name: of the figure; docs/metrics.md has the formulas.
        value: tonight's.
        refresh_above: codes are centred anew above it; None: it never asks for that.
        rebuild_above: a rebuild is advised above it; None: it never asks for that.
    """

    name: str
    value: float
    refresh_above: float | None
    rebuild_above: float | None

    @property
    def asks_for(self) -> Mode:
        """The mode that this figure alone calls for."""
        if self.rebuild_above is not None and self.value > self.rebuild_above:
            return "rebuild"
        return "refresh" if self.refresh_above is not None and self.value > self.refresh_above else "append"

    def __str__(self) -> str:
        """``error_growth 0.12 > 0.05``."""
        limit = {"rebuild": self.rebuild_above, "refresh": self.refresh_above, "append": self.refresh_above or self.rebuild_above}
        return f"{self.name} {self.value:.3g} {'≤' if self.asks_for == 'append' else '>'} {limit[self.asks_for]:g}"


@dataclass(frozen=True)
class Drift:
    """All figures, and what follows from them.

    Attributes:
        triggers: the figures.
        codes: those that the figures are of: the codes in use, or earlier ones of the same numbering where these describe tonight's
            vectors better by a quarter, as after a night of bad vectors; None without any item to compare.
    """

    triggers: tuple[Trigger, ...]
    codes: Codebook | None = None

    @property
    def mode(self) -> Mode:
        """The strongest mode that a trigger asks for: rebuild, refresh, else append."""
        modes = {trigger.asks_for for trigger in self.triggers}
        return "rebuild" if "rebuild" in modes else "refresh" if "refresh" in modes else "append"

    @property
    def may_follow(self) -> bool:
        """Whether centring anew may help: since the codes were last centred something drifted, not only since they were learned.

        What only a rebuild can mend stays so; to centre anew for it night after night would write the whole history anew each time.
        """
        return any(trigger.refresh_above is not None and trigger.asks_for != "append" for trigger in self.triggers)

    @property
    def goes_back(self) -> bool:
        """Whether ``codes`` are earlier ones that are still right as they are."""
        return [trigger.name for trigger in self.triggers if trigger.asks_for != "append"] == [_GO_BACK]

    @property
    def reasons(self) -> tuple[str, ...]:
        """The figures that ask for ``mode``; all of them where nothing drifted."""
        return tuple(str(trigger) for trigger in self.triggers if trigger.asks_for == self.mode)


def drift(
    embeddings: pl.DataFrame,
    codebook: Codebook,
    history: pl.DataFrame,
    same_numbering_ids: Collection[str],
    earlier: Sequence[Codebook] = (),
    explained: Mapping[str, float] = MappingProxyType({}),
) -> Drift:
    """Compare tonight's vectors with those that the codes were last centred on, and with those that they were learned on.

    Args:
        embeddings: EMBEDDINGS, tonight's; at most 20,000 of them are looked at, drawn by a fixed hash of item_id.
        codebook: the codes in use.
        history: SID_HISTORY, at least the rows of this numbering since it began.
        same_numbering_ids: ids of all codebooks with the numbering of ``codebook``, its own among them.
        earlier: some of these codebooks, which the night may go back to.
        explained: by codebook_id, what Semantic IDs explained of the vectors' variance in its first release, the first codebook of the
            numbering first; where it is not known, what they explain now is compared with nothing.

    Raises:
        ContractError: a broken contract, or vectors of another width.
    """
    rows = check(history, SID_HISTORY, "drift").filter(pl.col("codebook_id").is_in(same_numbering_ids))
    held = rows.filter((pl.col("codebook_id") == codebook.codebook_id) & IS_OPEN)
    sample = _sample(sorted_embeddings(embeddings, "drift").join(held.select("item_id", "tokens"), on="item_id"))
    if sample.is_empty():
        return Drift(())
    vectors = matrix(sample, "drift")
    tokens = sample["tokens"].explode().to_numpy().reshape(sample.height, codebook.n_levels)
    in_use = float(reconstruction_errors(vectors, tokens, codebook).mean(dtype=np.float64))
    best, now = _best_codes(vectors, tokens, codebook, in_use, earlier)
    then = _first_error(rows.filter(pl.col("codebook_id") == best.codebook_id))
    unexplained = now / max(mean_square_from_centre(vectors), 1e-12)
    nearest, nearest_error = encode(vectors, best)
    shift = _divergence(np.bincount(nearest[:, 0], minlength=best.vocabulary[0]), best.n_items[0])
    known = rows.filter(pl.col("valid_from") == rows["valid_from"].min())["item_id"]
    n_strangers = held.filter(~pl.col("item_id").is_in(known.implode())).height
    return Drift(
        (
            Trigger("error_growth", now / max(then, 1e-12) - 1, 0.05, 1.0),
            # where vectors draw together, the error falls although the codes tell them apart worse and worse
            Trigger("unexplained_growth", _growth(unexplained, explained.get(best.codebook_id)), 0.05, 1.0),
            # codes centred anew forget what they started from: many small steps are seen only from there
            Trigger("error_since_rebuild", now / max(_first_error(rows), 1e-12) - 1, None, 1.0),
            Trigger("unexplained_since_rebuild", _growth(unexplained, next(iter(explained.values()), None)), None, 1.0),
            Trigger("unlike_share", float((nearest_error > best.ood_error).mean()), 0.05, 0.25),
            Trigger("code_shift", shift, 0.05, 0.25),
            Trigger("newcomer_share", n_strangers / held.height, None, 0.5),
            # codes that were centred on a night of bad vectors
            Trigger(_GO_BACK, in_use / max(now, 1e-12) - 1, WORSE_THAN_EARLIER, None),
        ),
        best,
    )


def _best_codes(
    vectors: npt.NDArray[np.float32],
    tokens: npt.NDArray[np.uint16],
    in_use: Codebook,
    error: float,
    earlier: Sequence[Codebook],
) -> tuple[Codebook, float]:
    """The codes in use, or the best of the earlier ones if the codes in use are worse by more than a quarter; and their mean error."""
    errors = [float(reconstruction_errors(vectors, tokens, book).mean(dtype=np.float64)) for book in earlier]
    least = min(errors, default=error)
    return (earlier[errors.index(least)], least) if error > (1 + WORSE_THAN_EARLIER) * least else (in_use, error)


def _sample(rows: pl.DataFrame) -> pl.DataFrame:
    """At most SAMPLE_ROWS rows, drawn by a fixed hash of item_id, in their order."""
    if rows.height <= SAMPLE_ROWS:
        return rows
    return rows[np.sort(np.argsort(fixed_hash(rows["item_id"].to_numpy()))[:SAMPLE_ROWS])]


def _first_error(rows: pl.DataFrame) -> float:
    """Mean error of the Semantic IDs that were given in the first release of some rows of SID_HISTORY."""
    return float(rows.filter(pl.col("valid_from") == pl.col("valid_from").min())["recon_error"].to_numpy().mean(dtype=np.float64))


def _growth(unexplained: float, explained_then: float | None) -> float:
    """By how much the share of the variance that is not explained has grown, as a share of what it was; 0 where that is not known."""
    return 0.0 if explained_then is None else unexplained / max(1 - explained_then, 1e-12) - 1


def _divergence(now: npt.NDArray[np.int64], then: npt.NDArray[np.int64]) -> float:
    """Jensen–Shannon divergence of two counts over the same codes, in bits, 0 … 1; 0 where nothing was counted."""
    if not now.sum() or not then.sum():
        return 0.0
    p, q = now / now.sum(), then / then.sum()
    middle = (p + q) / 2

    def half(share: npt.NDArray[np.float64]) -> float:
        used = share > 0
        return float((share[used] * np.log2(share[used] / middle[used])).sum())

    return (half(p) + half(q)) / 2
