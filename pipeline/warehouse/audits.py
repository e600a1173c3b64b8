"""Runs the audits of ``sql/audits`` on what would become visible."""

import json
from collections.abc import Iterable
from dataclasses import dataclass

import duckdb

from pipeline.errors import WarehouseError
from pipeline.warehouse.statements import Statement

_MAX_EXAMPLES = 20
_BY_ROW = "by row"


@dataclass(frozen=True)
class Finding:
    """What one audit found.

    Attributes:
        audit: its name.
        severity: block or warn; of an audit that says it row by row, block where one row does.
        n_offenders: offending rows, 0 = passed.
        examples: at most 20 of them as JSON objects.
        advice: what to do about it, a part of a sentence.
    """

    audit: str
    severity: str
    n_offenders: int
    examples: tuple[str, ...]
    advice: str = ""

    @property
    def is_blocking(self) -> bool:
        """Whether it refuses the release."""
        return self.severity == "block" and self.n_offenders > 0


def run_audits(connection: duckdb.DuckDBPyConnection, audits: Iterable[Statement]) -> list[Finding]:
    """Run each audit: a query for the offending rows.

    Args:
        connection: inside the publishing transaction; the last release is attached as ``previous`` (its tables; its views would
            resolve to the new ones).
        audits: statements whose header has ``severity``: block, warn, or *by row* where each offender says it in a column
            ``severity``, as settings may decide.

    Raises:
        WarehouseError: an audit has no or another severity.
    """
    return [_run(connection, audit) for audit in audits]


def _run(connection: duckdb.DuckDBPyConnection, audit: Statement) -> Finding:
    severity = audit.header.get("severity")
    if severity not in ("block", "warn", _BY_ROW):
        raise WarehouseError(f"sql/audits/{audit.name}.sql: severity is {severity}, expected block or warn, or {_BY_ROW}")
    query = audit.sql.rstrip().rstrip(";")
    if severity == _BY_ROW:
        query = f"FROM (\n{query}\n) ORDER BY severity"  # those that block come first
    rows = connection.execute(
        f"SELECT to_json(offender)::VARCHAR FROM (\n{query}\n) AS offender LIMIT {_MAX_EXAMPLES}"
    ).fetchall()
    if severity == _BY_ROW:
        severity = json.loads(rows[0][0])["severity"] if rows else "warn"
    n_offenders = len(rows)
    if n_offenders == _MAX_EXAMPLES:
        counted = connection.execute(f"SELECT count(*) FROM (\n{query}\n)").fetchone()
        n_offenders = int(counted[0]) if counted else n_offenders
    return Finding(audit.name, severity, n_offenders, tuple(text for (text,) in rows), audit.header.get("advice", ""))
