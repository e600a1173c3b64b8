"""Columns of any log to the canonical columns: which cell becomes what, and which rows are rejected."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import NamedTuple

import polars as pl

from pipeline.contracts import ITEMS, RAW_EVENTS, USERS, check
from pipeline.ingest import cells, reasons
from pipeline.ingest.answers import answer, canonical
from pipeline.ingest.cells import LINE, OWN, Check
from pipeline.ingest.identity import Identity
from pipeline.ingest.ids import Ids
from pipeline.ingest.rule import condition
from pipeline.ingest.shape import REQUEST, PlainColumns, plain_columns
from pipeline.ingest.table_config import TableSource
from pipeline.ingest.times import Clock

_TIME = OWN + "time"
_ANSWER = OWN + "answer"
_RULE = OWN + "rule"
_DAWN = datetime(1971, 1, 1, tzinfo=UTC)


def identity_of(config: TableSource) -> Identity:
    """What distinguishes rows of the same user, item and time (or order): the columns that the source names, else all mapped ones."""
    columns = {
        "feedback": "behavior",
        "value": "value",
        "request": "request_id",
        "session": "session_id",
        "position": "position",
        "policy": "behavior_policy_id",
        "propensity": "propensity",
        "time": "occurred_at",
    }
    plain = plain_columns(config)
    # A request that is only the row's number would tell a slate that comes again from its first coming.
    mapped = [name for name in columns if getattr(plain, name) is not None and getattr(plain, name) != REQUEST]
    names = [name for name in mapped if not isinstance(config.identity, list) or name in config.identity]
    if not plain.order:  # time is in the key already
        names = [name for name in names if name != "time"]
    return Identity(tuple(columns[name] for name in names), tuple(names), is_row=config.identity == "row")


def read_events(rows: pl.DataFrame, config: TableSource, users: Ids, items: Ids) -> pl.DataFrame:
    """The rows with their ids, times and answers read, in columns of our own; null where a cell is none."""
    columns = plain_columns(config)
    rows = items.read(users.read(rows))
    if columns.time:
        rows = rows.with_columns(config.clock.read(columns.time, rows.schema[columns.time]).alias(_TIME))
    if columns.feedback:
        given = answer(columns.feedback)
        rows = rows.with_columns((given.fill_null("0") if config.blank_is_no else given).alias(_ANSWER))
    if config.positive_where:
        expression, names = condition(config.positive_where)
        numbers = rows.select(cells.number(name).cast(pl.Float64).alias(name) for name in names)
        rows = rows.with_columns(numbers.select(expression.alias(_RULE))[_RULE])
    return rows


def event_checks(rows: pl.DataFrame, config: TableSource, users: Ids, items: Ids) -> list[Check]:
    """Reasons to reject rows of ``read_events`` and where they hold."""
    columns = plain_columns(config)
    checks = [*users.checks(rows), *items.checks(rows)]
    if columns.order:
        order = cells.whole(columns.order, rows.schema[columns.order])
        checks.append((reasons.is_not("order", "a whole number"), order.is_null()))
    if columns.time:
        checks += _time_checks(rows, columns.time, config.clock)
    checks += _answer_checks(config, columns)
    if columns.value:
        is_optional = config.positive_above is None or config.blank_is_no
        checks.append(
            (reasons.is_not("value", "a number"), _unfit(columns.value, cells.number(columns.value), is_optional=is_optional))
        )
    if columns.position:
        position = cells.whole(columns.position, rows.schema[columns.position])
        fits = pl.when(position.is_between(0, 65_535)).then(position)
        checks.append((reasons.is_not("position", "in [0, 65535]"), _unfit(columns.position, fits, is_optional=True)))
    if columns.propensity:
        propensity = cells.number(columns.propensity)
        fits = pl.when((propensity > 0) & (propensity <= 1)).then(propensity)
        checks.append((reasons.is_not("propensity", "in (0, 1]"), _unfit(columns.propensity, fits, is_optional=True)))
    return checks


def _answer_checks(config: TableSource, columns: PlainColumns) -> list[Check]:
    """Where there is no answer, or none that the settings know."""
    is_decided = config.positive == "all" or config.positive_where is not None
    checks: list[Check] = []
    if config.positive_where and not config.blank_is_no:
        checks.append((reasons.NO_RULE, pl.col(_RULE).is_null()))
    if columns.feedback and not is_decided and config.positive is None:
        checks.append((reasons.is_not("feedback", "0 or 1"), ~pl.col(_ANSWER).is_in(["0", "1"]).fill_null(value=False)))
    elif columns.feedback and not is_decided:
        checks.append((reasons.is_missing("feedback"), pl.col(_ANSWER).is_null()))
    if config.grades:
        is_graded = pl.col(_ANSWER).is_in([canonical(text) for text in config.grades]).fill_null(value=False)
        checks.append((reasons.is_not("feedback", "an answer of source.grades"), ~is_graded))
    return checks


def _time_checks(rows: pl.DataFrame, name: str, clock: Clock) -> list[Check]:
    """Where there is no time. The unit that a cell would fit is asked only where some are none, or lie about 1970."""
    times, dtype = rows[_TIME], rows.schema[name]
    first = times.min()
    unit, is_counted = clock.unit, clock.form is None
    is_early = is_counted and unit in ("ms", "us") and isinstance(first, datetime) and first < _DAWN and not dtype.is_temporal()
    outside = clock.outside(pl.col(_TIME))
    if not (times.null_count() or is_early):
        return [*outside]
    missing = pl.col(_TIME).is_null()
    checks: list[Check] = []
    if dtype == pl.Float32:
        checks.append((reasons.SINGLE_TIME, missing & pl.col(name).is_finite()))
    elif is_counted and not dtype.is_temporal():
        unfit = missing | (pl.col(_TIME) < _DAWN) if is_early else missing
        fitting = cells.fitting_unit(name, unit)
        for found in ("s", "ms", "us", "ns"):
            checks.append((reasons.is_in_other_unit(unit, found), (unfit & (fitting == found)).fill_null(value=False)))
    return [*checks, (reasons.is_not("time", clock.expected), missing), *outside]


def to_events(good: pl.DataFrame, config: TableSource, users: Ids, items: Ids, file: str) -> pl.DataFrame:
    """RAW_EVENTS of rows of ``read_events`` that pass ``event_checks``."""
    columns = plain_columns(config)

    def cell(name: str | None, as_text: bool = True) -> pl.Expr | None:
        return None if name is None else cells.text(name) if as_text else cells.number(name)

    def whole(name: str | None) -> pl.Expr | None:
        return cells.whole(name, good.schema[name]) if name else None

    feedback = _feedback(config, columns)
    as_text = pl.when(feedback).then(pl.lit("1")).otherwise(pl.lit("0"))
    values = {
        "user_id": users.value,
        "item_id": items.value,
        "order": whole(columns.order),
        "occurred_at": pl.col(_TIME) if columns.time else None,
        "feedback": feedback,
        "behavior": pl.when(pl.col(_ANSWER) != as_text).then(pl.col(_ANSWER)) if columns.feedback else None,
        "value": _grade(config.grades) if config.grades else cell(columns.value, as_text=False),
        "request_id": cell(columns.request),
        "session_id": cell(columns.session),
        "position": whole(columns.position),
        "behavior_policy_id": cell(columns.policy),
        "propensity": cell(columns.propensity, as_text=False),
        "file": pl.lit(file),
        "line": pl.col(LINE),
    }
    return check(good.select(*cells.in_contract(values, RAW_EVENTS)), RAW_EVENTS, file)


def _feedback(config: TableSource, columns: PlainColumns) -> pl.Expr:
    """Whether an event is positive, by the setting that decides it."""
    if config.positive_where:
        return pl.col(_RULE).fill_null(value=False)
    if config.positive == "all":
        return pl.lit(value=True)
    if columns.feedback is None:
        return (cells.number(str(columns.value)) > config.positive_above).fill_null(value=False)
    return pl.col(_ANSWER).is_in([canonical(text) for text in config.positive or ["1"]])


def _grade(grades: Mapping[str, float]) -> pl.Expr:
    values = {canonical(text): value for text, value in grades.items()}
    return pl.col(_ANSWER).replace_strict(values, default=None, return_dtype=pl.Float32())


class ItemDescription(NamedTuple):
    """Columns that describe items.

    Attributes:
        title: the column of the name for people.
        categories: columns of the categories, coarsest first.
        separator: what separates several categories in a cell.
        attributes: all other columns.
    """

    title: str | None
    categories: Sequence[str]
    separator: str | None
    attributes: Sequence[str]


def to_items(good: pl.DataFrame, ids: Ids, columns: ItemDescription) -> pl.DataFrame:
    """ITEMS, one row an item: as its last row describes it."""
    described = _described(good, ids, [*columns.categories, *columns.attributes, *([columns.title] if columns.title else [])])
    values = {
        "item_id": ids.value,
        "raw_id": cells.id_text(ids.column, good.schema[ids.column]),
        "title": cells.text(columns.title) if columns.title else None,
        "categories": cells.categories(columns.categories, columns.separator),
        "attributes": cells.attributes(columns.attributes),
        "is_active": pl.lit(value=True),
    }
    return check(described.select(*cells.in_contract(values, ITEMS)), ITEMS, "items")


def to_users(good: pl.DataFrame, ids: Ids, attributes: Sequence[str]) -> pl.DataFrame:
    """USERS, one row a user: as its last row describes it."""
    described = _described(good, ids, attributes)
    values = {
        "user_id": ids.value,
        "raw_id": cells.id_text(ids.column, good.schema[ids.column]),
        "attributes": cells.attributes(attributes),
    }
    return check(described.select(*cells.in_contract(values, USERS)), USERS, "users")


def _described(good: pl.DataFrame, ids: Ids, columns: Sequence[str]) -> pl.DataFrame:
    """The last row of each id, with what describes it."""
    return good.select(list(dict.fromkeys([ids.own, ids.column, *columns]))).unique(ids.own, keep="last", maintain_order=True)


def _unfit(name: str, value: pl.Expr, *, is_optional: bool) -> pl.Expr:
    """Where ``value`` is null although the cell is not empty; an empty cell is unfit too unless it is optional."""
    return value.is_null() & cells.text(name).is_not_null() if is_optional else value.is_null()
