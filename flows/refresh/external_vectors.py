"""The files of external vectors: an input of the refresh like any raw file, found by their hash and read where they are needed."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from pipeline.embeddings.config import EmbeddingsConfig
from pipeline.embeddings.vector_arrays import RAW_TYPES, read_ids
from pipeline.errors import ConfigError, ContractError
from pipeline.sids.codebook import Codebook
from pipeline.warehouse.artifacts import sha256_of
from pipeline.warehouse.statements import statement
from pipeline.warehouse.warehouse import Warehouse

if TYPE_CHECKING:
    from pipeline.embeddings.item_matching import Coverage
    from pipeline.embeddings.vector_file import VectorFile
    from pipeline.embeddings.vector_rows import VectorRows

# What reads vectors is loaded where there are some.
_WHERE = "embeddings.external_path"
_RAW = "raw:"  # how lineage names a file from outside, by its hash


@dataclass(frozen=True)
class ExternalFiles:
    """The files of external vectors as they are tonight.

    Attributes:
        paths: the vectors and, where they have a file of their own, the ids.
        inputs: ``raw:`` and the sha256 of each.
        width: of the vectors.
        is_new: whether the last release's vectors were made from other files.
        misfit: why the frozen model cannot take them, and empty where it can.
        stamps: size in bytes and modification time in nanoseconds of each file when it was hashed.
    """

    paths: tuple[Path, ...]
    inputs: tuple[str, ...]
    width: int
    is_new: bool
    misfit: str
    stamps: tuple[tuple[int, int], ...]

    def require_fit(self) -> None:
        """Refuse what only a rebuild can take, before anything else is done.

        Raises:
            ContractError: vectors of another width than those of the frozen model.
        """
        if self.misfit:
            raise ContractError(f"{_WHERE}: {self.misfit}; bring vectors as before, or learn anew with: hsrl refresh --rebuild")


def find_external_files(config: EmbeddingsConfig, warehouse: Warehouse | None, codebook: Codebook | None) -> ExternalFiles | None:
    """Look at the files; None where the settings ask for no external vectors.

    Args:
        config: the section ``embeddings``.
        warehouse: None before the first refresh.
        codebook: the codes in use; without them every width is taken.

    Raises:
        ConfigError: no file is named, or it is missing, damaged, or has no ids.
    """
    if "external" not in config.parts:
        return None
    if config.external_path is None:
        raise ConfigError("embeddings.parts name external, but there are no vectors; set embeddings.external_path")
    paths = tuple(path for path in (config.external_path, config.external_ids_path) if path is not None)
    for path in paths[1:]:
        if not path.is_file():
            raise ConfigError(f"embeddings.external_ids_path: {path} is no file; name the ids of the vectors, one a line")
    model_width = None
    if warehouse is not None and codebook is not None:
        from flows.stores.models import load_models

        model_width = load_models(warehouse.artifacts, codebook.embedding_id).items.external_width
    try:
        file = _open(config.external_path, config.external_ids_path, model_width)
    except ContractError as error:
        raise ConfigError(str(error)) from None
    inputs, stamps = tuple(_RAW + sha256_of(path) for path in paths), tuple(_stamp(path) for path in paths)
    misfit = (
        ""
        if model_width in (None, file.width)
        else (f"{config.external_path} has vectors {file.width} long, the codes were learned on vectors {model_width} long")
    )
    known = frozenset() if warehouse is None else inputs_of_vectors(warehouse)
    return ExternalFiles(paths, inputs, file.width, not known.issuperset(inputs), misfit, stamps)


def read_external_vectors(
    config: EmbeddingsConfig, files: ExternalFiles | None, items: pl.DataFrame
) -> "tuple[pl.DataFrame | None, Coverage | None]":
    """The vectors of the catalogue's items (item_id, vector), and how many of the items have one; None, None without files.

    Args:
        config: the section ``embeddings``.
        files: what ``find_external_files`` found.
        items: ITEMS of the release.

    Raises:
        ContractError: rows without a vector, an id twice, a file that changed meanwhile, or more items without a vector than allowed.
    """
    if files is None:
        return None, None
    from pipeline.embeddings.item_matching import match_vectors

    where, ids_path = f"{_WHERE}: {files.paths[0]}", config.external_ids_path
    vectors, coverage = match_vectors(_with_ids(_open(files.paths[0], ids_path, files.width), ids_path), items, where)
    if tuple(_stamp(path) for path in files.paths) != files.stamps:
        raise ContractError(f"{where}: was written while it was read; run it again once it is whole")
    if coverage.without > config.external_max_missing * coverage.items:
        raise ContractError(
            f"{where}: {coverage.without:,} of {coverage.items:,} active items have no vector in it, more than the "
            f"{config.external_max_missing:.0%} of embeddings.external_max_missing, such as {', '.join(coverage.without_ids)}"
            + (f" ({coverage.zero:,} have one of zeros)" if coverage.zero else "")
            + f"; {coverage.unknown:,} of its {coverage.rows:,} ids are of no item"
            + (f", such as {', '.join(coverage.unknown_ids)}" if coverage.unknown else "")
            + "; mend its ids, or raise that setting"
        )
    return vectors, coverage


def inputs_of_vectors(warehouse: Warehouse) -> frozenset[str]:
    """What the last release's vectors were made from."""
    paths = [str(file.relative_to(warehouse.root)) for file in warehouse.files("embeddings")]
    return frozenset(warehouse.query(statement("inputs_of_files"), {"paths": paths})["input"])


def _open(path: Path, ids_path: Path | None, width: int | None) -> "VectorFile":
    from pipeline.embeddings.vector_file import open_vectors

    n_ids = None
    if path.suffix.lower() in RAW_TYPES and ids_path is not None:
        width, n_ids = None, len(_ids(ids_path))
    file = open_vectors(path, _WHERE, raw_width=width, n_rows=n_ids)
    if file.id_name is None and ids_path is None:
        raise ContractError(
            f"{file.where}: has no ids; add a column item_id or raw_id, or name a file with one id a line as embeddings.external_ids_path"
        )
    if ids_path is not None and file.id_name is None and file.n_rows is not None:
        _require_ids_for_all(file.where, file.n_rows, ids_path, len(_ids(ids_path)))
    if file.id_name is not None and ids_path is not None:
        raise ContractError(
            f"{file.where}: has ids of its own, in the column {file.id_name}; leave out embeddings.external_ids_path"
        )
    if not file.width:
        raise ContractError(f"{file.where}: holds 0 vectors, expected one an item; write it again")
    return file


def _ids(path: Path) -> pl.Series:
    return read_ids(path, f"embeddings.external_ids_path: {path}")


def _with_ids(file: "VectorFile", ids_path: Path | None) -> "Iterator[VectorRows]":
    """The rows of the file, with the ids of the other file where it has none."""
    if ids_path is None:
        yield from file.chunks()
        return
    ids, n = _ids(ids_path), 0
    for rows in file.chunks():
        first, n = n, n + len(rows.vectors)
        if n <= len(ids):  # else there are more vectors than ids, which is refused once all of them are counted
            yield rows._replace(ids=ids[first:n])
    _require_ids_for_all(file.where, n, ids_path, len(ids))


def _require_ids_for_all(where: str, n_vectors: int, ids_path: Path, n_ids: int) -> None:
    if n_vectors != n_ids:
        raise ContractError(f"{where}: holds {n_vectors:,} vectors, {ids_path} holds {n_ids:,} ids; write one id a vector")


def _stamp(path: Path) -> tuple[int, int]:
    state = path.stat()
    return state.st_size, state.st_mtime_ns
