"""From the rows of a file to rows of an event each: ids of several columns joined, lists parted, and what is not mapped filled in."""

from collections.abc import Sequence
from typing import NamedTuple

import polars as pl

from pipeline.ingest import cells
from pipeline.ingest.cells import LINE, OWN
from pipeline.ingest.delimited import Rows
from pipeline.ingest.lists import ANSWER_IN_ITEM, PLACE, ListCells
from pipeline.ingest.rule import condition
from pipeline.ingest.table_config import TableSource
from pipeline.ingest.table_layout import Columns, ItemFile, UserFile
from pipeline.ingest.wanted import WantedColumns

REQUEST = OWN + "request of the row"
# Rows read at once where each may become a whole slate.
_ROWS_PER_LIST = 20


class PlainColumns(NamedTuple):
    """The columns of rows of an event each, as ``EventColumns`` names them: each is one column."""

    user: str
    item: str
    time: str | None
    order: str | None
    feedback: str | None
    value: str | None
    request: str | None
    session: str | None
    position: str | None
    policy: str | None
    propensity: str | None


def plain_columns(config: TableSource) -> PlainColumns:
    """The columns that ``events_of`` gives."""
    columns, has_lists = config.columns, bool(config.lists)
    needs_order = has_lists and not (columns.time or columns.order)
    return PlainColumns(
        user=key_of("user", columns.user),
        item=key_of("item", columns.item),
        time=columns.time,
        order=PLACE if needs_order else columns.order,
        feedback=ANSWER_IN_ITEM if config.answer_after else columns.feedback,
        value=columns.value,
        request=key_of("request", columns.request) if columns.request else REQUEST if has_lists and not needs_order else None,
        session=key_of("session", columns.session) if columns.session else None,
        position=columns.position or (PLACE if has_lists and not needs_order else None),
        policy=key_of("policy", columns.policy) if columns.policy else None,
        propensity=columns.propensity,
    )


def events_of(rows: Rows, config: TableSource, file: str) -> Rows:
    """The rows of an event file as rows of an event each, with ``plain_columns``."""
    columns = config.columns
    if config.lists:
        names = [str(getattr(columns, name)) for name in config.lists]
        rows = ListCells(names, config.list_separator, config.answer_after).rows_of_elements(rows, file)
        if not columns.request:
            of_row = pl.format("{}:{}", pl.lit(file), pl.col(LINE)).alias(REQUEST)
            rows = rows._replace(cells=rows.cells.with_columns(of_row))
    keys = {"user": columns.user, "item": columns.item}
    keys |= {name: key for name in ("request", "session", "policy") if (key := getattr(columns, name)) is not None}
    return rows._replace(cells=with_keys(rows.cells, keys))


def key_of(what: str, columns: Columns) -> str:
    """The column of an id: the one that holds it, or one of ours where several do."""
    return columns if isinstance(columns, str) else f"{OWN}{what} key"


def with_keys(rows: pl.DataFrame, keys: dict[str, Columns]) -> pl.DataFrame:
    """The rows with the ids that several columns make, as ``men|17``; empty where a part is. What parts them is escaped in a part."""
    joined = [
        pl.concat_str([_part(name, rows.schema[name]) for name in columns], separator="|").alias(key_of(what, columns))
        for what, columns in keys.items()
        if not isinstance(columns, str)
    ]
    return rows.with_columns(joined) if joined else rows


def _part(name: str, dtype: pl.DataType) -> pl.Expr:
    text = cells.id_text(name, dtype)
    return text.str.replace_all("\\", "\\\\", literal=True).str.replace_all("|", "\\|", literal=True)


def wanted_of_events(config: TableSource) -> WantedColumns:
    """The columns that an event file is read for."""
    columns = config.columns
    named = [
        name
        for value in columns.model_dump(exclude_none=True).values()
        for name in ([value] if isinstance(value, str) else value)
    ]
    ruling = condition(config.positive_where)[1] if config.positive_where else []
    described = {*columns.categories, *columns.item_attributes, *columns.user_attributes}
    lists = [str(getattr(columns, name)) for name in config.lists]
    return WantedColumns(
        names=list(dict.fromkeys([*named, *ruling])),
        exact=[name for name in dict.fromkeys(named) if name not in described],
        lists=[*lists, *columns.categories],
        may_lack=config.may_lack,
    )


def wanted_of_list(section: ItemFile | UserFile) -> WantedColumns:
    """The columns that a file of items or users is read for: those of the mapping, and all others."""
    key = section.columns.item if isinstance(section, ItemFile) else section.columns.user
    ids: Sequence[str] = [key] if isinstance(key, str) else key
    others: list[str] = []
    if isinstance(section, ItemFile):
        others = [*section.columns.categories, *([section.columns.title] if section.columns.title else [])]
    return WantedColumns(
        names=list(dict.fromkeys([*ids, *others])), exact=ids, with_others=True, lists=others, may_lack=section.may_lack
    )


def rows_at_once(config: TableSource, chunk_rows: int) -> int:
    """Rows of a file to read at once, so that about ``chunk_rows`` events come of them."""
    return max(1, chunk_rows // _ROWS_PER_LIST) if config.lists else chunk_rows
