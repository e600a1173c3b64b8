"""The warehouse's schema, views and macros in plain DuckDB, with the small world of world.sql: fast, and without a lake."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from pipeline.warehouse.statements import statements

DATABASES = ("previous", "lake")


@pytest.fixture(scope="session")
def world_files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the world's two databases as files; not to be written. To make them takes longer than any test of them."""
    folder = tmp_path_factory.mktemp("world")
    with duckdb.connect() as connection:
        for name in DATABASES:
            connection.execute(f"ATTACH '{folder}/{name}.duckdb' AS {name}; USE {name}")
            for statement in statements("schema"):
                connection.execute(statement.sql)
        connection.execute("SET TimeZone = 'UTC'")
        for kind in ("views", "macros"):
            for statement in statements(kind):
                connection.execute(statement.sql)
        connection.execute(Path(__file__).with_name("world.sql").read_text(encoding="utf-8"))
    return folder


@pytest.fixture
def world(world_files: Path, tmp_path: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection in which every public name exists; ``previous`` holds the tables of the release before."""
    with duckdb.connect() as connection:
        for name in DATABASES:
            shutil.copyfile(world_files / f"{name}.duckdb", tmp_path / f"{name}.duckdb")
            connection.execute(f"ATTACH '{tmp_path}/{name}.duckdb' AS {name}; USE {name}")
        connection.execute("SET TimeZone = 'UTC'")
        yield connection
