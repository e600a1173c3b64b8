"""Times of a log by its settings: a unit, ISO text or a format, and the zone of what names none."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, timezone

import polars as pl

from pipeline.columns import TIMESTAMP
from pipeline.ingest import cells, reasons
from pipeline.ingest.cells import Check

_OFFSET = re.compile(r"([+-])(\d\d):?(\d\d)")
_ZONED = r"(?i)(?:z|[+-]\d\d:?(?:\d\d)?)$"
# Directives of strptime by which a format has hours or more, and those by which it has a zone of its own.
_LONE_HOURS, _MINUTES = ("%H", "%I", "%k", "%l"), ("%M", "%T", "%X", "%R", "%r", "%c", "%s", "%+")
_HOURS, _ZONE = ("%H", "%I", "%k", "%l", "%T", "%X", "%R", "%r", "%c", "%s", "%+"), ("%z", "%Z", "%:z", "%#z", "%+", "%s")


def offset_of(text: str) -> timedelta:
    """How far the clocks of a zone are ahead of UTC: ``+08:00``.

    Raises:
        ValueError: it is no such text.
    """
    found = _OFFSET.fullmatch(text)
    if not found or int(found[2]) > 14 or int(found[3]) > 59:
        raise ValueError("an offset is written +08:00 or -05:30, from -14:00 to +14:00")
    size = timedelta(hours=int(found[2]), minutes=int(found[3]))
    return -size if found[1] == "-" else size


@dataclass(frozen=True)
class Clock:
    """How a log writes its times.

    Attributes:
        unit: ``s``, ``ms`` or ``us`` since 1970, or ``iso`` for text.
        form: a format of strptime that goes before the unit.
        offset: how far the clocks of times without a zone are ahead of UTC.
        first_day, last_day: the days by these clocks that the log is of; None for any.
    """

    unit: str
    form: str | None = None
    offset: timedelta = timedelta()
    first_day: date | None = None
    last_day: date | None = None

    def read(self, name: str, dtype: pl.DataType) -> pl.Expr:
        """The cell as a time in UTC, null where it is none."""
        if dtype.is_temporal():
            at = cells.timestamp(name, self.unit, dtype)
            has_zone = isinstance(dtype, pl.Datetime) and dtype.time_zone is not None
            return at if has_zone or not self.offset else at - self.offset
        if self.form:
            return self._by_format(name, self.form)
        at = cells.timestamp(name, self.unit, dtype)
        if self.unit != "iso" or not self.offset:
            return at
        has_clock = cells.stripped(name).str.contains(":", literal=True)
        return pl.when(has_clock & cells.stripped(name).str.contains(_ZONED)).then(at).otherwise(at - self.offset)

    def _by_format(self, name: str, form: str) -> pl.Expr:
        cell = cells.stripped(name)
        if any(mark in form for mark in _LONE_HOURS) and not any(mark in form for mark in _MINUTES):
            cell, form = cell + " 00", form + " %M"  # strptime wants the minutes
        if any(mark in form for mark in _ZONE):
            return cell.str.strptime(TIMESTAMP, form, strict=False)
        kind = pl.Datetime("us") if any(mark in form for mark in _HOURS) else pl.Date()
        plain = cell.str.strptime(kind, form, strict=False).cast(pl.Datetime("us"))
        return plain.dt.replace_time_zone("UTC") - self.offset

    def outside(self, at: pl.Expr) -> Sequence[Check]:
        """Where a time is of none of the days that the log is of."""
        zone = timezone(self.offset)
        bounds = []
        if self.first_day:
            bounds.append(at < pl.lit(datetime.combine(self.first_day, time(), zone).astimezone(UTC)))
        if self.last_day:
            bounds.append(at >= pl.lit(datetime.combine(self.last_day + timedelta(days=1), time(), zone).astimezone(UTC)))
        return [(reasons.OTHER_DAY, pl.any_horizontal(bounds).fill_null(value=False))] if bounds else []

    @property
    def expected(self) -> str:
        """What a cell has to be, in words."""
        if self.form:
            return f"a time as {self.form}"
        return "an ISO 8601 time" if self.unit == "iso" else f"a time in {self.unit} since 1970"


def require_format(form: str) -> None:
    """Refuse a format of times that does not read what it writes.

    Raises:
        ValueError: it is none, or leaves out the year, the month or the day.
    """
    moment = datetime(2021, 11, 27, 13, 45, 59, tzinfo=UTC)
    try:
        written = pl.Series([moment]).dt.to_string(form)
        read = pl.DataFrame({"at": written}).select(Clock("iso", form).read("at", pl.String()))["at"][0]
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException):
        read = None
    if read is None or read.date() != moment.date():
        raise ValueError('no format of dates; write it as strptime does, with year, month and day, such as "%d/%m/%Y %H:%M"')
