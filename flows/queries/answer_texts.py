"""An answer as JSON or CSV text: exact, and nothing in it steers a terminal or becomes a formula in a spreadsheet."""

import json
import re
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from pipeline.printable import printable
from pipeline.warehouse.answer import Answer

if TYPE_CHECKING:
    import polars as pl

# What a spreadsheet takes for a formula: it looks behind spaces, and at full-width signs.
_FORMULA = r"^(?:[\t\r\n]|\s*[=+@\-＝＋－＠])"
_NUMBER = r"^[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?$"
# What a terminal obeys in a CSV text, and what of that JSON may write as it is.
_STEERS = "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]"
_STEERS_IN_JSON = re.compile("[\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")


def text_of(answer: Answer, is_json: bool) -> Iterator[str]:
    """An answer as JSON or CSV, piece by piece."""
    if is_json:
        yield from json_parts(answer.frames())
    else:
        for number, frame in enumerate(answer.frames()):
            yield as_csv(frame, with_names=number == 0)


def as_json(rows: "pl.DataFrame") -> str:
    """A list of row objects: decimals are numbers, times ISO 8601 texts, and what is no finite number is null.

    Signs that a terminal would obey stand as their codes, which mean the same in JSON.
    """
    text = rows.cast({name: _in_json(dtype) for name, dtype in rows.schema.items()}).write_json()
    return _STEERS_IN_JSON.sub(lambda sign: f"\\u{ord(sign[0]):04x}", text)


def json_parts(frames: Iterable["pl.DataFrame"]) -> Iterator[str]:
    """The pieces of one list of row objects, a frame at a time."""
    rest = iter(frames)
    held, is_open = next(rest), False
    for frame in rest:
        if held.height:
            yield ("," if is_open else "[") + as_json(held)[1:-1]
            is_open = True
        held = frame
    yield ("," * bool(held.height) + as_json(held)[1:-1] + "]") if is_open else as_json(held)


def _in_json(dtype: Any) -> Any:
    """The type that JSON has for a column; decimals would become texts."""
    import polars as pl

    if isinstance(dtype, pl.Decimal):
        return pl.Float64()
    if isinstance(dtype, pl.List):
        return pl.List(_in_json(dtype.inner))
    if isinstance(dtype, pl.Struct):
        return pl.Struct({field.name: _in_json(field.dtype) for field in dtype.fields})
    return dtype


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


def _json(cell: Any) -> str:
    import polars as pl

    return json.dumps(cell.to_list() if isinstance(cell, pl.Series) else cell, default=str, ensure_ascii=False)
