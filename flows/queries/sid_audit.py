"""`hsrl sids audit`: what Semantic IDs of any tool are worth, and how two mappings differ."""

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from pipeline.errors import ContractError, reason_of
from pipeline.sids.any_mapping import AnyMapping, read_any_mapping
from pipeline.sids.audit import churn, collisions
from pipeline.sids.quality import Share, neighbour_pairs, shares_of_pairs
from pipeline.warehouse.naming_damage import naming_damage
from pipeline.warehouse.statements import statement
from pipeline.warehouse.warehouse import Warehouse

_LIKES = ("user", "item")


@naming_damage
def audit_sids(files: tuple[Path, ...], root: Path | None = None, vectors: Path | None = None) -> dict[str, Any]:
    """The figures of one mapping or two; of two also what they have in common.

    Args:
        files: one or two mappings, see ``read_any_mapping``.
        root: a warehouse whose likes, and vectors where no others are given, the mappings are judged by; ids as in its raw log.
        vectors: Parquet with a column of items (the first) and a column ``vector``.

    Raises:
        ContractError: a file that is no mapping, vectors that are none, or mappings that have no item in common.
    """
    mappings = [read_any_mapping(path) for path in files]
    likes, known = _behaviour(root, with_vectors=vectors is None) if root else (None, None)
    if vectors is not None:
        known = _vectors(vectors)
    judged = []
    for mapping in mappings:
        figures = {"file": mapping.where, **collisions(mapping)}
        if likes is not None:
            figures["behaviour"] = _by_pairs(mapping, *_rows_of(mapping, likes))
        if known is not None:
            figures["neighbours"] = _by_pairs(mapping, *_neighbours(mapping, known))
        judged.append(figures)
    compared = {"compared": churn(*mappings)} if len(mappings) == 2 else {}
    return {"warehouse": str(root) if root else None, "mappings": judged, **compared}


def _by_pairs(mapping: AnyMapping, left: npt.NDArray[np.int64], right: npt.NDArray[np.int64]) -> dict[str, Any]:
    shares: list[Share] = shares_of_pairs(mapping.prefixes(), (left, right)) if len(left) else []
    return {"pairs": len(left), "levels": [{"level": number, **share.plain()} for number, share in enumerate(shares, start=1)]}


def _behaviour(root: Path, with_vectors: bool) -> tuple[pl.DataFrame, pl.DataFrame | None]:
    """Likes that follow one another (left, right: raw ids), and the vectors that the codes live in."""
    with Warehouse.open_copy(root) as warehouse:
        pairs = warehouse.query(statement("likes_that_follow"))
        known = warehouse.query(statement("vectors_by_raw_id")) if with_vectors else None
    return pairs, known


def _rows_of(mapping: AnyMapping, pairs: pl.DataFrame) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Rows of a mapping at both ends of each pair; pairs of which it lacks an end are left out."""
    rows = pl.DataFrame({"item": mapping.items, "row": np.arange(len(mapping.items))})
    both = pairs.join(rows.rename({"item": "left", "row": "left_row"}), on="left").join(
        rows.rename({"item": "right", "row": "right_row"}), on="right"
    )
    return both["left_row"].to_numpy(), both["right_row"].to_numpy()


def _neighbours(mapping: AnyMapping, known: pl.DataFrame) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Rows of a mapping for items and their nearest others."""
    rows = pl.DataFrame({"item": mapping.items, "row": np.arange(len(mapping.items))})
    both = known.join(rows, on="item", maintain_order="left")
    if both.is_empty():
        return np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64)
    left, right = neighbour_pairs(np.array(both["vector"].to_list(), dtype=np.float32))
    of_mapping = both["row"].to_numpy()
    return of_mapping[left], of_mapping[right]


def _vectors(path: Path) -> pl.DataFrame:
    """item and vector of a Parquet file.

    Raises:
        ContractError: it is none, an item stands twice, or the vectors are not finite and of one width.
    """
    try:
        read = pl.read_parquet(path)
    except (OSError, pl.exceptions.PolarsError) as error:
        raise ContractError(f"{path}: cannot be read as Parquet ({reason_of(error)}); give items and a column vector") from error
    if "vector" not in read.columns or len(read.columns) < 2:
        raise ContractError(f"{path}: has the columns {', '.join(read.columns)[:80]}, expected items and vector")
    item = next((name for name in ("raw_id", "item_id", "item", "id") if name in read.columns), read.columns[0])
    known = read.select(pl.col(item).cast(pl.String).alias("item"), pl.col("vector").cast(pl.List(pl.Float32)))
    widths = known["vector"].list.len().unique().to_list()
    if (
        len(widths) != 1
        or not widths[0]
        or known["item"].n_unique() < known.height
        or not known["vector"].explode().is_finite().all()
    ):
        raise ContractError(
            f"{path}: {known.height:,} vectors of {len(widths)} widths for {known['item'].n_unique():,} items, expected one finite vector an "
            "item, all of one width"
        )
    return known
