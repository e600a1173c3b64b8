"""Which SQL from outside is allowed: one SELECT or EXPLAIN over the warehouse's own names, by what the engine itself parsed."""

import difflib
import json
import re
from collections.abc import Iterator
from typing import Any

import duckdb

from pipeline.errors import QueryError
from pipeline.printable import printable

# Functions that may stand after FROM, besides the warehouse's own macros. Everything that reads files, opens catalogues or
# changes them is a table function too, and parses as SELECT: so this is a list of what is allowed.
_TABLE_FUNCTIONS = frozenset({"range", "generate_series", "unnest"})
# Functions that tell of the machine, plan a text as SQL, keep something, or sleep where no limit reaches them.
_FUNCTIONS = frozenset(
    {"current_setting", "getvariable", "getenv", "json_serialize_plan", "write_log", "nextval", "currval", "sleep_ms", "pg_sleep"}
)
_LONGEST = 1_000_000  # characters of a statement
_LONGEST_LINE = 1_500  # characters of a refusal
_SPACE = re.compile(r"(?:\s|--[^\n]*(?:\n|$))*")
_EXPLAIN = re.compile(r"explain\b", re.IGNORECASE)
_ANALYZE = re.compile(r"analyze\b", re.IGNORECASE)
_FORMAT = re.compile(r"\(\s*(analyze\s*,\s*)?format\s+'?(json|text|html|graphviz|yaml|mermaid)'?\s*\)", re.IGNORECASE)


def checked(connection: duckdb.DuckDBPyConnection, sql: str) -> str:
    """The statement to execute for ``sql``, a text from outside.

    Args:
        connection: the readers' copy, attached and confined.
        sql: one SELECT (also FROM …, WITH …, VALUES, DESCRIBE, SHOW, SUMMARIZE) or EXPLAIN.

    Raises:
        QueryError: anything else, or a table, table function or function that is not allowed.
    """
    opening, question = _without_explain(_as_text(sql))
    # Only a parser: unlike ``extract_statements`` it opens nothing, also for IMPORT DATABASE and PRAGMA.
    row = connection.execute("SELECT json_serialize_sql(?)", [question]).fetchone()
    try:
        tree: dict[str, Any] = json.loads(row[0]) if row else {"error": True}
    except RecursionError as error:
        raise QueryError("sql: the statement is nested too deeply; write it flatter, for example with WITH") from error
    if tree["error"]:
        if tree.get("error_type") == "not implemented":
            raise _refusal(question)
        raise QueryError(as_line(f"Parser Error: {tree.get('error_message', 'no statement')}"))
    if len(tree["statements"]) != 1:
        raise _wrong_count(len(tree["statements"]))
    _refuse_names(connection, list(_nodes(tree["statements"])))
    return opening + question


def as_line(text: str) -> str:
    """An error of the engine as one line that a terminal can print."""
    lines = [line.strip() for line in re.split(r"\nLINE |\n+Stack Trace", text)[0].splitlines()]
    line = printable("sql: " + " ".join(line for line in lines if line))
    return line if len(line) <= _LONGEST_LINE else line[:_LONGEST_LINE] + " …"


def _as_text(sql: str) -> str:
    if len(sql) > _LONGEST:
        raise QueryError(f"sql: {len(sql):,} characters, expected at most {_LONGEST:,}; ask in parts")
    if "\0" in sql:
        raise QueryError("sql: the statement holds a NUL character, expected text; write it as chr(0)")
    try:
        sql.encode()
    except UnicodeEncodeError as error:
        raise QueryError("sql: the statement holds bytes that are no UTF-8 text; save or type it as UTF-8") from error
    return sql.removeprefix("\ufeff")


def _without_explain(sql: str) -> tuple[str, str]:
    """EXPLAIN as it is to be said, and the statement after it; what it explains must be a question too, and is checked as one.

    The two are put together again from their parts, so that nothing is executed that was not checked, however a comment is read.
    """
    rest = sql[_skip(sql, 0) :]
    if not (found := _EXPLAIN.match(rest)):
        return "", sql
    rest = rest[_skip(rest, found.end()) :]
    opening = "EXPLAIN "
    if found := _FORMAT.match(rest):
        opening += f"({'ANALYZE, ' if found[1] else ''}FORMAT {found[2]}) "
        rest = rest[_skip(rest, found.end()) :]
    elif found := _ANALYZE.match(rest):
        opening += "ANALYZE "
        rest = rest[_skip(rest, found.end()) :]
    return opening, rest


