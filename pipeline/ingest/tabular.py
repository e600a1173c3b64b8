"""A table's files, found by path or glob and read as rows of named cells, whether they are text or Parquet."""

import glob
from collections.abc import Iterator, Sequence
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.contracts import REJECTS
from pipeline.errors import SourceError
from pipeline.ingest.cells import LINE, OWN
from pipeline.ingest.config import TextFormat
from pipeline.ingest.delimited import Layout, Rows, read_rows
from pipeline.ingest.files import open_raw, refusing


def matching(path: Path) -> list[Path]:
    """The file at ``path``, or those its glob matches, by name.

    Raises:
        SourceError: there is none, or it may not be read.
    """
    with refusing(path):
        is_pattern = glob.has_magic(str(path)) and not path.exists()
    if is_pattern:
        anchor = Path(path.anchor)
        files = sorted(file for file in anchor.glob(str(path.relative_to(anchor))) if file.is_file())
        if not files:
            raise SourceError(f"{path}: matches no file; check the path in the source's configuration")
        return files
    with refusing(path):
        path.open("rb").close()
    return [path]


def name_in(pattern: Path, file: Path) -> str:
    """The file's name, from the first folder on that ``pattern`` leaves open."""
    fixed = pattern.parent
    while glob.has_magic(str(fixed)) and not fixed.exists():
        fixed = fixed.parent
    return str(file.relative_to(fixed))


def read_file(path: Path, name: str, text: TextFormat | None, wanted: Sequence[str], chunk_rows: int) -> Iterator[Rows]:
    """Stream a file's rows: all its columns, with ``cells.LINE``.

    Args:
        path: the file; one that ends in .parquet is Parquet.
        name: its name, for rejects and errors.
        text: how it is written (plain, gzipped or xz) if it is text; None for Parquet.
        wanted: columns that it must have.
        chunk_rows: rows handed out at once, at most.

    Raises:
        SourceError: the file is refused as a whole, lacks a wanted column, or has one that cannot be addressed.
    """
    text = None if path.suffix == ".parquet" else text
    for rows in _text_rows(path, name, text, chunk_rows) if text else _parquet_rows(path, name, chunk_rows):
        told = [column for column in rows.cells.columns if not column.startswith(OWN)]
        if missing := [column for column in wanted if column not in told]:
            hint = "check the separator" if len(told) == 1 else "mend the mapping in the source's configuration"
            raise SourceError(f"{path}: has no column {', '.join(missing)}, only {', '.join(told)[:300]}; {hint}")
        if patterns := [column for column in told if column == "*" or (column.startswith("^") and column.endswith("$"))]:
            raise SourceError(f"{path}: column {', '.join(patterns)} is named like a pattern of Polars; rename it in the file")
        refuse_nested(rows.cells.select(wanted), path)
        yield rows


def refuse_nested(cells: pl.DataFrame, path: Path) -> None:
    """Refuse columns whose cells are no single values, as Parquet allows.

    Raises:
        SourceError: there is one.
    """
    if nested := [name for name, dtype in cells.schema.items() if dtype.is_nested()]:
        raise SourceError(
            f"{path}: {', '.join(nested)} holds lists or structs, expected texts, numbers or times; write it as text"
        )


def _text_rows(path: Path, name: str, text: TextFormat, chunk_rows: int) -> Iterator[Rows]:
    separator = text.separator or ("\t" if ".tsv" in path.suffixes else ",")
    with refusing(path):
        layout = Layout(tuple(text.names), separator, text.quote, text.encoding, text.multiline)
        yield from read_rows(open_raw(path), name, layout, chunk_rows)


def _parquet_rows(path: Path, name: str, chunk_rows: int) -> Iterator[Rows]:
    n_rows = 0
    try:
        with refusing(path), pq.ParquetFile(path) as file:
            for batch in file.iter_batches(batch_size=chunk_rows):
                cells = pl.DataFrame(pl.from_arrow(batch))
                yield Rows(cells.with_columns(pl.int_range(n_rows, n_rows + cells.height).alias(LINE)), REJECTS.empty())
                n_rows += cells.height
    except (pa.ArrowException, OSError) as error:
        raise SourceError(
            f"{path}: no Parquet file, or truncated or damaged ({str(error).splitlines()[0]}); fetch it again"
        ) from error
    if not n_rows:
        raise SourceError(f"{name}: no rows; expected a Parquet file with some")
