"""The Semantic IDs of a file compared with those of the catalogue: which differ, and why."""

import json
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from pipeline.contracts import ITEMS
from pipeline.embeddings.item_matching import ItemIndex
from pipeline.sids.codebook import Codebook
from pipeline.sids.encode import Encoded, reconstruction_errors
from pipeline.warehouse.statements import statement
from pipeline.warehouse.warehouse import Warehouse

# Why a row's Semantic ID is not the one that its item has; a row of an item that has it is "same".
SAME, UNKNOWN, NONE, CAPACITY, KEPT, DEFERRED, CHANGED = "same", "unknown", "no sid", "capacity", "kept", "deferred", "changed"


@dataclass(frozen=True)
class Published:
    """The catalogue and its Semantic IDs at the newest release.

    Attributes:
        warehouse: open, for the vectors of the few that differ.
        catalogue: finds items by the file's ids.
        sids: item_id, current_sid, current_tokens, assigned_by.
        epsilon: how much worse than the nearest a Semantic ID may be and is kept.
    """

    warehouse: Warehouse
    catalogue: ItemIndex
    sids: pl.DataFrame
    epsilon: float

    @classmethod
    def read(cls, warehouse: Warehouse) -> "Published":
        """As of the newest release."""
        items = warehouse.query("SELECT item_id, raw_id FROM items").cast(
            {name: ITEMS.schema[name] for name in ("item_id", "raw_id")}
        )
        sids = warehouse.query(statement("current_sids"))
        config = warehouse.query(statement("settings_of_last_refresh")).item()
        return cls(warehouse, ItemIndex(items), sids, float(json.loads(config)["sids"]["epsilon"]))

    def compare(
        self, ids: pl.Series, sids: pl.Series, vectors: npt.NDArray[np.float32], coded: Encoded, book: Codebook
    ) -> pl.DataFrame:
        """``id``, ``item_id``, ``current_sid`` and ``difference`` of n rows.

        Args:
            ids: as the file has them.
            sids: the nearest Semantic ID of each row; null where a vector is zero.
            vectors: (n, d) in the codes' space.
            coded: tokens and errors of ``sids``.
            book: the codes.
        """
        rows = pl.DataFrame({"id": ids.cast(pl.String), "item_id": self.catalogue.find(ids), "sid": sids}).with_row_index("row")
        rows = rows.join(self.sids, on="item_id", how="left", maintain_order="left")
        rows = rows.with_columns(
            difference=pl.when(pl.col("item_id").is_null())
            .then(pl.lit(UNKNOWN))
            .when(pl.col("current_sid").eq_missing(pl.col("sid")))
            .then(pl.lit(SAME))
            .when(pl.col("current_sid").is_null() | pl.col("sid").is_null())
            .then(pl.lit(NONE))
            .when(pl.col("assigned_by").is_in(["beam", "suffix"]))
            .then(pl.lit(CAPACITY))
        )
        why = self._why(rows.filter(pl.col("difference").is_null()), vectors, coded, book)
        rows = rows.join(why, on="row", how="left", maintain_order="left")
        return rows.select("id", "item_id", "current_sid", difference=pl.coalesce("difference", "why"))

    def _why(self, rows: pl.DataFrame, vectors: npt.NDArray[np.float32], coded: Encoded, book: Codebook) -> pl.DataFrame:
        """row, why: near enough to be kept, waiting for its move, or made from another vector."""
        if rows.is_empty():
            return pl.DataFrame(schema={"row": pl.UInt32, "why": pl.String})
        at = rows["row"].to_numpy()
        current = rows["current_tokens"].explode().to_numpy().reshape(len(at), book.n_levels).astype(np.uint16)
        is_near = reconstruction_errors(vectors[at], current, book) <= (1.0 + self.epsilon) * coded.recon_error[at]
        stored = self.warehouse.query(
            statement("vectors_of_items"), {"embedding_id": book.embedding_id, "ids": rows["item_id"].to_list()}
        )
        fresh = pl.DataFrame({"item_id": rows["item_id"], "now": pl.Series(vectors[at]).arr.to_list()})
        pairs = fresh.join(stored, on="item_id", how="left", maintain_order="left")
        is_stored = (pairs["now"] == pairs["vector"].cast(pairs["now"].dtype)).fill_null(value=False).to_numpy()
        why = np.where(is_near, KEPT, np.where(is_stored, DEFERRED, CHANGED))
        return pl.DataFrame({"row": rows["row"], "why": why.astype(str).tolist()})
