"""SQL from outside: one SELECT or EXPLAIN on the readers' copy, by allow-list and within limits; directory settings alone do not protect."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb

from pipeline.errors import QueryError
from pipeline.warehouse.answer import Answer
from pipeline.warehouse.engine import open_readers
from pipeline.warehouse.limits import DEFAULT_LIMITS, Limits, Watch, too_large
from pipeline.warehouse.literals import quoted
from pipeline.warehouse.naming_damage import name_damage
from pipeline.warehouse.sql_rules import as_line, checked
from pipeline.warehouse.storage import storage_of

if TYPE_CHECKING:
    import polars as pl

GiveUp = Callable[[str], None]


@contextmanager
def answering(root: Path, sql: str, limits: Limits = DEFAULT_LIMITS, give_up: GiveUp | None = None) -> Iterator[Answer]:
    """Ask the last release one question, and read the answer inside the block.

    Nothing waits for a writer, and nothing can be changed.

    Args:
        root: folder of the warehouse.
        sql: one SELECT (also FROM …, WITH …, VALUES, DESCRIBE, SHOW, SUMMARIZE) or EXPLAIN.
        limits: what the question and the reading of its answer may cost.
        give_up: see ``Watch``.

    Raises:
        QueryError: more or other than one such statement, a name that is not allowed, an error in the SQL, or a limit was hit.
        WarehouseError: there is no warehouse at ``root``.
    """
    try:
        with confined(root, limits) as connection, asked(connection, sql, limits, give_up) as answer:
            yield answer
    except Exception as error:
        name_damage(root, error)
        raise


@contextmanager
def confined(root: Path, limits: Limits = DEFAULT_LIMITS) -> Iterator[duckdb.DuckDBPyConnection]:
    """The readers' copy in an engine that reaches nothing but the Parquet files of this warehouse, for good."""
    root = root.absolute()
    with open_readers(root) as connection:
        connection.execute(f"SET memory_limit = '{limits.memory_mb}MB'")
        connection.execute(f"SET allowed_directories = [{quoted(storage_of(root).data_path(root))}]")
        connection.execute("SET enable_external_access = false")
        connection.execute("SET lock_configuration = true")
        yield connection


@contextmanager
def asked(
    connection: duckdb.DuckDBPyConnection, sql: str, limits: Limits = DEFAULT_LIMITS, give_up: GiveUp | None = None
) -> Iterator[Answer]:
    """One of several questions to a ``confined`` connection; see ``answering``."""
    with Watch(connection, limits, give_up) as watch:
        try:
            yield Answer(connection.sql(checked(connection, sql)), watch.check)
        except duckdb.OutOfMemoryException as error:
            raise QueryError(too_large(limits)) from error
        except duckdb.Error as error:
            raise QueryError(as_line(str(error))) from error


def run_sql(root: Path, sql: str, limit: int | None = None, limits: Limits = DEFAULT_LIMITS) -> "pl.DataFrame":
    """The answer to one question as a frame; see ``answering``.

    Args:
        root: folder of the warehouse.
        sql: the question.
        limit: at most so many rows; None = all.
        limits: what it may cost.

    Returns:
        The answer; EXPLAIN gives rows of text. Sums of whole numbers are i64.
    """
    with answering(root, sql, limits) as answer:
        return answer.frame(limit)
