"""The warehouse's schema, views and macros in plain DuckDB, with the small world of world.sql: fast, and without a lake."""

from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from pipeline.warehouse.statements import statements


@pytest.fixture
def world() -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection in which every public name exists; ``previous`` holds the tables of the release before."""
    with duckdb.connect() as connection:
        for name in ("previous", "lake"):
            connection.execute(f"ATTACH ':memory:' AS {name}; USE {name}")
            for statement in statements("schema"):
                connection.execute(statement.sql)
        connection.execute("SET TimeZone = 'UTC'")
        for folder in ("views", "macros"):
            for statement in statements(folder):
                connection.execute(statement.sql)
        connection.execute(Path(__file__).with_name("world.sql").read_text(encoding="utf-8"))
        yield connection
