"""`hsrl encode`: Semantic IDs for vectors that are in no catalogue, as many as a file holds."""

from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from flows.incumbent import current_codebook
from flows.run import Run
from pipeline.drafts import drafted
from pipeline.errors import ContractError, WarehouseError, reason_of
from pipeline.sids.codebook import Codebook
from pipeline.sids.encode import Encoded, encode_file
from pipeline.sids.names import name_tokens
from pipeline.warehouse.verify import naming_damage
from pipeline.warehouse.warehouse import Warehouse

SCHEMA = pa.schema(
    [
        ("row", pa.int64()),
        ("tokens", pa.list_(pa.uint16())),
        ("sid", pa.string()),
        ("sid_key", pa.uint64()),
        ("recon_error", pa.float32()),
        ("is_ood", pa.bool_()),
    ]
)


@naming_damage
def encode_vectors(root: Path, vectors: Path, out: Path, run: Run) -> dict[str, Any]:
    """Write the nearest Semantic ID of every vector of a file, under the codes of the newest release; nothing is published.

    Args:
        root: the warehouse.
        vectors: Parquet with a column ``vector``, or raw float32; of the embedding model of the release.
        out: Parquet file of SCHEMA, in the order of ``vectors``; ``row`` counts from 0. Whole or not there.
        run: draws the bar.

    Raises:
        WarehouseError: no codebook is published, or ``out`` cannot be written.
        ContractError: the vectors are missing, of another width, or not finite.
    """
    with Warehouse.open_copy(root) as warehouse:
        codebook = current_codebook(warehouse)
    if codebook is None:
        raise WarehouseError(f"{root}: no codebook is published yet; make one with: hsrl refresh")
    if not vectors.is_file():
        raise ContractError(f"encode: {vectors} is no file; expected Parquet with a column vector, or raw float32")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        n_rows = n_ood = 0
        with run.stage("encode") as tick, drafted(out) as draft, pq.ParquetWriter(draft, SCHEMA) as file:
            for part in encode_file(vectors, codebook.width, codebook, tick):
                told = _named(part, codebook, n_rows)
                file.write_table(told.to_arrow().cast(SCHEMA))
                n_rows, n_ood = n_rows + told.height, n_ood + int(told["is_ood"].sum())
    except OSError as error:
        raise WarehouseError(f"{out}: {reason_of(error)}; name another place with --out") from error
    return {"codebook_id": codebook.codebook_id, "vectors": n_rows, "unlike": n_ood, "out": str(out), **run.seconds}


def _named(part: Encoded, codebook: Codebook, first_row: int) -> pl.DataFrame:
    return name_tokens(part.tokens, codebook.vocabulary).select(
        pl.int_range(first_row, first_row + pl.len()).alias("row"),
        "tokens",
        "sid",
        "sid_key",
        recon_error=pl.Series(part.recon_error),
        is_ood=pl.Series(part.recon_error > codebook.ood_error),
    )
