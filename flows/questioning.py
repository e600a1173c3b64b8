"""What `hsrl sql` does beside answering on the terminal: answers as files, the data dictionary, the snapshot."""

import json
from pathlib import Path
from typing import Any

import polars as pl

from flows.output import written
from flows.present import as_json
from pipeline.errors import ConfigError
from pipeline.warehouse.adhoc import run_sql
from pipeline.warehouse.snapshot import refuse_unless_snapshot, write_snapshot


def dictionary(root: Path, name: str | None) -> pl.DataFrame:
    """All tables, views and macros with what they hold; with a name, the columns of that one.

    Raises:
        ConfigError: nothing has that name.
        WarehouseError: there is no warehouse at ``root``.
    """
    told = run_sql(root, "SELECT name, column_name, kind, type, doc FROM dictionary")
    if name is None:
        return told.filter(pl.col("column_name").is_null()).select("kind", "name", "doc").sort("kind", "name")
    mine = told.filter(pl.col("name") == name.lower())
    if mine.is_empty():
        raise ConfigError(f"there is no table, view or macro {name!r:.60}; list them with: hsrl sql --tables")
    if mine.item(0, "kind") == "view":
        described = run_sql(root, f'SELECT column_name, column_type AS type FROM (DESCRIBE "{mine.item(0, "name")}")')
        docs = told.filter(pl.col("kind") == "column").group_by("column_name", maintain_order=True).agg(pl.col("doc").first())
        return described.join(docs, on="column_name", how="left", maintain_order="left")
    return mine.filter(pl.col("column_name").is_not_null() | (mine.height == 1)).select("column_name", "type", "doc")


def write_answer(answer: pl.DataFrame, target: Path, root: Path) -> None:
    """Write an answer as CSV, JSON or Parquet, by the file's ending; whole or not at all.

    Raises:
        ConfigError: another ending, or a place that cannot be written.
    """
    if target.suffix not in (".csv", ".json", ".parquet"):
        raise ConfigError(f"{target}: ends in {target.suffix or 'nothing'}, expected .csv, .json or .parquet")
    with written(target, root) as draft:
        if target.suffix == ".parquet":
            answer.write_parquet(draft)
        else:
            draft.write_text(as_csv(answer) if target.suffix == ".csv" else as_json(answer), encoding="utf-8")


def as_csv(answer: pl.DataFrame) -> str:
    """The answer as CSV; what is a list or struct is JSON text in its cell."""
    nested = [name for name, dtype in answer.schema.items() if dtype.is_nested()]
    texts = [pl.col(name).map_elements(_json, return_dtype=pl.String, skip_nulls=True) for name in nested]
    return answer.with_columns(texts).write_csv()


def _json(cell: Any) -> str:
    return json.dumps(cell.to_list() if isinstance(cell, pl.Series) else cell, default=str, ensure_ascii=False)


def snapshot(root: Path, target: Path) -> dict[str, int]:
    """Write the SID tables as one DuckDB file in place of an older snapshot, or where nothing is.

    Raises:
        QueryError: another file is there.
    """
    refuse_unless_snapshot(target)
    with written(target, root) as draft:
        return write_snapshot(root, draft)
