"""Hashes of data files, also of those that DuckLake writes itself, of tables too large for the catalogue: their commit enters them."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import polars as pl
import pyarrow.parquet as pq

from pipeline.contracts import rows_of
from pipeline.warehouse.artifacts import bytes_of, fingerprint, sha256_of
from pipeline.warehouse.bucket import Bucket
from pipeline.warehouse.tables import ARTIFACTS

_PATTERN = "*/ducklake-*.parquet"
_DEPTH = 4  # data, main, the table, the file
_TABLE = 2


def own_files(root: Path) -> frozenset[Path]:
    """Every such file below ``data/main/``, of rows and of deletions, from any snapshot; of data in S3, their copies in the folder."""
    if bucket := Bucket.of(root):
        return frozenset(copy for copy in bucket.sizes() if copy.match(_PATTERN) and len(copy.relative_to(root).parts) == _DEPTH)
    return frozenset((root / "data" / "main").glob(_PATTERN))


def enter_hashes(connection: duckdb.DuckDBPyConnection, root: Path, before: Iterable[Path], run_id: str) -> None:
    """Enter in ``artifacts`` each file that the current transaction has written; DuckLake writes them before it commits.

    Args:
        connection: inside the transaction, in the lake's name space.
        root: folder of the warehouse; the commit lock is held, so that nobody else writes such files.
        before: those that were there when the transaction began.
        run_id: the run that commits.
    """
    known = set(before)
    while fresh := sorted(own_files(root) - known):
        latest = connection.execute("SELECT coalesce(max(release_id), 0) FROM releases").fetchone()
        if bucket := Bucket.of(root):
            bucket.fetched(fresh)
        connection.register("hashed", file_rows(root, dict.fromkeys(fresh, ()), run_id, latest[0] if latest else 0))
        # Many rows at once become such a file too, which the next turn finds.
        connection.execute("INSERT INTO artifacts BY NAME SELECT * FROM hashed")
        connection.unregister("hashed")
        known.update(fresh)


def file_rows(root: Path, files: Mapping[Path, Sequence[str]], run_id: str, release_id: int) -> pl.DataFrame:
    """ARTIFACTS, a row for each data file, with the hash by which a swapped file is recognised later.

    Args:
        root: folder of the warehouse.
        files: file, or its copy → fingerprints of what it was made from.
        run_id: the run that writes them.
        release_id: the release that they come with.
    """
    now, rows = datetime.now(UTC), []
    for path, inputs in files.items():
        name = path.relative_to(root)
        rows.append(
            {
                "artifact_id": fingerprint(str(name)),
                "kind": name.parts[_TABLE],
                "path": str(name),
                "rows": pq.read_metadata(path).num_rows,
                "bytes": bytes_of(path),
                "sha256": sha256_of(path),
                "inputs": list(inputs),
                "run_id": run_id,
                "release_id": release_id,
                "created_at": now,
            }
        )
    return rows_of(ARTIFACTS, rows, "artifacts")
