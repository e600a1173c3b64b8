"""The SQL that follows from the contracts: ``sql/schema/*.sql`` and the audit of keys, written by ``python -m pipeline.warehouse.ddl``.

The files are read (and shown to people) as they lie in the repository; a test refuses any difference from what is said here.
"""

from collections.abc import Iterator
from pathlib import Path

import polars as pl

from pipeline.columns import TIMESTAMP
from pipeline.contracts import EVENTS, RECORD_ROWS, Table
from pipeline.warehouse.statements import SQL_ROOT
from pipeline.warehouse.tables import LEDGERS, TABLES

_SQL_TYPES: dict[pl.DataType, str] = {
    pl.Boolean(): "BOOLEAN",
    pl.Int64(): "BIGINT",
    pl.UInt8(): "UTINYINT",
    pl.UInt16(): "USMALLINT",
    pl.UInt32(): "UINTEGER",
    pl.UInt64(): "UBIGINT",
    pl.Float32(): "FLOAT",
    pl.Float64(): "DOUBLE",
    pl.String(): "VARCHAR",
    TIMESTAMP: "TIMESTAMP WITH TIME ZONE",
}
# Too large to be counted anew each night: audits of their own go on from the last release. Ledgers are no part of a release.
_KEYS_ELSEWHERE = {table.name for table in (EVENTS, RECORD_ROWS, *LEDGERS)}


def sql_type(dtype: pl.DataType) -> str:
    """The DuckDB type that holds a column of ``dtype``: ``List(UInt16)`` → ``USMALLINT[]``."""
    if isinstance(dtype, pl.List):
        inner = dtype.inner
        return sql_type(inner() if isinstance(inner, type) else inner) + "[]"
    return _SQL_TYPES[dtype]


def create_table(table: Table) -> str:
    """The schema file of a table: its grain and what its columns mean, then name, type and nullability of each in order."""
    columns = [
        f"    {column.name} {sql_type(column.dtype)}{'' if column.is_nullable else ' NOT NULL'}" for column in table.columns
    ]
    header = [
        f"-- model: {table.name}",
        f"-- grain: {', '.join(table.key) or 'none'}",
        f"-- doc: {table.doc[0].upper()}{table.doc[1:]}.",
        *(f"-- column {column.name}: {column.doc}" for column in table.columns),
    ]
    return "\n".join([*header, f"CREATE TABLE {table.name} (", ",\n".join(columns), ");\n"])


def keys_unique() -> str:
    """The audit ``keys_unique``: the rows of each table that has a key, counted by it."""
    keyed = [table for table in TABLES.values() if table.key and table.name not in _KEYS_ELSEWHERE]
    header = (
        "-- audit: keys_unique\n"
        "-- severity: block\n"
        f"-- reads: {', '.join(table.name for table in keyed)}\n"
        "-- doc: The key of every table tells its rows apart. (Events and record_rows have audits of their own.)\n"
    )
    return header + "\nUNION ALL\n".join(_repeated_keys(table) for table in keyed) + ";\n"


def _repeated_keys(table: Table) -> str:
    key = ", ".join(table.key)
    return (
        f"SELECT '{table.name}' AS table_name, row({key})::VARCHAR AS key, count(*) AS n\n"
        f"FROM {table.name}\nGROUP BY {key}\nHAVING count(*) > 1"
    )


def generated_files(root: Path = SQL_ROOT) -> Iterator[tuple[Path, str]]:
    """Each file that follows from the contracts, and the text it has to have."""
    for table in TABLES.values():
        yield root / "schema" / f"{table.name}.sql", create_table(table)
    yield root / "audits" / "keys_unique.sql", keys_unique()


if __name__ == "__main__":
    for path, text in generated_files():
        path.write_text(text, encoding="utf-8")
