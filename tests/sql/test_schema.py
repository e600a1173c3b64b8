"""The schema files say what the contracts say, and every public name of the design exists and is explained."""

import re

import duckdb
import pytest

from pipeline.warehouse.statements import SQL_ROOT, Statement, statements
from pipeline.warehouse.tables import TABLES, sql_type

PUBLIC = [
    "events",
    "records",
    "items",
    "users",
    "embeddings",
    "codebooks",
    "sids",
    "sid_history",
    "sid_buckets",
    "sid_churn",
    "sid_metrics",
    "releases",
    "runs",
    "artifacts",
    "lineage",
    "audits",
    "quarantine",
    "simulators",
    "policies",
    "evaluations",
    "training_curves",
]
# Views that are empty in a world without mishaps.
EMPTY = {"withdrawn"}


def test_the_schema_has_a_file_for_every_table() -> None:
    assert {statement.name for statement in statements("schema")} == set(TABLES)


@pytest.mark.parametrize("name", sorted(TABLES))
def test_a_schema_file_equals_its_contract(world: duckdb.DuckDBPyConnection, name: str) -> None:
    rows = world.execute(
        "SELECT column_name, data_type, is_nullable FROM duckdb_columns() WHERE database_name = 'lake' AND table_name = ? ORDER BY column_index",
        [name],
    ).fetchall()
    assert rows == [(column.name, sql_type(column.dtype), column.is_nullable) for column in TABLES[name].columns]


@pytest.mark.parametrize("statement", list(statements("schema")), ids=lambda statement: statement.name)
def test_a_schema_file_says_the_key_of_its_contract(statement) -> None:  # type: ignore[no-untyped-def]
    assert statement.header["grain"] == (", ".join(TABLES[statement.name].key) or "none")
    assert statement.header["model"] == statement.name


@pytest.mark.parametrize("name", PUBLIC)
def test_a_public_name_can_be_asked(world: duckdb.DuckDBPyConnection, name: str) -> None:
    assert world.execute(f"FROM {name}").fetchall()


FIRST_KEYS = {"views": "model", "macros": "model", "audits": "audit", "examples": "example", "queries": "query"}


@pytest.mark.parametrize("folder", FIRST_KEYS)
def test_a_sql_file_is_one_statement_under_a_whole_header(folder: str) -> None:
    for statement in statements(folder):
        assert statement.header[FIRST_KEYS[folder]] == statement.name
        assert {"reads", "doc"} <= statement.header.keys(), statement.name
        assert len(duckdb.extract_statements(statement.sql)) == 1


@pytest.mark.parametrize("query", list(statements("queries")), ids=lambda query: query.name)
def test_a_query_of_the_code_fits_the_schema(world: duckdb.DuckDBPyConnection, query: Statement) -> None:
    """Its names resolve, whatever is bound; and it reads what its header says."""
    world.execute(f"PREPARE query AS {query.sql}")
    for name in query.header["reads"].split(", "):
        assert re.search(rf"\b{name}\b", query.sql.partition("-- doc")[2].partition("\n")[2]), name


def test_every_query_is_used() -> None:
    sources = "".join(path.read_text() for package in ("flows", "pipeline") for path in (SQL_ROOT.parent / package).rglob("*.py"))
    assert [query.name for query in statements("queries") if f'"{query.name}"' not in sources] == []


@pytest.mark.parametrize(
    "view", [s for s in statements("views") if s.header["grain"] != "none"], ids=lambda statement: statement.name
)
def test_the_grain_of_a_view_is_proved(world: duckdb.DuckDBPyConnection, view) -> None:  # type: ignore[no-untyped-def]
    grain = view.header["grain"]
    assert world.execute(f"SELECT {grain} FROM {view.name} GROUP BY {grain} HAVING count(*) > 1").fetchall() == []
