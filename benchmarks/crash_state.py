"""What benchmarks.crash looks at: what a reader sees, and what lies about in a warehouse's folder."""

import hashlib
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

# Columns that tell which run, which release and when, or how long it took; and tables that are the diary of runs.
_UNSTABLE = ("run_id", "release_id", "created_at", "cpu_seconds", "checked_at", "code_version")
_DIARY = ("runs", "audits", "dictionary")
# Part of the settings that are saved with a release: every warehouse of the bench has a database of its own.
_DATABASE = re.compile(r"(?<=dbname=hsrl_crash_)\w+|(?<=s3://)[^\"]*")
_NOTHING = hashlib.sha256(b"").hexdigest()[:16]


@dataclass(frozen=True)
class Seen:
    """What a reader of the last release sees.

    Attributes:
        tables: a hash of each table's sorted rows, but of the quarantine; {} where there is no warehouse yet.
        quarantine: its rows, which are committed on their own before the release is.
    """

    tables: Mapping[str, str] = field(default_factory=dict)
    quarantine: Counter[str] = field(default_factory=Counter)

    @property
    def is_empty(self) -> bool:
        """No warehouse, or one in which no table has a row."""
        return all(state == _NOTHING for state in self.tables.values())

    def differs(self, other: "Seen") -> set[str]:
        """The tables that are not alike."""
        names = {name for name in self.tables.keys() | other.tables.keys() if self.tables.get(name) != other.tables.get(name)}
        return names | ({"quarantine"} if self.quarantine != other.quarantine else set())


def look(root: Path) -> Seen:
    """Read every table of the last release, as a reader does."""
    from pipeline.warehouse.engine import open_readers
    from pipeline.warehouse.tables import TABLES

    if not (root / "readers.sqlite").exists() and not (root / "storage.json").exists():
        return Seen()
    rows: dict[str, list[str]] = {}
    with open_readers(root) as connection:
        for name, table in TABLES.items():
            if name in _DIARY:
                continue
            columns = ", ".join(f'"{column}"' for column in table.schema if column not in _UNSTABLE)
            timeless = "WHERE metric NOT IN ('seconds', 'cpu_seconds', 'peak_memory_mb')" if name == "sid_metrics" else ""
            found = connection.execute(
                f"SELECT to_json(row_of)::VARCHAR FROM (SELECT {columns} FROM {name} {timeless}) AS row_of ORDER BY 1"
            )
            rows[name] = [_DATABASE.sub("", text) for (text,) in found.fetchall()]
    quarantine = Counter(rows.pop("quarantine"))
    return Seen({name: hashlib.sha256("\n".join(texts).encode()).hexdigest()[:16] for name, texts in rows.items()}, quarantine)


def torn(seen: Seen, before: Seen, after: Seen) -> set[str]:
    """The tables in which a reader beside a killed run sees neither the last release nor the next; none is as it should be.

    Args:
        seen: what the reader sees now.
        before: the state the run began from; empty where there was no warehouse, and then an empty one may have been made.
        after: the state an unbroken run ends with.
    """
    if seen.tables == after.tables and after.tables != before.tables:
        return seen.differs(after)
    is_before = seen.tables == before.tables or (not before.tables and seen.is_empty)
    names = set() if is_before else seen.differs(before) - {"quarantine"}
    # Tonight's deliveries enter it one by one: at least what was there, at most what an unbroken run leaves.
    is_between = before.quarantine <= seen.quarantine <= after.quarantine
    return names if is_between else names | {"quarantine"}


def orphans(root: Path) -> list[str]:
    """Whatever lies in the warehouse's folder and is neither in use nor a lock."""
    from pipeline.warehouse.bucket import ARTIFACTS, Bucket
    from pipeline.warehouse.garbage_folders import stray_objects
    from pipeline.warehouse.warehouse import Warehouse

    with Warehouse.open(root) as warehouse:
        named = {str(root / path) for path in warehouse.query("SELECT path FROM artifacts")["path"]}
        listed = {str(path) for table in ("events", "record_rows", "embeddings") for path in warehouse.files(table)}
        spare = warehouse.connection.execute("CALL ducklake_delete_orphaned_files('lake', dry_run => true, cleanup_all => true)")
        bucket = Bucket.of(root)
        # In S3 artifacts lie below the data path; DuckLake knows none of them.
        kept = f"{bucket.url}{ARTIFACTS}/" if bucket else None
        found = [path for (path, *_) in spare.fetchall() if kept is None or not path.startswith(kept)]
        found += map(str, stray_objects(warehouse))
    found += [str(path) for path in (root / "data").rglob("*.parquet") if str(path) not in listed | named]
    found += [str(path) for path in (root / "staging").rglob("*") if path.is_file()]
    found += [str(path) for path in (root / "artifacts").glob("*/*") if str(path) not in named]
    found += [str(path) for path in root.rglob(".*") if path.name.endswith((".draft", ".gone"))]
    return sorted(set(found))


def garbage(root: Path) -> list[str]:
    """What a collection that keeps as little as it may would still take away, but for the snapshots of ledger entries."""
    from pipeline.warehouse.config import RetentionConfig
    from pipeline.warehouse.gc import find_garbage
    from pipeline.warehouse.warehouse import Warehouse

    with Warehouse.open(root) as warehouse, warehouse.writer("looking", 60):
        found = find_garbage(warehouse, RetentionConfig(**LEAST), "looking")
    files = [f"{found.n_files} data files"] if found.n_files else []
    return [*(f"release {number}" for number in found.releases), *files, *map(str, found.orphans), *map(str, found.folders)]


LEAST = {"keep_days": 0, "keep_releases": 2, "resume_days": 0}
