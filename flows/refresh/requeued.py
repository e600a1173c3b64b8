"""What became of rows in quarantine whose deliveries were read again."""

from collections.abc import Sequence

import polars as pl

from flows.refresh.changed_rows import changed_rows
from flows.refresh.staging import StagedDelivery
from flows.stores.incumbent import Tables
from pipeline.warehouse.statements import statement
from pipeline.warehouse.tables import QUARANTINE
from pipeline.warehouse.warehouse import Warehouse


def no_longer_refused(warehouse: Warehouse, staged: Sequence[StagedDelivery]) -> pl.DataFrame:
    """Rows of the quarantine that a delivery brought again and that were not refused again for the same reason, on whichever line."""
    rows = [QUARANTINE.empty()]
    for delivery in staged:
        if delivery.new.requeues:
            before = warehouse.read(QUARANTINE, statement("quarantine_of_ingests"), {"ingests": list(delivery.new.requeues)})
            rows.append(before.join(delivery.frame("refused"), on=["file", "raw", "reason"], how="anti"))
    return pl.concat(rows).select("ingest_id", "file", "line", "reason").unique()


def brings_nothing(warehouse: Warehouse, staged: Sequence[StagedDelivery], before: Tables) -> bool:
    """Whether deliveries that were read again have only rows that the warehouse knows, and no item or user is described otherwise.

    Args:
        warehouse: as it was before.
        staged: the deliveries, at least one.
        before: tables of the last release.
    """
    counts = pl.concat([delivery.frame("counts") for delivery in staged])
    if counts.select(pl.sum_horizontal(pl.col("n_accepted", "n_rejected").sum())).item():
        return False
    items, users = staged[-1].frame("items"), staged[-1].frame("users")
    is_same = changed_rows(items, before.items, "item_id").is_empty() and changed_rows(users, before.users, "user_id").is_empty()
    return is_same and no_longer_refused(warehouse, staged).is_empty()
