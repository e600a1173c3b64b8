"""What the trial reads and counts is what the first refresh will read and refuse."""

import time
import tomllib
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from flows.queries.init import write_configuration
from pipeline.ingest.guess.propose import Proposal, propose

START = 1_700_000_000  # 2023-11-14 22:13:20 UTC


def proposed(*files: Path) -> tuple[dict[str, Any], Proposal]:
    """The section of the source and all else of a proposal that was read as TOML."""
    found = propose(files, files[0].parent)
    return tomllib.loads(found.text)["source"], found


def log(path: Path, rows: list[str], header: str = "user,item,clicked,ts") -> Path:
    path.write_text("\n".join([header, *rows]) + "\n")
    return path


def test_users_and_items_may_both_turn_out_to_be_texts(tmp_path: Path) -> None:
    """A tenth of the users are guests, which only the end of the file says; item 007 says at once that items are texts."""
    users = [f"guest{at}" if at % 10 == 0 else str(at % 40) for at in range(400)]
    items = ["007" if at == 300 else str(at % 23) for at in range(400)]
    rows = [f"{user},{item},{at % 2},{START + 60 * at}" for at, (user, item) in enumerate(zip(users, items, strict=True))]
    _, found = proposed(log(tmp_path / "a.csv", rows))
    assert (found.trial.n_events, found.trial.n_rejected, found.trial.n_users, found.trial.n_items) == (400, 0, 76, 24)


def test_answers_that_come_late_are_named_with_their_rows(tmp_path: Path) -> None:
    """The first 2,000 rows decide what is positive; 100 purchases and 40 refunds come after them."""
    words = ["click" if at % 3 == 0 else "view" for at in range(2_400)] + ["purchase"] * 100 + ["refund"] * 40
    rows = [f"{at % 40},{at % 23},{word},{START + 60 * at}" for at, word in enumerate(words)]
    source, found = proposed(log(tmp_path / "a.csv", rows))
    assert source["positive"] == ["click"]
    assert "as no count purchase (100 rows), refund (40 rows); mend positive if that is wrong" in found.doubts


def test_items_that_the_catalogue_lacks_are_counted_as_refused(tmp_path: Path) -> None:
    """Items 0 to 6 are listed and 7 to 9 are not: 3 of 10 rows. Where ids are texts, 0007 is no 7."""
    items = tmp_path / "items.csv"
    items.write_text("item,title\n" + "".join(f"{item},Thing\n" for item in range(7)))
    found = proposed(log(tmp_path / "a.csv", [f"{at % 9},{at % 10},{at % 2},{START + at}" for at in range(200)]), items)[1]
    assert (found.trial.n_events, found.trial.n_left_out) == (200, 60)
    assert any(doubt.startswith("60 of 200 rows will be refused, 60 of them since unknown item") for doubt in found.doubts)
    found = proposed(log(tmp_path / "b.csv", [f"{at % 9},{at % 7:04d},{at % 2},{START + at}" for at in range(200)]), items)[1]
    assert found.trial.n_left_out == 200 and any(
        "spelt" in doubt and "leave out [source.items]" in doubt for doubt in found.doubts
    )


def test_rows_that_repeat_and_times_to_come_are_counted_as_refused(tmp_path: Path) -> None:
    rows = [f"{at % 9},{at % 7},{at % 2},{START + at}" for at in range(200)]
    found = proposed(log(tmp_path / "a.csv", rows + rows[:50]))[1]
    assert found.trial.n_left_out == 50
    assert any(
        "50 of them since duplicate (user, item, time, feedback)" in doubt and 'identity = "row"' in doubt
        for doubt in found.doubts
    )
    latest = datetime.fromtimestamp(START + 149, UTC)
    late = propose([log(tmp_path / "b.csv", rows)], tmp_path, latest)
    assert late.trial.n_left_out == 50 and any("since time is in the future" in doubt for doubt in late.doubts)


def test_what_will_be_refused_is_in_the_report(tmp_path: Path) -> None:
    rows = [f"{at % 9},{at % 7},{at % 2},{START + at}" for at in range(200)]
    future = f"1,1,1,{int(time.time()) + 10 * 86_400}"
    looked = write_configuration([log(tmp_path / "a.csv", [*rows, *rows[:40], future])], tmp_path / "my.toml")
    assert (looked["events"], looked["rejected"], looked["positive"]) == (200, 41, 100)
