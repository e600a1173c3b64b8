from typing import Any

from benchmarks.scale_page import page


def night(n_events: int, so_far: int, *, ids: float, ingest: float = 10.0, aside: bool = False) -> dict[str, Any]:
    """A night of 90 users: 10 CPU s of the stage that spreads, 4 + ``ids`` of the others; 100 MB of libraries and 900 more."""
    costs = {
        "check stored files": (0.0, 100.0),
        "ingest and records": (ingest, 200.0),
        "semantic ids": (ids, 1000.0),
        "audits and publish": (4.0, 600.0),
        "all": (14.0 + ids, 1000.0),
    }
    disk = {"all": 9.0, "events": 1.0, "records": 2.0, "user states": 1.0}
    rows = {"all": 100, "files": 2, "columns of files": 20}
    return {
        "n_events": n_events,
        "so_far": so_far,
        "costs": costs,
        "disk": disk,
        "catalogue": rows,
        "n_users": 90,
        "aside": aside,
    }


def measured(*nights: dict[str, Any]) -> dict[str, Any]:
    """What the benchmark notes of these nights."""
    about = {"users": 90, "items": 5, "slate": 1, "date": "2026-01-01", "version": "1", "cores": 2, "asked": [450, 450]}
    return about | {"nights": list(nights)}


def test_kuaishous_day_is_the_last_night_like_it_multiplied() -> None:
    """450 events are a millionth of the day: 14 + 6 CPU s become 20 million, of which 10 million are spread."""
    text = page(measured(night(450, 450, ids=90.0), night(50, 500, ids=5.0, aside=True), night(450, 900, ids=6.0)))
    assert "1,000,000.0 times the night that ended at 900 events" in text
    assert "| semantic ids | 6,000,000 | 878,906.3 |" in text  # 100 MB + 900 million MB, in GB of 1,024
    assert "The other stages run in one process: 10,000,000 s of a core" in text
    assert "these stages are to be spread next" in text
    assert "- One more day of 50 onto 450: 18.3% of the CPU seconds that these took." in text  # 19 of 104
    assert "| 50* | 500 | 90 | 19.0 |" in text


def test_without_a_night_like_the_day_nothing_is_worked_out() -> None:
    assert "Kuaishou" not in page(measured(night(450, 450, ids=90.0), night(50, 500, ids=5.0)))
