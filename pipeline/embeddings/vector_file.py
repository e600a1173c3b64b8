"""Files of vectors that the user brings, in every form they come in, read one way wherever they are read."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pipeline.embeddings.vector_arrays import RAW_TYPES, Matrix, npy_matrix, raw_matrix
from pipeline.embeddings.vector_rows import Faults, VectorRows, rows_per_chunk
from pipeline.embeddings.vector_tables import Table, table
from pipeline.embeddings.vector_text import SUFFIXES, TextTable, text_table
from pipeline.errors import ContractError

_NPY = b"\x93NUMPY"
_TABLES = {b"PAR1": "Parquet", b"ARROW1": "Arrow"}
_STREAM = b"\xff\xff\xff\xff"
# Forms that are known by their first bytes and not read.
_REFUSED = {
    b"FEA1": "is Feather of version 1; write it as version 2",
    b"PK\x03\x04": "is a zip or .npz archive; save the one array with numpy.save",
    b"\x1f\x8b": "is packed by gzip; unpack it",
    b"\x28\xb5\x2f\xfd": "is packed by zstd; unpack it",
    b"\x89HDF": "is HDF5; save the one array with numpy.save",
    b"\x80": "holds Python objects, which are not opened; save the array with numpy.save",
}
_NAMED = {".parquet": "Parquet file", ".npy": ".npy file", ".arrow": "Arrow file", ".feather": "Feather file"}
_EXPECTED = "Parquet, Arrow, Feather or .csv with a column vector, .npy, or bare float32 in a file named .f32"


@dataclass(frozen=True)
class VectorFile:
    """A file of vectors whose header was read.

    Attributes:
        where: who reads and the path, for the messages.
        source: where the rows come from.
        width: w of its vectors (of most of the first thousand); 0 without vectors.
        n_rows: None where only reading it tells.
        id_name: the column of ids, ``item_id`` or ``raw_id``; None where it has none.
        has_space: whether its rows name their space in a column ``embedding_id``.
    """

    where: str
    source: Matrix | Table | TextTable
    width: int
    n_rows: int | None
    id_name: str | None
    has_space: bool

    def chunks(self) -> Iterator[VectorRows]:
        """Its rows in their order, checked, a chunk at a time; what is held is a chunk.

        Where rows are at fault the rest of the file is read too, so that all of them are counted, and the last that happens is the
        error: only a file that came to its end was all right.

        Raises:
            ContractError: vectors of several widths, or missing, NaN or infinite values; names the first rows.
        """
        faults = Faults(self.where, self.width)
        for rows in self.source.batches(rows_per_chunk(self.width)):
            if (good := faults.checked(rows)) is not None:
                yield good
        faults.refuse()
        if self.n_rows not in (None, faults.n_rows):
            raise ContractError(f"{self.where}: holds {faults.n_rows:,} rows, its header says {self.n_rows:,}; write it again")


def open_vectors(path: Path, where: str, *, raw_width: int | None = None, n_rows: int | None = None) -> VectorFile:
    """Look at a file of vectors; what it is its first bytes say, and only bare numbers are known by the name.

    Args:
        path: the file.
        where: who reads it, for the messages: ``encode``.
        raw_width: w of bare numbers.
        n_rows: vectors in a file of bare numbers, where w is not known.

    Raises:
        ContractError: there is no such file, it is of no known form, or damaged.
    """
    where = f"{where}: {path}"
    if not path.is_file():
        raise ContractError(f"{where}: is no file; expected {_EXPECTED}")
    try:
        with path.open("rb") as file:
            head = file.read(8)
    except OSError as error:
        raise ContractError(f"{where}: {error.strerror}; grant it") from None
    source = _source(path, where, head, raw_width, n_rows)
    if isinstance(source, Matrix):
        return VectorFile(where, source, source.shape[1], source.shape[0], None, has_space=False)
    return VectorFile(where, source, _width(source), source.n_rows, source.id_name, source.has_space)


def _source(path: Path, where: str, head: bytes, raw_width: int | None, n_rows: int | None) -> Matrix | Table | TextTable:
    if head.startswith(_NPY):
        return npy_matrix(path, where)
    for magic, form in _TABLES.items():
        if head.startswith(magic):
            return table(path, form, where)  # type: ignore[arg-type]
    if path.suffix.lower() in RAW_TYPES:
        return raw_matrix(path, where, raw_width, n_rows)
    if not head:
        raise ContractError(f"{where}: is empty; write it again")
    if head.startswith(_STREAM):
        return table(path, "Arrow stream", where)
    for magic, refusal in _REFUSED.items():
        if head.startswith(magic):
            raise ContractError(f"{where}: {refusal}")
    if path.suffix.lower() in SUFFIXES:
        return text_table(path, where)
    form = _NAMED.get(path.suffix.lower(), "file of vectors")
    raise ContractError(f"{where}: is no {form}, or is cut off at its beginning; expected {_EXPECTED}")


def _width(source: Table | TextTable) -> int:
    """The length that most vectors of the first batch have."""
    if source.fixed_width is not None:
        return source.fixed_width
    first = next(source.batches(), None)
    lengths = np.zeros(0, dtype=np.int64) if first is None else first.lengths[first.lengths > 0]
    return int(np.bincount(lengths).argmax()) if len(lengths) else 0
