"""What SQL must say of the warehouse after every night."""

import sqlite3
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import duckdb

from benchmarks.sixty.log import BAD_ROWS, RawLog, stored
from pipeline.warehouse.engine import open_readers
from pipeline.warehouse.readers import current_copy, numbered_copies

# Each counts what must not be there.
_INVARIANTS = {
    "events twice in a user's order": "SELECT count(*) - count(DISTINCT (user_id, user_seq)) FROM events",
    "records without their number": """
        SELECT count(*) FROM (
            SELECT user_id, count(*) AS n, max(record_index) AS last, count(DISTINCT record_index) AS n_different
            FROM record_rows GROUP BY user_id
        ) WHERE n <> last + 1 OR n <> n_different""",
    "users whose split does not count their records": """
        SELECT count(*) FROM splits FULL JOIN (SELECT user_id, count(*) AS n FROM record_rows GROUP BY user_id) AS counted USING (user_id)
        WHERE coalesce(splits.n_records, 0) <> coalesce(counted.n, 0)""",
    "events whose slate is no record": """
        SELECT abs((SELECT coalesce(sum(len(exposed_items)), 0) FROM record_rows) - (SELECT count(*) FROM events))""",
    "active items without a Semantic ID or a reason": """
        SELECT count(*) FROM items ANTI JOIN sids USING (item_id) ANTI JOIN sid_missing USING (item_id) WHERE is_active""",
    "items with two Semantic IDs": "SELECT count(*) - count(DISTINCT (item_id, codebook_id)) FROM sid_history WHERE valid_to IS NULL",
    "items in a slot of another": "SELECT count(*) - count(DISTINCT (codebook_id, sid, slot)) FROM sids",
    "gaps between releases": "SELECT max(release_id) - count(*) FROM releases",
    "published policies beyond one": "SELECT greatest(count(*) - 1, 0) FROM policies WHERE is_published",
}  # fmt: skip

# Beside those: the events are those handed over, and quarantine holds the bad rows.
N_CHECKED = len(_INVARIANTS) + 2
_COPIES_THAT_STAY = 3


@dataclass
class Checks:
    """Compares the warehouse with the raw log.

    Attributes:
        root: the warehouse.
        log: what was handed over.
        before: Semantic ID by item of the release that was looked at last.
    """

    root: Path
    log: RawLog
    before: dict[int, str] = field(default_factory=dict)

    def faults(self, n_bad_days: int) -> list[str]:
        """What is wrong; [] = nothing.

        Args:
            n_bad_days: files with bad rows so far, whose rows must be in quarantine.
        """
        with open_readers(self.root) as connection:
            found = [f"{what}: {n}" for what, query in _INVARIANTS.items() if (n := _number(connection, query))]
            expected, there = self.log.expected(), stored(connection)
            if expected != there:
                found.append(f"events are {there[0]:,} rows, handed over were {expected[0]:,}" + (
                    "" if expected[0] != there[0] else ", the same number but other rows"))  # fmt: skip
            waiting = _number(connection, "SELECT count(*) FROM quarantine WHERE reason NOT LIKE '%time%'")
            if waiting != n_bad_days * BAD_ROWS:
                found.append(f"quarantine holds {waiting} rows of unknown items, expected {n_bad_days * BAD_ROWS}")
        return found

    def kept(self) -> float | None:
        """Share of the items of the release before that still have their Semantic ID; None on the first night."""
        with open_readers(self.root) as connection:
            now = dict(connection.execute("SELECT item_id, sid FROM sids").fetchall())
        both = self.before.keys() & now.keys()
        share = sum(self.before[item] == now[item] for item in both) / len(both) if both else None
        self.before = now
        return share

    def explained(self) -> float | None:
        """What the Semantic IDs of the newest release with such figures explain of the vectors' variance; None before there is one."""
        with open_readers(self.root) as connection:
            row = connection.execute(
                "SELECT arg_max(value, release_id) FROM sid_metrics WHERE level = 0 AND metric = 'explained_variance'"
            ).fetchone()
        return None if row is None else row[0]

    def last_run(self, flow: str) -> dict[str, object]:
        """Status, processor seconds, peak memory and message of the newest run of a flow."""
        with open_readers(self.root) as connection:
            row = connection.execute(
                "SELECT status, cpu_seconds, peak_memory_mb, message FROM runs WHERE flow = ? ORDER BY started_at DESC LIMIT 1",
                [flow],
            ).fetchone()
        return dict(zip(("status", "cpu_seconds", "peak_memory_mb", "message"), row or (None,) * 4, strict=True))

    def last_release(self) -> int:
        """Number of the newest release."""
        with open_readers(self.root) as connection:
            return _number(connection, "SELECT max(release_id) FROM releases")

    def catalogue_rows(self) -> int:
        """Rows of all tables of the catalogue, counted in the copy for readers, which nobody changes."""
        copy = current_copy(self.root)
        with closing(sqlite3.connect(f"file:{copy}?mode=ro&immutable=1", uri=True)) as catalogue:
            names = [name for (name,) in catalogue.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
            return sum(catalogue.execute(f'SELECT count(*) FROM "{name}"').fetchone()[0] for name in names)

    def sizes(self) -> tuple[float, float]:
        """Of the warehouse's folder and of its catalogue, MB; without the copies for readers that go when they are an hour old."""
        passing = set(numbered_copies(self.root)[:-_COPIES_THAT_STAY])
        files = [path for path in self.root.rglob("*") if path.is_file() and path not in passing]
        return sum(path.stat().st_size for path in files) / 1e6, (self.root / "catalog.sqlite").stat().st_size / 1e6


def events_of(root: Path) -> tuple[int, int]:
    """``stored`` of a warehouse."""
    with open_readers(root) as connection:
        return stored(connection)


def _number(connection: duckdb.DuckDBPyConnection, query: str) -> int:
    row = connection.execute(query).fetchone()
    return int(row[0]) if row and row[0] else 0
