"""`hsrl encode`: Semantic IDs for vectors that are in no catalogue, as many as a file holds."""

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from flows.queries.encode_catalogue import Published
from flows.queries.encode_space import EXTERNAL, Space, space_of
from flows.runtime.run import Run, Tick
from flows.stores.incumbent import current_codebook
from flows.stores.models import load_models
from pipeline.drafts import drafted
from pipeline.embeddings.vector_file import VectorFile, open_vectors
from pipeline.embeddings.vector_rows import VectorRows
from pipeline.errors import ContractError, WarehouseError, reason_of
from pipeline.sids.codebook import Codebook
from pipeline.sids.encode import Encoded, encode
from pipeline.sids.names import name_tokens
from pipeline.warehouse.naming_damage import naming_damage
from pipeline.warehouse.verify import require_intact
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
# Further columns where the file has ids.
OF_CATALOGUE = pa.schema(
    [("id", pa.string()), ("item_id", pa.int64()), ("current_sid", pa.string()), ("difference", pa.string())]
)
# From so many vectors on, most of which are like none that the codes know, they are taken to be of another space.
_LEAST_JUDGED, _MOST_UNLIKE = 20, 0.5


@naming_damage
def encode_vectors(root: Path, vectors: Path, out: Path, run: Run, said: str | None = None) -> dict[str, Any]:
    """Write the nearest Semantic ID of every vector of a file, under the codes of the newest release; nothing is published.

    Args:
        root: the warehouse.
        vectors: Parquet, Arrow or Feather with a column ``vector``, .npy, or bare numbers in a file named .f32.
        out: Parquet file of SCHEMA, in the order of ``vectors``; ``row`` counts from 0, and a vector of zeros has no Semantic ID. Where
            the file has ids, OF_CATALOGUE follows. Whole or not there.
        run: draws the bar.
        said: the space of the vectors, see ``space_of``.

    Raises:
        WarehouseError: no codebook is published, or ``out`` cannot be written.
        ContractError: the vectors are missing, of another width or space, or not finite.
    """
    with Warehouse.open_copy(root) as warehouse:
        require_intact(warehouse, ("codebooks", "embeddings", "items", "sid_history", "embedding_model"))
        codebook = current_codebook(warehouse)
        if codebook is None:
            raise WarehouseError(f"{root}: no codebook is published yet; make one with: hsrl refresh")
        models = load_models(warehouse.artifacts, codebook.embedding_id)
        raw_width = models.items.external_width if models.takes_external else None
        file = open_vectors(vectors, "encode", raw_width=raw_width or codebook.width)
        if out.exists() and out.samefile(vectors):
            raise ContractError(
                f"encode: {vectors} is the file of vectors itself, it would be written over; name another with --out"
            )
        coding = _Coding(codebook, space_of(models, codebook.width, file, said), file)
        if file.id_name is not None:
            coding.published = Published.read(warehouse)
        with run.stage("encode") as tick:
            coding.write(out, tick)
    return coding.report(out) | run.seconds


def sids_of(vectors: npt.NDArray[np.float32], coded: Encoded, codebook: Codebook) -> pl.DataFrame:
    """The columns tokens, sid, sid_key, recon_error and is_ood of n vectors of the codes' space, in their order.

    As in the catalogue, a vector of zeros has no direction and no Semantic ID: its row is null, and not unlike anything.
    """
    error = pl.Series(coded.recon_error)
    named = name_tokens(coded.tokens, codebook.vocabulary).with_columns(recon_error=error, is_ood=error > codebook.ood_error)
    has_length = pl.Series(vectors.any(axis=1))
    return named.select(pl.when(has_length).then(pl.all())).with_columns(pl.col("is_ood").fill_null(value=False))


class _Coding:
    """One file on its way to Semantic IDs, and what is counted meanwhile."""

    def __init__(self, codebook: Codebook, space: Space, file: VectorFile) -> None:
        self.codebook, self.space, self.file = codebook, space, file
        self.published: Published | None = None
        self.n_rows = self.n_unlike = self.n_zero = 0
        self.differences: Counter[str] = Counter()

    def write(self, out: Path, tick: Tick) -> None:
        """Write the file ``out``, whole or not at all."""
        schema = pa.schema([*SCHEMA, *(OF_CATALOGUE if self.published else ())])
        try:
            out.parent.mkdir(parents=True, exist_ok=True)
            with drafted(out) as draft:
                with pq.ParquetWriter(draft, schema) as writer:
                    for rows in self.file.chunks():
                        writer.write_table(self._coded(rows).to_arrow().cast(schema))
                        tick(self.n_rows, self.file.n_rows or self.n_rows)
                self._require_likeness()
        except OSError as error:
            raise WarehouseError(f"{out}: {reason_of(error)}; name another place with --out") from error

    def report(self, out: Path) -> dict[str, Any]:
        """What was done, as plain values."""
        counts = {"vectors": self.n_rows, "unlike": self.n_unlike, "zero": self.n_zero}
        catalogue = {"catalogue": dict(self.differences)} if self.published else {}
        return {
            "codebook_id": self.codebook.codebook_id,
            "space": self.space.models.space,
            **counts,
            **catalogue,
            "out": str(out),
        }

    def _coded(self, rows: VectorRows) -> pl.DataFrame:
        self.space.require_rows(self.file, rows.spaces)
        vectors = self.space.to_codes(rows.vectors)
        coded = encode(vectors, self.codebook)
        sids = sids_of(vectors, coded, self.codebook)
        sids = sids.select(pl.int_range(self.n_rows, self.n_rows + pl.len()).alias("row"), *SCHEMA.names[1:])
        self.n_rows += sids.height
        self.n_unlike += int(sids["is_ood"].sum())
        self.n_zero += sids["sid"].null_count()
        if self.published is None or rows.ids is None:
            return sids
        compared = self.published.compare(rows.ids, sids["sid"], vectors, coded, self.codebook)
        self.differences.update(dict(compared["difference"].value_counts().iter_rows()))
        return pl.concat([sids, compared], how="horizontal")

    def _require_likeness(self) -> None:
        """Vectors of another space may have the width of the codes' own; only their distance from all codes gives them away.

        Raises:
            ContractError: most of them are unlike all that the codes were learned from, and neither a person nor the file named their space.
        """
        if self.space.is_said or self.n_rows < _LEAST_JUDGED or self.n_unlike <= _MOST_UNLIKE * self.n_rows:
            return
        mine = EXTERNAL if self.space.is_external else self.space.models.embedding_id
        raise ContractError(
            f"{self.file.where}: {self.n_unlike:,} of {self.n_rows:,} vectors are unlike all that the codes were learned from, as vectors of "
            f"another space are; the codes take vectors of {self.space.models.space}: if these are some, say so with --space {mine}"
        )
