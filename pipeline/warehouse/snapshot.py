"""The Semantic IDs as one plain DuckDB file, for any tool that knows nothing of lakes."""

from pathlib import Path

from pipeline.errors import QueryError
from pipeline.warehouse.attach_files import quoted
from pipeline.warehouse.lake import connect, open_readers
from pipeline.warehouse.schema import literal
from pipeline.warehouse.verify import naming_damage

# Tables and views that the file holds as tables.
SNAPSHOT_TABLES = (
    "items", "sids", "sid_history", "sid_buckets", "sid_churn", "sid_metrics", "sid_missing", "codebooks", "releases", "withdrawn",
    "dictionary",
)  # fmt: skip
_MAGIC = b"DUCK"


@naming_damage
def write_snapshot(root: Path, target: Path) -> dict[str, int]:
    """Write the last release's SID tables, with their comments, into a new DuckDB file.

    Args:
        root: folder of the warehouse.
        target: a path at which nothing is.

    Returns:
        Table → rows.

    Raises:
        WarehouseError: there is no warehouse at ``root``.
    """
    counts = {}
    with open_readers(root) as source:
        told = dict(source.execute("SELECT name, doc FROM dictionary WHERE column_name IS NULL").fetchall())
        columns = source.execute("SELECT name, column_name, doc FROM dictionary WHERE column_name IS NOT NULL").fetchall()
        with connect() as file:
            file.execute(f"ATTACH {quoted(target)} AS snapshot; USE snapshot")
            for name in SNAPSHOT_TABLES:
                file.register("arriving", source.execute(f"FROM {name}").to_arrow_table())
                file.execute(f"CREATE TABLE {name} AS FROM arriving")
                file.unregister("arriving")
                file.execute(f"COMMENT ON TABLE {name} IS {literal(told[name])}")
                row = file.execute(f"SELECT count(*) FROM {name}").fetchone()
                counts[name] = int(row[0]) if row else 0
            for name, column, doc in columns:
                if name in SNAPSHOT_TABLES:
                    file.execute(f'COMMENT ON COLUMN {name}."{column}" IS {literal(doc)}')
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
