"""How the raw rows of a table's files name their user and item: by the mapping, and by the header of each file."""

from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from pipeline.errors import SourceError
from pipeline.ingest.lists import ListCells
from pipeline.ingest.raw_rows import RawRows
from pipeline.ingest.recbole import default_separator
from pipeline.ingest.shape import wanted_of_events, wanted_of_list
from pipeline.ingest.table_config import TableSource
from pipeline.ingest.table_layout import Columns, TextFormat
from pipeline.ingest.tabular import RawFile, fields_of, matching, name_in
from pipeline.ingest.wanted import WantedColumns


class _Content(NamedTuple):
    """Files of events, of items or of users."""

    section: TextFormat
    path: Path
    columns: Mapping[str, Columns]
    wanted: WantedColumns
    items: ListCells | None = None


def raw_rows_of_table(config: TableSource, files: Collection[str]) -> dict[str, RawRows]:
    """File, as rejects name it → how its raw rows are read; without files that are gone, unreadable, or named like another.

    Args:
        config: the source's section.
        files: names of files, and of members of zips.
    """
    found: dict[str, RawRows] = {}
    twice = set()
    for content in _contents(config):
        for file in _parts(content, files):
            twice |= {file.name} & found.keys()
            try:
                found[file.name] = _raw_rows(content, file)
            except SourceError:
                twice.add(file.name)
    return {name: rows for name, rows in found.items() if name not in twice}


def _contents(config: TableSource) -> Iterator[_Content]:
    columns = config.columns
    items = ListCells([str(columns.item)], config.list_separator, config.answer_after) if config.lists else None
    yield _Content(config, config.path, {"user": columns.user, "item": columns.item}, wanted_of_events(config), items)
    if config.items:
        yield _Content(config.items, config.items.path, {"item": config.items.columns.item}, wanted_of_list(config.items))
    if config.users:
        yield _Content(config.users, config.users.path, {"user": config.users.columns.user}, wanted_of_list(config.users))


def _parts(content: _Content, files: Collection[str]) -> Iterator[RawFile]:
    """The files, and members of zips, that rejects name."""
    try:
        for path in matching(content.path):
            name = name_in(content.path, path)
            if any(file == name or file.startswith(f"{name}/") for file in files):
                yield from (part for part in RawFile(path, name).parts(content.section) if part.name in files)
    except SourceError:  # none is left, or it is no longer what it was
        return


def _raw_rows(content: _Content, file: RawFile) -> RawRows:
    section, is_sequence = content.section, content.section.format == "sequences"
    separator = section.separator or (" " if is_sequence else default_separator(file.member or file.path.name))
    return RawRows(
        columns=content.columns,
        fields=fields_of(file, section, content.wanted),
        separator=separator,
        quote="" if is_sequence else section.quote,
        last_takes_rest=is_sequence,
        items=content.items,
        in_path=file.path_values,
    )
