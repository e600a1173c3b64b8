"""Times in the forms that logs of other systems have, and what is said where none is known."""

import tomllib
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest

from pipeline.errors import SourceError
from pipeline.ingest.guess.propose import propose

START = datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC)


def write(folder: Path, time: Callable[[datetime], str], name: str = "event_time") -> Path:
    path = folder / "log.csv"
    rows = [f'{at % 9},{at % 7},"{time(START + timedelta(minutes=61 * at))}",{at % 2}\n' for at in range(60)]
    path.write_text(f"user,item,{name},clicked\n" + "".join(rows))
    return path


@pytest.mark.parametrize(
    ("time", "form", "first"),
    [
        (lambda at: f"{at:%Y-%m-%d %H:%M:%S} UTC", "%Y-%m-%d %H:%M:%S UTC", START),
        (lambda at: f"{at:%Y-%m-%d %H}", "%Y-%m-%d %H", START.replace(minute=0, second=0)),
        (lambda at: f"{at:%d/%m/%Y %H:%M:%S} +0000", "%d/%m/%Y %H:%M:%S %z", START),
        (lambda at: f"{at:%Y-%m-%d %H:%M:%S},123", "%Y-%m-%d %H:%M:%S,%3f", START.replace(microsecond=123_000)),
        (lambda at: format_datetime(at, usegmt=True), "%a, %d %b %Y %H:%M:%S GMT", START),
        (lambda at: f"{at:%Y%m%d%H%M}", "%Y%m%d%H%M", START.replace(second=0)),
        (lambda at: f"{at:%Y%m%d%H}", "%Y%m%d%H", START.replace(minute=0, second=0)),
        (lambda at: f"{at:%Y%m%d}", "%Y%m%d", START.replace(hour=0, minute=0, second=0)),
    ],
)
def test_a_form_of_times_is_seen(tmp_path: Path, time: Callable[[datetime], str], form: str, first: datetime) -> None:
    found = propose([write(tmp_path, time)], tmp_path)
    assert tomllib.loads(found.text)["source"]["time_format"] == form
    assert found.trial.n_rejected == 0 and found.trial.rows["occurred_at"][0] == first
    names_zone = any(mark in form for mark in ("UTC", "GMT", "%z"))
    assert names_zone != any("times name no zone" in doubt for doubt in found.doubts)


@pytest.mark.parametrize(
    "time",
    [
        lambda at: f"{at:%Y-%m-%d %H:%M:%S}" if at.minute % 2 else f"{at.timestamp():.0f}",
        lambda at: f"{at:%d %m of %Y}",
        lambda at: f"{at:%Y}",
        lambda at: f"9{at:%y%m%d%H%M}00",
    ],
)
def test_a_column_of_times_that_no_form_reads_is_named(tmp_path: Path, time: Callable[[datetime], str]) -> None:
    """Years are neither times nor seconds from a start of their own, which would be 33 minutes."""
    with pytest.raises(SourceError, match=rf"column event_time is named like a time, but {time(START)}.* time_format"):
        propose([write(tmp_path, time)], tmp_path)


@pytest.mark.parametrize(
    ("header", "clock"),
    [
        ("date,time", lambda at: f"{at:%H:%M:%S}"),
        ("time,date", lambda at: f"{at:%H:%M}"),
        ("date,hour", lambda at: f"{at.hour}"),
        ("date,time", lambda at: f"{at.hour}"),
        ("date,start_clock", lambda at: f"{at:%I:%M %p}"),
    ],
)
@pytest.mark.parametrize("day", ["%Y-%m-%d", "%d/%m/%Y", "%Y%m%d"])
def test_a_clock_in_a_column_of_its_own_is_named_and_no_row_is_lost(
    tmp_path: Path, header: str, clock: Callable[[datetime], str], day: str
) -> None:
    """A user meets an item at 2 and at 3 on the same day: two events, which the day alone would make one."""
    log, times = tmp_path / "log.csv", [START + timedelta(hours=at % 2, days=at // 2) for at in range(60)]
    cells = [{"date": f"{at.strftime(day)}", "clock": clock(at)} for at in times]
    names = ["date" if name == "date" else "clock" for name in header.split(",")]
    rows = [f"{at // 2 % 7},{at // 2 % 9},{','.join(cells[at][name] for name in names)},1\n" for at in range(60)]
    log.write_text(f"user,item,{header},clicked\n" + "".join(rows))
    found = propose([log], tmp_path)
    source, other = tomllib.loads(found.text)["source"], header.replace("date", "").strip(",")
    assert (source["columns"]["time"], source["identity"]) == ("date", "row") and found.trial.n_events == 60
    assert any(f"{other} was not used" in doubt and "of a day" in doubt for doubt in found.doubts)
