"""One thread of DuckDB in the tests, and the same warehouse whatever their number."""

from pathlib import Path

import pytest

from benchmarks.crash_state import look
from pipeline.warehouse.adhoc import run_sql
from pipeline.warehouse.engine import connect
from tests.conftest import DUCKDB_THREADS
from tests.support.small_feed import night


def n_threads() -> int:
    """Of an engine as a night has it."""
    with connect() as connection:
        return int(connection.sql("SELECT current_setting('threads')").fetchall()[0][0])


def test_the_number_of_threads_changes_no_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two days with one thread and with four, from the same raw files: every table has the same rows.

    But for the bytes of artifacts: safetensors 0.8.0 writes two metadata in either order, as chance has it. Their names are
    fingerprints of what they hold.
    """
    one, four = tmp_path / "1", tmp_path / "4"
    assert n_threads() == 1
    night(one, 2)
    monkeypatch.setenv(DUCKDB_THREADS, "4")
    assert n_threads() == 4
    night(four, 2)
    assert not look(four).is_empty and look(four).differs(look(one)) <= {"artifacts"}
    names = "SELECT kind, artifact_id FROM artifacts ORDER BY ALL"
    assert run_sql(four, names).equals(run_sql(one, names))
