"""Short ways to run one night of the Semantic IDs."""

from collections.abc import Collection
from typing import Any

import polars as pl

from pipeline.contracts import SID_WAITING
from pipeline.sids.assign import SidChanges, assign
from pipeline.sids.codebook import Codebook
from pipeline.sids.inputs import AssignmentRules, NightInputs, SidIncumbents

EPSILON = 0.10


def assign_night(
    night: tuple[int, pl.DataFrame, pl.DataFrame],
    codebook: Codebook,
    history: pl.DataFrame,
    *,
    same_numbering_ids: Collection[str] = (),
    waiting: pl.DataFrame | None = None,
    reserved_from: int = 0,
    **rules: Any,
) -> SidChanges:
    """``assign`` with an ε of a tenth.

    Args:
        night: release_id, items (ITEMS), embeddings (EMBEDDINGS).
        codebook: tonight's codes.
        history: SID_HISTORY.
        same_numbering_ids: of the incumbents.
        waiting: of the incumbents; None: nobody.
        reserved_from: of the incumbents.
        rules: the other fields of AssignmentRules.
    """
    incumbents = SidIncumbents(
        history,
        same_numbering_ids=same_numbering_ids,
        waiting=SID_WAITING.empty() if waiting is None else waiting,
        reserved_from=reserved_from,
    )
    return assign(NightInputs(*night), codebook, incumbents, AssignmentRules(EPSILON, **rules))
