"""What the trial reads and counts is what the first refresh will read and refuse."""

import tomllib
from pathlib import Path
from typing import Any

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
