"""A stranger's columns to the canonical ones: which cells become what, and which rows have none."""

from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from pipeline.contracts import ITEMS, RAW_EVENTS, USERS, check
from pipeline.ingest import cells, reasons
from pipeline.ingest.cells import LINE, Check
from pipeline.ingest.config import TableSource

_ANSWERS = {"0": 0, "0.0": 0, "false": 0, "1": 1, "1.0": 1, "true": 1}


@dataclass(frozen=True)
class Ids:
    """How the ids of one kind are read.

    Attributes:
        what: ``user`` or ``item``.
        column: where the raw file keeps them.
        is_text: true for texts that are hashed, false for whole numbers that stay.
    """

    what: str
    column: str
    is_text: bool

    @property
    def value(self) -> pl.Expr:
        """The id, i64."""
        return cells.hashed(self.column) if self.is_text else cells.integer(self.column)

    @property
    def checks(self) -> list[Check]:
        """Where there is no such id, and why."""
        if self.is_text:
            return [(reasons.is_missing(f"{self.what} id"), cells.text(self.column).is_null())]
        is_none = cells.integer(self.column).is_null()
        # Only what is no number is looked at, as this is asked of every row.
        odd = pl.when(is_none).then(pl.col(self.column).cast(pl.String))
        is_long = odd.str.contains(r"^\s*[-+]?[0-9]{19,}\s*$").fill_null(value=False)
        return [
            (reasons.beyond_63_bits(f"{self.what} id"), is_long),
            (reasons.is_not(f"{self.what} id", "a whole number"), is_none),
        ]


def decide_ids(what: str, column: str, first_rows: pl.DataFrame) -> Ids:
    """Whole numbers if most ids of the first rows are, so that a bad one decides nothing; else texts."""
    n_ids, n_numbers = first_rows.select(cells.text(column).count(), cells.integer(column).alias("number").count()).row(0)
    return Ids(what, column, is_text=2 * n_numbers <= n_ids)


def event_checks(config: TableSource, users: Ids, items: Ids, schema: pl.Schema) -> list[Check]:
    """Reasons to reject an event row and where they hold."""
    columns = config.columns
    checks = [*users.checks, *items.checks]
    if columns.order:
        checks.append((reasons.is_not("order", "a whole number"), cells.integer(columns.order).is_null()))
    if columns.time:
        expected = "an ISO 8601 time" if config.time_unit == "iso" else f"a time in {config.time_unit} since 1970"
        checks.append(
            (reasons.is_not("time", expected), cells.timestamp(columns.time, config.time_unit, schema[columns.time]).is_null())
        )
    if columns.feedback and config.positive is None:
        is_known = _lowered(columns.feedback).is_in(list(_ANSWERS)).fill_null(value=False)
        checks.append((reasons.is_not("feedback", "0 or 1"), ~is_known))
    elif columns.feedback:
        checks.append((reasons.is_missing("feedback"), cells.text(columns.feedback).is_null()))
    if columns.value:
        is_optional = columns.feedback is not None
        checks.append(
            (reasons.is_not("value", "a number"), _unfit(columns.value, cells.number(columns.value), is_optional=is_optional))
        )
    if columns.position:
        position = cells.integer(columns.position)
        fits = pl.when(position.is_between(0, 65_535)).then(position)
        checks.append((reasons.is_not("position", "in [0, 65535]"), _unfit(columns.position, fits, is_optional=True)))
    if columns.propensity:
        propensity = cells.number(columns.propensity)
        fits = pl.when((propensity > 0) & (propensity <= 1)).then(propensity)
        checks.append((reasons.is_not("propensity", "in (0, 1]"), _unfit(columns.propensity, fits, is_optional=True)))
    return checks


def to_events(good: pl.DataFrame, config: TableSource, users: Ids, items: Ids, file: str) -> pl.DataFrame:
    """RAW_EVENTS of rows that pass ``event_checks``."""
    columns = config.columns

    def told(name: str | None, as_text: bool = True) -> pl.Expr | None:
        return None if name is None else cells.text(name) if as_text else cells.number(name)

    if columns.feedback is None:
        feedback = cells.number(str(columns.value)) > config.positive_above
    elif config.positive is None:
        feedback = _lowered(columns.feedback).replace_strict(_ANSWERS, default=None, return_dtype=pl.UInt8)
    else:
        feedback = cells.text(columns.feedback).is_in(config.positive)
    values = {
        "user_id": users.value,
        "item_id": items.value,
        "order": cells.integer(columns.order) if columns.order else None,
        "occurred_at": cells.timestamp(columns.time, config.time_unit, good.schema[columns.time]) if columns.time else None,
        "feedback": feedback,
        "value": told(columns.value, as_text=False),
        "request_id": told(columns.request),
        "session_id": told(columns.session),
        "position": cells.integer(columns.position) if columns.position else None,
        "behavior_policy_id": told(columns.policy),
        "propensity": told(columns.propensity, as_text=False),
        "file": pl.lit(file),
        "line": pl.col(LINE),
    }
    return check(good.select(*cells.in_contract(values, RAW_EVENTS)), RAW_EVENTS, file)


def to_items(
    good: pl.DataFrame, ids: Ids, title: str | None, categories: Sequence[str], separator: str | None, attributes: Sequence[str]
) -> pl.DataFrame:
    """ITEMS, one row an item: as its last row describes it."""
    described = good.unique(ids.column, keep="last", maintain_order=True)
    values = {
        "item_id": ids.value,
        "raw_id": cells.text(ids.column),
        "title": cells.text(title) if title else None,
        "categories": cells.categories(categories, separator),
        "attributes": cells.attributes(attributes),
        "is_active": pl.lit(value=True),
    }
    items = described.select(*cells.in_contract(values, ITEMS)).unique("item_id", keep="last", maintain_order=True)
    return check(items, ITEMS, "items")


def to_users(good: pl.DataFrame, ids: Ids, attributes: Sequence[str]) -> pl.DataFrame:
    """USERS, one row a user: as its last row describes it."""
    described = good.unique(ids.column, keep="last", maintain_order=True)
    values = {"user_id": ids.value, "raw_id": cells.text(ids.column), "attributes": cells.attributes(attributes)}
    users = described.select(*cells.in_contract(values, USERS)).unique("user_id", keep="last", maintain_order=True)
    return check(users, USERS, "users")


def _lowered(name: str) -> pl.Expr:
    return pl.col(name).cast(pl.String).str.strip_chars().str.to_lowercase()


def _unfit(name: str, value: pl.Expr, *, is_optional: bool) -> pl.Expr:
    """Where ``value`` is null although the cell tells something; an empty cell is unfit too unless it is optional."""
    return value.is_null() & cells.text(name).is_not_null() if is_optional else value.is_null()
