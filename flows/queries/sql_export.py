"""What `hsrl sql` does beside answering on the terminal: answers as files, the data dictionary, the snapshot."""

import difflib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flows.cli import rendering as present
from flows.runtime.files import written
from pipeline.errors import ConfigError
from pipeline.printable import printable
from pipeline.warehouse.adhoc import GiveUp, run_sql
from pipeline.warehouse.answer import Answer
from pipeline.warehouse.lake import open_readers, quoted
from pipeline.warehouse.limits import DEFAULT_LIMITS, Limits
from pipeline.warehouse.statements import statement

if TYPE_CHECKING:
    import polars as pl

# What a spreadsheet takes for a formula: it looks behind spaces, and at full-width signs.
_FORMULA = r"^(?:[\t\r\n]|\s*[=+@\-＝＋－＠])"
_NUMBER = r"^[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?$"
_STEERS = "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]"


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


def show_answer(answer: Answer) -> None:
    """The first rows of an answer on the terminal, and how many more there are."""
    rows = answer.texts(present.ROWS)
    n_rows = len(rows) if len(rows) < present.ROWS else answer.count()
    present.table(present.console(), answer.columns, answer.is_number, rows, n_rows)


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


def text_of(answer: Answer, is_json: bool) -> Iterator[str]:
    """An answer as JSON or CSV, piece by piece."""
    if is_json:
        yield from present.json_parts(answer.frames())
    else:
        for number, frame in enumerate(answer.frames()):
            yield as_csv(frame, with_names=number == 0)


def as_csv(rows: "pl.DataFrame", with_names: bool = True) -> str:
    """Rows as CSV; what is a list or struct is JSON text in its cell.

    A text that a spreadsheet would take for a formula begins with an apostrophe, which the spreadsheet hides, unless it is a number;
    a sign that a terminal would obey stands as its code. Names of columns too: a PIVOT takes them from the data.
    """
    import polars as pl

    nested = [name for name, dtype in rows.schema.items() if dtype.is_nested()]
    texts = [name for name, dtype in rows.schema.items() if dtype in (pl.String, pl.Categorical, pl.Enum)]
    flat = rows.with_columns(
        *(pl.col(name).map_elements(_json, return_dtype=pl.String, skip_nulls=True) for name in nested),
        *(pl.col(name).cast(pl.String) for name in texts),
    )
    safe = flat.with_columns(_defused(flat[name]) for name in [*nested, *texts])
    renamed = safe.rename(dict(zip(safe.columns, _defused(pl.Series(safe.columns, dtype=pl.String)), strict=True)))
    return renamed.write_csv(include_header=with_names)


def _defused(texts: "pl.Series") -> "pl.Series":
    """Texts of which none is a formula and none steers a terminal; a line's end inside a cell stays."""
    import polars as pl

    is_formula = texts.str.contains(_FORMULA) & ~texts.str.contains(_NUMBER)
    if texts.str.contains(_STEERS).any():
        texts = texts.map_elements(lambda text: printable(text, keep="\n\t"), return_dtype=pl.String, skip_nulls=True)
    if not is_formula.any():
        return texts
    return pl.select(pl.when(is_formula).then("'" + texts).otherwise(texts).alias(texts.name)).to_series()


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


def _json(cell: Any) -> str:
    import polars as pl

    return json.dumps(cell.to_list() if isinstance(cell, pl.Series) else cell, default=str, ensure_ascii=False)


def snapshot(root: Path, target: Path, limits: Limits = DEFAULT_LIMITS, give_up: GiveUp | None = None) -> dict[str, int]:
    """Write the SID tables as one DuckDB file in place of an older snapshot, or where nothing is.

    Raises:
        QueryError: another file is there, or a limit was hit.
    """
    from pipeline.warehouse.snapshot import refuse_unless_snapshot, write_snapshot

    refuse_unless_snapshot(target)
    with written(target, root) as draft:
        return write_snapshot(root, draft, limits, give_up)
