"""Makes the tables, views and macros of a new warehouse, their comments and the dictionary; recognises a warehouse of another layout."""

import hashlib
from collections.abc import Iterator

import duckdb
import polars as pl

from pipeline.warehouse.ddl import sql_type
from pipeline.warehouse.engine import LayoutError
from pipeline.warehouse.statements import Statement, statements
from pipeline.warehouse.tables import BULK, DICTIONARY, TABLES

# A table this small in one commit goes into the catalogue instead of a Parquet file of its own.
INLINE_ROWS = 1000


def create_schema(connection: duckdb.DuckDBPyConnection) -> None:
    """Make everything in a new, empty lake, attached as ``lake``, the connection's current catalogue."""
    connection.execute("BEGIN")
    for statement in statements("schema"):
        connection.execute(statement.sql)
    connection.execute("COMMIT")
    # Before the views: DuckLake 1.5.5 crashes on set_option in a lake that has one.
    connection.execute(f"CALL lake.set_option('data_inlining_row_limit', {INLINE_ROWS})")
    for table in BULK:
        # Inlined deletes would leave replaced files listed as if they were in use.
        connection.execute(f"CALL lake.set_option('data_inlining_row_limit', 0, table_name => '{table.name}')")
    _have_held_a_row(connection)
    connection.execute("BEGIN")
    make_views(connection)
    connection.execute("COMMIT")


def _have_held_a_row(connection: duckdb.DuckDBPyConnection) -> None:
    """Give every small table a row, and take it away again.

    DuckLake 1.5.5 asks the catalogue for the statistics of a table that never held a row anew, column by column, whenever a statement
    names it: 5 ms a column, so 100 to plan a query of ``evaluations`` before the first retrain, and 1 where a row has been.
    """
    small = [table for table in TABLES.values() if table not in BULK]
    with_rows = [
        f"INSERT INTO {table.name} SELECT {', '.join(_any_value(sql_type(column.dtype)) for column in table.columns)}"
        for table in small
    ]
    for changes in (with_rows, [f"DELETE FROM {table.name}" for table in small]):
        connection.execute("BEGIN")
        for change in changes:
            connection.execute(change)
        connection.execute("COMMIT")


def _any_value(kind: str) -> str:
    """A value of a column's type, in SQL."""
    if kind.endswith("[]"):
        return "[]"
    return {"VARCHAR": "''", "TIMESTAMP WITH TIME ZONE": "to_timestamp(0)"}.get(kind, f"0::{kind}")


def make_views(connection: duckdb.DuckDBPyConnection) -> None:
    """Make views, macros, comments and the dictionary; those of an earlier layout are gone afterwards."""
    for name in _views_in(connection):
        connection.execute(f"DROP VIEW {name}")
    for folder in ("views", "macros"):
        for statement in statements(folder):
            connection.execute(statement.sql)
    for comment in _comments():
        connection.execute(comment)
    connection.execute("DELETE FROM dictionary")
    connection.register("entries", pl.DataFrame(list(_entries(connection)), schema=DICTIONARY.schema, orient="row"))
    connection.execute("INSERT INTO dictionary BY NAME SELECT * FROM entries")


def _views_in(connection: duckdb.DuckDBPyConnection) -> set[str]:
    rows = connection.execute("SELECT view_name FROM duckdb_views() WHERE database_name = 'lake' AND NOT internal").fetchall()
    return {name for (name,) in rows}


def _hashed(columns: set[tuple[str, str, str]]) -> str:
    text = "\n".join(sorted(f"{table}.{column} {kind}" for table, column, kind in columns))
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def layout_now() -> str:
    """The layout of this version: the hash of the columns of all its tables, whatever their order."""
    return _hashed({(table.name, column.name, sql_type(column.dtype)) for table in TABLES.values() for column in table.columns})


def layout_in(connection: duckdb.DuckDBPyConnection) -> str:
    """The layout of the attached lake."""
    rows = connection.execute(
        "SELECT table_name, column_name, data_type FROM duckdb_columns() WHERE database_name = 'lake' AND NOT internal"
    ).fetchall()
    views = _views_in(connection)
    return _hashed({(table, column, kind) for table, column, kind in rows if table not in views})


def check_layout(connection: duckdb.DuckDBPyConnection, where: str) -> None:
    """Raise unless the attached lake has exactly the tables and columns this code knows.

    Raises:
        LayoutError: it was made by another version of hsrl, or its creation was interrupted.
    """
    layout = layout_in(connection)
    if layout == layout_now():
        return
    if layout in {step.header["from"] for step in statements("migrations")}:
        raise LayoutError(
            f"{where}: made by an earlier version of hsrl; bring it to this one with: hsrl migrate --warehouse {where}"
        )
    raise LayoutError(unknown_layout(where))


def unknown_layout(where: str) -> str:
    """The line for a warehouse whose tables are of no version known here."""
    return f"{where}: its tables are of no version known here, probably of a newer one; upgrade hsrl, or name another --warehouse"


def _comments() -> Iterator[str]:
    for table in TABLES.values():
        yield f"COMMENT ON TABLE {table.name} IS {literal(table.doc)}"
        for column in table.columns:
            yield f'COMMENT ON COLUMN {table.name}."{column.name}" IS {literal(column.doc)}'
    for view in statements("views"):
        yield f"COMMENT ON VIEW {view.name} IS {literal(view.doc)}"


def _entries(connection: duckdb.DuckDBPyConnection) -> Iterator[tuple[str, str | None, str, str | None, str]]:
    for table in TABLES.values():
        yield (table.name, None, "table", None, table.doc)
        for column in table.columns:
            yield (table.name, column.name, "column", sql_type(column.dtype), column.doc)
    for folder, kind, call in (("views", "view", ""), ("macros", "macro", "('0')")):
        for statement in statements(folder):
            yield (statement.name, None, kind, None, statement.doc)
            described = connection.execute(f"DESCRIBE FROM {statement.name}{call}").fetchall()
            for name, dtype, *_ in described:
                yield (statement.name, name, "column", dtype, _column_doc(statement, name))


def _column_doc(statement: Statement, name: str) -> str:
    """What the header of a view or macro says of a column, else what the first table it reads says that has one of that name."""
    if doc := statement.header.get(f"column {name}"):
        return doc
    reads = statement.header["reads"].split(", ")
    tables = sorted(TABLES.values(), key=lambda table: reads.index(table.name) if table.name in reads else len(reads))
    return next((column.doc for table in tables for column in table.columns if column.name == name), "")


def literal(text: str) -> str:
    """A SQL literal; COMMENT takes no bound parameter."""
    return "'" + text.replace("'", "''") + "'"
