"""Which format of strptime reads the dates that stand in some texts."""

import re
from collections.abc import Sequence

_CLOCK = r"(?:[ T](\d{1,2}):\d\d(:\d\d([.,]\d+)?)?( ?[AaPp][Mm])?)?"
_NUMBERS = re.compile(rf"(?<!\d)(\d{{1,4}})([/.-])(\d{{1,2}})\2(\d{{2,4}})(?!\d){_CLOCK}")
_MONTHS = "Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec"
_NAMED = re.compile(rf"(?<!\d)(\d{{1,2}})([ /-])(?:{_MONTHS})[a-z]*\2(\d{{4}})(?!\d){_CLOCK}")
_PACKED = re.compile(r"(?<!\d)(?:19|20)\d\d(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])((?:\d\d){1,3})?(?!\d)")


def format_in(texts: Sequence[str]) -> str | None:
    """The format of the dates in the texts, if more than half of them hold one; of 3/4/2020 the day goes first unless that cannot be."""
    for pattern, form_of in ((_NUMBERS, _of_numbers), (_NAMED, _of_named), (_PACKED, _of_packed)):
        found = [match for text in texts if (match := pattern.search(text))]
        if texts and 2 * len(found) > len(texts) and (form := form_of(found)):
            return form
    return None


def _of_numbers(found: Sequence[re.Match[str]]) -> str | None:
    mark = found[0][2]
    if all(len(match[1]) == 4 for match in found):
        return f"%Y{mark}%m{mark}%d{_clock(found, 5)}"
    year = "%Y" if all(len(match[4]) == 4 for match in found) else "%y"
    first, second = (max(int(match[group]) for match in found) for group in (1, 3))
    if first > 31 or second > 31 or (first > 12 and second > 12):
        return None
    days = ("%m", "%d") if second > 12 else ("%d", "%m")
    return f"{days[0]}{mark}{days[1]}{mark}{year}{_clock(found, 5)}"


def _of_named(found: Sequence[re.Match[str]]) -> str:
    mark = found[0][2]
    is_long = any(re.search(r"[A-Za-z]{4,}", match[0]) for match in found)
    return f"%d{mark}{'%B' if is_long else '%b'}{mark}%Y{_clock(found, 4)}"


def _of_packed(found: Sequence[re.Match[str]]) -> str:
    lengths = {len(match[1] or "") for match in found}
    return {6: "%Y%m%d%H%M%S", 4: "%Y%m%d%H%M", 2: "%Y%m%d%H"}.get(min(lengths) if len(lengths) == 1 else 0, "%Y%m%d")


def _clock(found: Sequence[re.Match[str]], group: int) -> str:
    """The format of the time of day behind the dates; ``group`` is that of its hours."""
    with_clock = [match for match in found if match[group]]
    if 2 * len(with_clock) <= len(found):
        return ""
    first = with_clock[0]
    between = "T" if "T" in first[0] else " "
    fraction = first[group + 2] or ""
    seconds = (":%S" if first[group + 1] else "") + (
        f",%{len(fraction) - 1}f" if fraction[:1] == "," else "%.f" if fraction else ""
    )
    half = (first[group + 3] or "").replace(first[group + 3].strip(), "%p") if first[group + 3] else ""
    return f"{between}{'%I' if half else '%H'}:%M{seconds}{half}"
