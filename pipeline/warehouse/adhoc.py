"""SQL from outside: one SELECT or EXPLAIN on the readers' copy, by allow-list; directory settings alone do not protect."""

import difflib
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pyarrow as pa

from pipeline.errors import QueryError
from pipeline.warehouse.attach_files import quoted
from pipeline.warehouse.lake import open_readers
from pipeline.warehouse.verify import naming_damage

# What may stand after FROM as a function, beside the warehouse's own macros. Everything that reads files, opens catalogues or
# changes them is a table function too, and parses as SELECT: so this is a list of what is allowed.
_TABLE_FUNCTIONS = frozenset({"range", "generate_series", "unnest"})
_AS_TEXT = ("INTERVAL", "BIT", "BLOB", "TIME WITH TIME ZONE", "BIGNUM")  # TIMESTAMP WITH TIME ZONE does not hold one of them
_EXPLAIN = re.compile(r"\s*explain\s+(analyze\s+)?", re.IGNORECASE)


@naming_damage
def run_sql(root: Path, sql: str, limit: int | None = None) -> pl.DataFrame:
    """Answer one question to the last release, without waiting for a writer and without a way to change anything.

    Args:
        root: folder of the warehouse.
        sql: one SELECT (also FROM …, WITH …, VALUES, DESCRIBE, SHOW, SUMMARIZE) or EXPLAIN.
        limit: at most so many rows; None = all.

    Returns:
        The answer; EXPLAIN gives rows of text. Sums of whole numbers are i64.

    Raises:
        QueryError: more or other than one such statement, a table or table function that is not allowed, or an error in the SQL.
        WarehouseError: there is no warehouse at ``root``.
    """
    with open_readers(root) as connection:
        _confine(connection, root.absolute())
        try:
            _refuse_unless_allowed(connection, sql)
            answer = _in_known_types(connection.sql(sql))
            huge = [name for name, kind, *_ in answer.description or [] if str(kind) == "HUGEINT"]
            return _whole_numbers(answer.pl() if limit is None else _first(answer, limit), huge)
        except duckdb.Error as error:
            raise QueryError(_one_line(error)) from error


def _whole_numbers(rows: pl.DataFrame, names: list[str]) -> pl.DataFrame:
    """Sums of whole numbers as i64, where they fit: the engine gives them as HUGEINT, and Arrow those as decimals."""
    limits = pl.Int64.min(), pl.Int64.max()
    fit = [name for name in names if rows[name].drop_nulls().is_between(*limits).all()]
    return rows.with_columns(pl.col(fit).cast(pl.Int64))


def _in_known_types(answer: duckdb.DuckDBPyRelation) -> duckdb.DuckDBPyRelation:
    """The answer with text in place of the types that frames do not have: the difference of two times, bits, bytes."""
    if not any(_has_unknown_type(kind) for kind in answer.types):
        return answer
    casts = ("::VARCHAR" if _has_unknown_type(kind) else "" for kind in answer.types)
    names = ('"' + name.replace('"', '""') + '"' for name in answer.columns)
    return answer.project(", ".join(f"#{n}{cast} AS {name}" for n, (cast, name) in enumerate(zip(casts, names, strict=True), 1)))


def _has_unknown_type(kind: object) -> bool:
    return any(word in str(kind) for word in _AS_TEXT)


def _first(answer: duckdb.DuckDBPyRelation, limit: int) -> pl.DataFrame:
    """The first rows; most of what comes after them is never computed."""
    reader = answer.to_arrow_reader(max(limit, 1))
    batches: list[pa.RecordBatch] = []
    for batch in reader:
        batches.append(batch)
        if sum(len(taken) for taken in batches) >= limit:
            break
    return pl.DataFrame(pa.Table.from_batches(batches, schema=reader.schema)).head(limit)


def _confine(connection: duckdb.DuckDBPyConnection, root: Path) -> None:
    """Leave the engine nothing but the Parquet files of this warehouse, for good."""
    connection.execute(f"SET allowed_directories = [{quoted(f'{root}/data/')}]")
    connection.execute("SET enable_external_access = false")
    connection.execute("SET lock_configuration = true")


def _refuse_unless_allowed(connection: duckdb.DuckDBPyConnection, sql: str) -> None:
    found = duckdb.extract_statements(sql)
    if len(found) != 1:
        raise QueryError(f"sql: {len(found)} statements, expected one SELECT or EXPLAIN; ask one at a time")
    kind = found[0].type
    if kind == duckdb.StatementType.EXPLAIN:
        # What it explains must be a SELECT too. Were the word taken from a comment, an EXPLAIN would be left, and refused below.
        sql = _EXPLAIN.sub("", sql, count=1)
        kind = duckdb.extract_statements(sql)[0].type
    if kind != duckdb.StatementType.SELECT:
        raise QueryError(
            f"sql: a statement of type {kind.name}, expected SELECT or EXPLAIN; the warehouse is changed by hsrl refresh only"
        )
    row = connection.execute("SELECT json_serialize_sql(?)", [sql]).fetchone()
    tree = json.loads(row[0]) if row else {"error": True}
    if tree["error"]:
        # PRAGMA and CALL in the guise of a SELECT have no tree.
        raise QueryError('sql: this statement is not a plain SELECT, expected SELECT or EXPLAIN; see: hsrl sql "from dictionary"')
    _refuse_names(connection, list(_nodes(tree["statements"])))


def _refuse_names(connection: duckdb.DuckDBPyConnection, nodes: list[dict[str, Any]]) -> None:
    """Refuse every table and table function that is not the warehouse's own."""
    tables = {
        name for (name,) in connection.execute("SELECT DISTINCT name FROM dictionary WHERE kind IN ('table', 'view')").fetchall()
    }
    macros = {name for (name,) in connection.execute("SELECT DISTINCT name FROM dictionary WHERE kind = 'macro'").fetchall()}
    local = {entry["key"].lower() for node in nodes for entry in node.get("cte_map", {}).get("map", [])}
    for node in nodes:
        if node.get("type") == "TABLE_FUNCTION":
            function = node["function"]["function_name"].lower()
            if function not in _TABLE_FUNCTIONS | macros:
                allowed = ", ".join(sorted(_TABLE_FUNCTIONS | macros))
                raise QueryError(f"sql: the table function {function} is not allowed, expected one of {allowed}")
        elif node.get("type") == "BASE_TABLE":
            name, schema, catalog = node["table_name"].lower(), node["schema_name"].lower(), node["catalog_name"].lower()
            is_ours = schema in ("", "main", "lake") and catalog in ("", "lake") and name in tables
            if not (is_ours or (name in local and not schema)):
                near = difflib.get_close_matches(name, tables | local, n=1)
                hint = f"did you mean {near[0]}?" if near else 'see: hsrl sql "select name, doc from dictionary"'
                raise QueryError(f"sql: there is no table {'.'.join(part for part in (catalog, schema, name) if part)}; {hint}")


def _nodes(tree: Any) -> Iterator[dict[str, Any]]:
    """Every object of the parsed statement, however deep."""
    if isinstance(tree, dict):
        yield tree
        for value in tree.values():
            yield from _nodes(value)
    elif isinstance(tree, list):
        for value in tree:
            yield from _nodes(value)


def _one_line(error: duckdb.Error) -> str:
    lines = [line.strip() for line in str(error).split("\nLINE ")[0].splitlines()]
    return "sql: " + " ".join(line for line in lines if line)
