"""The Semantic IDs as one plain DuckDB file, for any tool that knows nothing of lakes."""

from collections.abc import Callable
from pathlib import Path

import duckdb

from pipeline.errors import QueryError
from pipeline.warehouse.attach_files import quoted
from pipeline.warehouse.engine import connect, open_readers
from pipeline.warehouse.limits import DEFAULT_LIMITS, Limits, Watch, too_large
from pipeline.warehouse.naming_damage import naming_damage
from pipeline.warehouse.schema import literal

# Tables and views that the file holds as tables.
SNAPSHOT_TABLES = (
    "items", "sids", "sid_history", "sid_buckets", "sid_churn", "sid_metrics", "sid_missing", "codebooks", "releases", "withdrawn",
    "dictionary",
)  # fmt: skip
_MAGIC = b"DUCK"
_BATCH_ROWS = 10_000


@naming_damage
def write_snapshot(
    root: Path, target: Path, limits: Limits = DEFAULT_LIMITS, give_up: Callable[[str], None] | None = None
) -> dict[str, int]:
    """Write the last release's SID tables, with their comments, into a new DuckDB file.

    Args:
        root: folder of the warehouse.
        target: a path at which nothing is.
        limits: what it may cost.
        give_up: see ``Watch``.

    Returns:
        Table → rows.

    Raises:
        WarehouseError: there is no warehouse at ``root``.
        QueryError: a limit was hit.
    """
    with open_readers(root) as source, connect(memory_limit_mb=limits.memory_mb) as file, Watch(source, limits, give_up) as watch:
        source.execute(f"SET memory_limit = '{limits.memory_mb}MB'")
        try:
            return _copied(source, file, target, watch.check)
        except duckdb.OutOfMemoryException as error:
            raise QueryError(too_large(limits)) from error


def _copied(
    source: duckdb.DuckDBPyConnection, file: duckdb.DuckDBPyConnection, target: Path, check: Callable[[], None]
) -> dict[str, int]:
    docs = dict(source.execute("SELECT name, doc FROM dictionary WHERE column_name IS NULL").fetchall())
    columns = source.execute("SELECT name, column_name, doc FROM dictionary WHERE kind = 'column'").fetchall()
    counts = {}
    file.execute(f"ATTACH {quoted(target)} AS snapshot; USE snapshot")
    for name in SNAPSHOT_TABLES:
        check()
        file.register("arriving", source.execute(f"FROM {name}").to_arrow_reader(_BATCH_ROWS))
        file.execute(f"CREATE TABLE {name} AS FROM arriving")
        file.unregister("arriving")
        file.execute(f"COMMENT ON TABLE {name} IS {literal(docs[name])}")
        row = file.execute(f"SELECT count(*) FROM {name}").fetchone()
        counts[name] = int(row[0]) if row else 0
    for name, column, doc in columns:
        if name in SNAPSHOT_TABLES:
            file.execute(f'COMMENT ON COLUMN {name}."{column}" IS {literal(doc)}')
    check()
    file.execute("USE memory; DETACH snapshot")
    return counts


def refuse_unless_snapshot(target: Path) -> None:
    """Let an older snapshot be replaced, and no other file.

    Raises:
        QueryError: something else is there.
    """
    if target.is_file() and target.stat().st_size:
        with target.open("rb") as stream:
            if stream.read(12)[8:] == _MAGIC:
                return
    if target.exists():
        raise QueryError(f"{target}: is there already and is no DuckDB file; name another file")
