"""The schema files say what the contracts say, and every public name of the design exists and is explained."""

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pytest

from pipeline.columns import Column
from pipeline.contracts import SPLITS, Table
from pipeline.warehouse.ddl import create_table, generated_files, keys_unique, sql_type
from pipeline.warehouse.statements import SQL_ROOT, Statement, statements
from pipeline.warehouse.tables import TABLES

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
    "sids_named",
    "prefixes",
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


@pytest.mark.parametrize(
    ("path", "text"), list(generated_files()), ids=lambda value: value.stem if isinstance(value, Path) else ""
)
def test_a_file_that_follows_from_the_contracts_is_as_they_say(path: Path, text: str) -> None:
    assert path.read_text(encoding="utf-8") == text, "write it anew with: python -m pipeline.warehouse.ddl"


def change(column: Column, **changes: Any) -> Table:
    """SPLITS (user_id, n_records, n_train, method) with another first column."""
    return replace(SPLITS, columns=(replace(column, **changes), *SPLITS.columns[1:]))


@pytest.mark.parametrize(
    "changed",
    [
        change(SPLITS.columns[0], name="person_id"),
        change(SPLITS.columns[0], dtype=pl.UInt64()),
        change(SPLITS.columns[0], is_nullable=True),
        change(SPLITS.columns[0], doc="the person"),
        replace(SPLITS, columns=SPLITS.columns[::-1]),
        replace(SPLITS, columns=SPLITS.columns[1:]),
        replace(SPLITS, key=("user_id", "method")),
        replace(SPLITS, doc="one cut"),
        replace(SPLITS, name="cuts"),
    ],
    ids=["name", "type", "nullability", "comment", "order", "a column less", "key", "comment of the table", "table"],
)
def test_whatever_changes_in_a_contract_changes_its_file(changed: Table) -> None:
    assert create_table(changed) != create_table(SPLITS)


def test_another_key_changes_the_audit_of_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    before = keys_unique()
    monkeypatch.setitem(TABLES, "splits", replace(SPLITS, key=("user_id", "method")))
    assert keys_unique() != before
    assert "GROUP BY user_id, method" in keys_unique()


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