def _skip(sql: str, at: int) -> int:
    """The place after the spaces and comments that begin at ``at``; block comments nest."""
    while True:
        space = _SPACE.match(sql, at)
        at = space.end() if space else at
        if not sql.startswith("/*", at):
            return at
        depth, at = 1, at + 2
        while depth:
            found = re.compile(r"/\*|\*/").search(sql, at)
            if not found:
                return len(sql)
            depth += 1 if found[0] == "/*" else -1
            at = found.end()


def _refusal(sql: str) -> QueryError:
    """Why a statement that is no question is refused."""
    first = re.match(r"\w+", sql[_skip(sql, 0) :])
    if first and first[0].lower() == "pivot":
        return QueryError(
            "sql: a PIVOT without its values is several statements, expected one; name them: PIVOT … ON x IN (1, 2)"
        )
    try:
        # An engine of its own that reaches no file: naming a statement would else open what IMPORT DATABASE names.
        with duckdb.connect(config={"enable_external_access": False}) as parser:
            found = parser.extract_statements(sql)
    except duckdb.Error:
        return QueryError(
            "sql: this statement is no question, expected SELECT or EXPLAIN; the warehouse is changed by hsrl refresh only"
        )
    if len(found) != 1:
        return _wrong_count(len(found))
    kind = found[0].type
    if kind == duckdb.StatementType.SELECT:
        # PRAGMA and CALL in the guise of a SELECT have no tree.
        return QueryError(
            'sql: this statement is not a plain SELECT, expected SELECT or EXPLAIN; see: hsrl sql "from dictionary"'
        )
    return QueryError(
        f"sql: a statement of type {kind.name}, expected SELECT or EXPLAIN; the warehouse is changed by hsrl refresh only"
    )


def _wrong_count(count: int) -> QueryError:
    return QueryError(f"sql: {count} statements, expected one SELECT or EXPLAIN; ask one at a time")


def _refuse_names(connection: duckdb.DuckDBPyConnection, nodes: list[dict[str, Any]]) -> None:
    """Refuse every table, table function and function that is not the warehouse's own or harmless."""
    kinds = connection.execute("SELECT DISTINCT name, kind FROM dictionary WHERE kind <> 'column'").fetchall()
    tables = {name for name, kind in kinds if kind in ("table", "view")}
    macros = {name for name, kind in kinds if kind == "macro"}
    local = {entry["key"].lower() for node in nodes for entry in node.get("cte_map", {}).get("map", [])}
    for node in nodes:
        if node.get("type") == "TABLE_FUNCTION":
            function = str(node["function"].get("function_name", "")).lower()
            if function not in _TABLE_FUNCTIONS | macros:
                allowed = ", ".join(sorted(_TABLE_FUNCTIONS | macros))
                raise QueryError(as_line(f"the table function {function:.80} is not allowed, expected one of {allowed}"))
        elif node.get("type") == "BASE_TABLE":
            name, schema, catalog = node["table_name"].lower(), node["schema_name"].lower(), node["catalog_name"].lower()
            is_ours = schema in ("", "main", "lake") and catalog in ("", "lake") and name in tables
            if not (is_ours or (name in local and not schema)):
                near = difflib.get_close_matches(name, tables | local, n=1)
                hint = f"did you mean {near[0]}?" if near else 'see: hsrl sql "select name, doc from dictionary"'
                full_name = ".".join(part for part in (catalog, schema, name) if part)
                raise QueryError(as_line(f"there is no table {full_name:.200}; {hint}"))
        elif str(node.get("function_name", "")).lower() in _FUNCTIONS:
            raise QueryError(
                as_line(f"the function {node['function_name'].lower()} is not allowed; it tells or does more than answer")
            )


def _nodes(tree: Any) -> Iterator[dict[str, Any]]:
    """Every object of the parsed statement, however deep."""
    waiting = [tree]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            yield value
            waiting += reversed(value.values())
        elif isinstance(value, list):
            waiting += reversed(value)
