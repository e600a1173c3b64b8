"""What the cells of a column are: times in which unit, answers, grades, places within a user."""

import re
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import polars as pl

from pipeline.ingest.date_formats import format_in
from pipeline.ingest.times import Clock, require_format

# Seconds since 1970 of 1979 and 2103, between which counted times of logs lie.
_LEAST, _MOST = 300_000_000, 4_200_000_000
_FROM_2030 = 1_900_000_000
_UNITS = (("s", 1), ("ms", 1_000), ("us", 1_000_000))
_NEARLY_ALL = 0.95
_ISO = re.compile(r"\d{4}-\d\d-\d\d([T ]\d\d:\d\d.*)?$")
_CLOCK = re.compile(r"(?i)\d{1,2}:\d\d(:\d\d([.,]\d+)?)?( ?[ap]m)?")
_ZONED = re.compile(r"(?i)(z|utc|[+-]\d\d:?(\d\d)?)$")
# What may stand around a date: an hour alone, a zone, the day of the week.
_AROUND = ("{}", "{} %H", *(f"{day}{{}}{zone}" for day in ("", "%a, ") for zone in (" UTC", " GMT", "Z", " %z", "%z")))
_YES = frozenset(
    (
        *("1", "true", "yes", "y", "t", "like", "liked", "love", "click", "clicked", "buy", "bought", "purchase"),
        *("purchased", "order", "ordered", "cart", "add_to_cart", "addtocart", "fav", "favorite", "favourite", "save"),
        *("saved", "share", "shared", "follow", "download", "subscribe", "transaction", "conversion", "positive", "pos"),
        *("up", "thumbs_up", "upvote", "play", "complete", "completed", "checkout", "accept", "accepted", "comment"),
        *("bookmark", "add", "listen", "watch", "watched", "read", "stream"),
    )
)
_NO = frozenset(
    (
        *("0", "-1", "false", "no", "n", "f", "pv", "view", "viewed", "impression", "impressions", "show", "shown", "skip"),
        *("skipped", "dislike", "disliked", "hate", "ignore", "ignored", "none", "null", "negative", "neg", "down"),
        *("thumbs_down", "downvote", "remove", "removed", "remove_from_cart", "return", "returned", "page_view"),
        *("pageview", "display", "exposure"),
    )
)
_SCALES = ((1.0, 0.5), (5.0, 3.0), (10.0, 6.0), (100.0, 60.0))


@dataclass(frozen=True)
class TimeForm:
    """How a column writes times.

    Attributes:
        settings: of the source.
        doubts: what is uncertain, a sentence each.
        has_own_start: whether they count from a start of their own and not from 1970.
    """

    settings: dict[str, Any]
    doubts: tuple[str, ...] = ()
    has_own_start: bool = False

    def has_days_alone(self, values: Sequence[str]) -> bool:
        """Whether the cells are days without a time of the day."""
        form = self.settings.get("time_format", "")
        if self.settings.get("time_unit", "iso") != "iso":
            return False
        return not any(mark in form for mark in ("%H", "%I")) and not any(":" in value for value in values)


def time_form(values: Sequence[str], *, is_named: bool) -> TimeForm | None:
    """How times are written; None where the cells are none.

    Args:
        values: cells that are not blank.
        is_named: whether the column is named like a time, so that counts from an own start and packed dates are times as well.
    """
    if not values:
        return None
    numbers = _numbers(values)
    if numbers is not None:
        if _FROM_2030 <= min(numbers) < _MOST and (form := _read_by_format(values)):  # 2023111422 is no second of 2034
            return form
        for unit, factor in _UNITS:
            if sum(_LEAST * factor <= number < _MOST * factor for number in numbers) >= _NEARLY_ALL * len(numbers):
                return TimeForm({"time_unit": unit})
        if not is_named:
            return None
        if form := _read_by_format(values):
            return form
        if min(numbers) >= 0 and max(numbers) < _LEAST and not all(1900 <= number <= 2100 for number in numbers):
            return TimeForm(
                {"time_unit": "s"},
                ("its numbers are no times since 1970; they were taken for seconds from an own start",),
                has_own_start=True,
            )
        return None
    if sum(bool(_ISO.match(value)) for value in values) >= _NEARLY_ALL * len(values) and _share_read(Clock("iso"), values):
        return TimeForm({"time_unit": "iso"}, () if _ZONED.search(values[0][10:]) else _zone_doubt())
    return _read_by_format(values)


def is_clock(name: str, values: Sequence[str]) -> bool:
    """Whether a column holds times of the day: 22:13:20, 10:13 PM, or hours in a column that is named so."""
    if re.search(r"(?i)hour|^time$|clock", name) and values and all(re.fullmatch(r"\d{1,2}", value) for value in values):
        return max(map(int, values)) < 24
    return bool(values) and sum(bool(_CLOCK.fullmatch(value)) for value in values) >= _NEARLY_ALL * len(values)


def _zone_doubt() -> tuple[str, ...]:
    return ('times name no zone and were read as UTC; else set utc_offset, such as "+02:00"',)


