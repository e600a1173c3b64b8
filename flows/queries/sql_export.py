"""What `hsrl sql` does besides answering on the terminal: answers as files, the data dictionary, the snapshot."""

import difflib
from pathlib import Path
from typing import TYPE_CHECKING

from flows.queries.answer_texts import text_of
from flows.runtime.files import written
from pipeline.errors import ConfigError
from pipeline.warehouse.adhoc import GiveUp, run_sql
from pipeline.warehouse.answer import Answer
from pipeline.warehouse.attach_files import quoted
from pipeline.warehouse.engine import open_readers
from pipeline.warehouse.limits import DEFAULT_LIMITS, Limits
from pipeline.warehouse.statements import statement

if TYPE_CHECKING:
    import polars as pl


def dictionary(root: Path, name: str | None, limits: Limits = DEFAULT_LIMITS) -> "pl.DataFrame":
    """All tables, views and macros with what they hold; with a name, the columns of that one.

    Raises:
        ConfigError: nothing has that name.
        WarehouseError: there is no warehouse at ``root``.
    """
    return run_sql(root, dictionary_sql(root, name), limits=limits)


def dictionary_sql(root: Path, name: str | None) -> str:
    """The question that ``dictionary`` asks.

    Raises:
        ConfigError: nothing has that name.
        WarehouseError: there is no warehouse at ``root``.
    """
    if name is None:
        return statement("tables_and_views")
    with open_readers(root) as connection:
        entries = connection.execute(statement("dictionary_names")).fetchall()
    known = {known_name: n_columns for known_name, _, n_columns in entries}
    if name.lower() not in known:
        near = difflib.get_close_matches(name.lower(), known, n=1)
        hint = f"did you mean {near[0]}?" if near else "list them with: hsrl sql --tables"
        raise ConfigError(f"there is no table, view or macro {name!r:.60}; {hint}")
    columns = "AND column_name IS NOT NULL" if known[name.lower()] else ""
    if not columns and "view" in {kind for known_name, kind, _ in entries if known_name == name.lower()}:
        # A warehouse that was made before its views had their columns in the dictionary.
        return f'SELECT column_name, column_type AS type, NULL AS doc FROM (DESCRIBE "{name.lower()}")'
    return f"SELECT column_name, type, doc FROM dictionary WHERE name = {quoted(name.lower())} {columns}"


def write_answer(answer: Answer, target: Path, root: Path) -> None:
    """Write an answer as CSV, JSON or Parquet, by the file's ending; whole or not at all, however long it is.

    Raises:
        ConfigError: another ending, or a place that cannot be written.
    """
    if target.suffix not in (".csv", ".json", ".parquet"):
        raise ConfigError(f"{target}: ends in {target.suffix or 'nothing'}, expected .csv, .json or .parquet")
    with written(target, root) as draft:
        if target.suffix == ".parquet":
            _write_parquet(answer, draft)
        else:
            with draft.open("w", encoding="utf-8", newline="") as stream:
                stream.writelines(text_of(answer, target.suffix == ".json"))


def _write_parquet(answer: Answer, target: Path) -> None:
    import pyarrow.parquet as pq

    writer: pq.ParquetWriter | None = None
    try:
        for frame in answer.exact_frames():
            table = frame.to_arrow()
            writer = writer or pq.ParquetWriter(target, table.schema, compression="zstd")
            writer.write_table(table.cast(writer.schema))
    finally:
        if writer:
            writer.close()


def snapshot(root: Path, target: Path, limits: Limits = DEFAULT_LIMITS, give_up: GiveUp | None = None) -> dict[str, int]:
    """Write the SID tables as one DuckDB file in place of an older snapshot, or where nothing is.

    Raises:
        QueryError: another file is there, or a limit was hit.
    """
    from pipeline.warehouse.snapshot import refuse_unless_snapshot, write_snapshot

    refuse_unless_snapshot(target)
    with written(target, root) as draft:
        return write_snapshot(root, draft, limits, give_up)
