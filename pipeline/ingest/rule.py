"""The rule of ``positive_where``: a SQL condition on columns that are read as numbers."""

from collections.abc import Sequence
from functools import lru_cache

import polars as pl


@lru_cache(16)
def condition(rule: str) -> tuple[pl.Expr, Sequence[str]]:
    """The rule as an expression, and the columns that it reads.

    Raises:
        ValueError: it is no condition.
    """
    try:
        expression = pl.sql_expr(rule)
        columns = list(dict.fromkeys(expression.meta.root_names()))
    except pl.exceptions.PolarsError as error:
        raise ValueError(f"no SQL condition ({str(error).splitlines()[0][:120]}); write it as in is_click = 1") from error
    return expression, columns


def require_rule(rule: str) -> None:
    """Refuse a rule that is no condition on the numbers of a row.

    Raises:
        ValueError: it is none, reads no column, or asks of other rows too.
    """
    expression, columns = condition(rule)
    rows = pl.DataFrame({name: [0.5, 1.0, 2.0] for name in columns}, schema=dict.fromkeys(columns, pl.Float64()))
    try:
        found = rows.select(expression.alias("is_positive"))["is_positive"] if columns else None
        alone = pl.concat([row.select(expression.alias("is_positive")) for row in rows.iter_slices(1)]) if columns else None
    except pl.exceptions.PolarsError as error:
        raise ValueError(
            f"no condition on numbers ({str(error).splitlines()[0][:120]}); columns are numbers; for texts set columns.feedback and positive"
        ) from error
    if found is None or alone is None or found.dtype != pl.Boolean:
        raise ValueError(
            "no condition; write one on columns of the file, such as is_click = 1 OR play_time_ms > 0.8 * duration_ms"
        )
    if not found.equals(alone["is_positive"]):
        raise ValueError("it asks of other rows too; write a condition on the columns of a row")