def _read_by_format(values: Sequence[str]) -> TimeForm | None:
    date = format_in(values)
    form = next((form for around in _AROUND if date and _reads(form := around.format(date), values)), None)
    if date is None or form is None:
        return None
    doubts: tuple[str, ...] = () if any(zone in form for zone in ("UTC", "GMT", "Z", "%z")) else _zone_doubt()
    if "%d" in form and "%m" in form and not form.startswith("%Y"):
        other = form.replace("%d", "%\0").replace("%m", "%d").replace("%\0", "%m")
        if _share_read(Clock("iso", other), values):
            doubts = (f"day and month cannot be told apart: read as {form}, and {other} reads them too", *doubts)
    return TimeForm({"time_format": form}, doubts)


def _reads(form: str, values: Sequence[str]) -> bool:
    """Whether a format is one, and reads nearly all values."""
    try:
        require_format(form)
    except ValueError:
        return False
    return _share_read(Clock("iso", form), values)


def _share_read(clock: Clock, values: Sequence[str]) -> bool:
    frame = pl.DataFrame({"at": list(values)})
    return frame.select(clock.read("at", pl.String()))["at"].null_count() <= (1 - _NEARLY_ALL) * len(values)


def _numbers(values: Sequence[str]) -> list[float] | None:
    """The cells as numbers, if nearly all are."""
    found = []
    for value in values:
        try:
            found.append(float(value))
        except ValueError:
            continue
    return found if found and len(found) >= _NEARLY_ALL * len(values) else None


@dataclass(frozen=True)
class Answer:
    """What is positive: settings of the source, which column role holds it, and what is uncertain."""

    role: str
    settings: dict[str, Any]
    doubts: tuple[str, ...] = ()


def answer_form(values: Sequence[str], *, is_value: bool) -> Answer | None:
    """Which answers are positive; None where the cells are neither few words nor numbers.

    Args:
        values: cells that are not blank.
        is_value: whether the column is named like a grade.
    """
    if not values:
        return None
    words = sorted(set(values), key=values.index)
    numbers = _numbers(values)
    is_graded = numbers is not None and (is_value or min(numbers) >= 0)
    if numbers is not None and {float(word) for word in words if _numbers([word])} <= {0.0, 1.0}:
        doubts = () if len(words) > 1 else (f"the first rows have one answer alone, {words[0]}; 1 was taken for a positive",)
        return Answer("feedback", {"positive": ["1"]}, doubts)
    if is_graded and numbers is not None:
        return _graded(numbers)
    if len(words) > 30:
        return None
    yes = [word for word in words if word.lower() in _YES]
    unknown = [word for word in words if word.lower() not in _YES | _NO]
    if not yes and not unknown:
        return Answer(
            "feedback",
            {"positive": words},
            (f"none of the answers {', '.join(words)} sounds positive; all were taken, mend positive",),
        )
    doubts = ()
    if unknown and yes:
        doubts = (f"whether {', '.join(unknown)} is positive; only {', '.join(yes)} was taken, mend positive",)
    elif unknown:
        yes = unknown[-1:]
        doubts = (f"which of the answers {', '.join(words)} are positive; {yes[0]} was taken, mend positive",)
    elif len(words) > 1:
        doubts = (f"positive are {', '.join(yes)}, and not {', '.join(word for word in words if word not in yes)}",)
    return Answer("feedback", {"positive": yes}, doubts)


def _graded(numbers: Sequence[float]) -> Answer:
    top = max(numbers)
    for most, above in _SCALES:
        if min(numbers) >= 0 and top <= most and (most > 1 or top <= 1):
            return Answer("value", {"positive_above": above}, (f"grades go to {top:g}; above {above:g} was taken for positive",))
    above = statistics.median(numbers)
    return Answer(
        "value",
        {"positive_above": above},
        (f"grades have no scale that is known; above their median, {above:g}, was taken for positive",),
    )


def is_few(values: Sequence[str]) -> bool:
    """Whether a column has few values, as answers and grades have."""
    few = len(set(values))
    return few <= 12 and (
        few < len(values) / 4 or all(value.lower() in _YES | _NO or re.fullmatch(r"\d(\.\d)?", value) for value in values)
    )


def is_place_within(users: Sequence[str], places: Sequence[str]) -> bool:
    """Whether whole numbers tell the place of a row within its user: none comes twice."""
    if not all(re.fullmatch(r"\d{1,9}", place) for place in places) or len(users) != len(places):
        return False
    pairs = list(zip(users, places, strict=True))
    return len(set(pairs)) == len(pairs) and len(set(users)) < len(users)


def means_no(answer: str) -> bool:
    """Whether an answer is a word or number of a no."""
    return answer.strip().lower() in _NO


def is_answer(text: str) -> bool:
    """Whether a text is a number or a word that answers are given by."""
    return text.strip().lower() in _YES | _NO or _numbers([text]) is not None


def is_sorted(values: Sequence[str]) -> bool:
    """Whether the cells rise from row to row."""
    return all(before <= after for before, after in pairwise(values))
