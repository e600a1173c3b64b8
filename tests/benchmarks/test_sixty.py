"""The page of the sixty nights, from nights whose figures are known."""

from pathlib import Path

from benchmarks.sixty.night import Night, Played
from benchmarks.sixty.report import report


def nights(n: int) -> list[Night]:
    """A refresh costs 10 CPU seconds every night, a retrain as many as nights have passed; a week adds 7 MB."""
    return [
        Night(
            date=f"2026-01-{number:02d}",
            states=["COMPLETED"] * (4 if number % 7 == 0 else 2),
            cpu_seconds=(10.0, float(number)),
            megabytes=(100.0 + number, 1.0),
            catalogue_rows=5000,
            n_checked=11,
            n_broken=int(number == 3),
            has_upkeep=number % 7 == 0,
        )
        for number in range(1, n + 1)
    ]


def played(n: int) -> Played:
    """So many of 21 nights."""
    return Played(
        "python -m benchmarks.sixty", "2026-01-31", "0.2.0", "3.11.7", 2, (1.0, 2.0), 21, 0, nights(n), ["night 3: a\nb"]
    )


def test_what_a_night_adds_is_the_slope_over_calm_nights_and_over_weeks() -> None:
    text = report(played(21))
    assert "| refresh, CPU s | +0.000 | +0.00% |" in text or "| refresh, CPU s | -0.000 | -0.00% |" in text
    assert "| retrain, CPU s | +1.000 |" in text  # over the 18 nights that are calm
    assert "| warehouse, MB | +1.000 | +0.88% |" in text  # of 114 MB, the mean of nights 7, 14 and 21
    assert "Calm nights, of one refresh and one retrain by schedule: 18." in text


def test_faults_and_what_was_not_done_are_said() -> None:
    text = report(played(9))
    assert "Faults: 1.\n- night 3: a b\n" in text and "99, of which 1 did not hold" in text
    assert "9 of 21 nights" in text and "the run was cut short" in text
    assert "| warehouse, MB |" not in text.partition("Every night:")[0].partition("a night more")[2]  # a line needs three weeks


def test_a_page_is_made_again_from_what_was_kept(tmp_path: Path) -> None:
    played(9).save(tmp_path / "nights.json")
    assert report(Played.load_from(tmp_path / "nights.json")) == report(played(9))
