"""Lists of items are told from ids that hold a comma or a blank: only by evidence, and what is uncertain is said."""

import json
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pipeline.errors import SourceError
from pipeline.ingest.guess.propose import Proposal, propose

START = 1_700_000_000  # 2023-11-14 22:13:20 UTC
N_ROWS = 60


def proposed(*files: Path) -> tuple[dict[str, Any], Proposal]:
    """The section of the source and all else of a proposal that was read as TOML."""
    found = propose(files, files[0].parent)
    return tomllib.loads(found.text)["source"], found


def write(folder: Path, item: Callable[[int], str], answer: Callable[[int], str] = lambda at: str(at % 2)) -> Path:
    path = folder / "log.csv"
    rows = [f"{at % 9},{item(at)},{START + 60 * at},{answer(at)}\n" for at in range(N_ROWS)]
    path.write_text("user,item,ts,clicked\n" + "".join(rows))
    return path


@pytest.mark.parametrize(
    "item",
    [
        lambda at: f"Red Shirt{at % 7}",
        lambda at: f"café {at % 7}",
        lambda at: f'"shoe,{at % 7}"',
        lambda at: f"men|{at % 7}",
        lambda at: f"{'Big ' * (at % 3)}Hat {at % 7}",
        lambda at: f"{100 + at % 7}|{at % 3}",
    ],
)
def test_an_id_with_a_mark_is_an_id(tmp_path: Path, item: Callable[[int], str]) -> None:
    source, found = proposed(write(tmp_path, item))
    assert "lists" not in source and (found.trial.n_events, found.trial.n_rejected) == (N_ROWS, 0)
    assert found.trial.rows["item"][0] == item(0).strip('"')
    assert any("was taken for an id" in doubt and 'lists = ["item"] and list_separator = ' in doubt for doubt in found.doubts)


def test_prices_with_a_comma_are_no_list_of_answers(tmp_path: Path) -> None:
    rows = [f"{at % 9};shoe,{at % 7};{START + 60 * at};{at % 2};{at},99\n" for at in range(N_ROWS)]
    (tmp_path / "a.csv").write_text("user;item;ts;clicked;price\n" + "".join(rows))
    assert proposed(tmp_path / "a.csv")[1].trial.n_events == N_ROWS


def test_lists_are_known_by_their_lengths(tmp_path: Path) -> None:
    """1, 2 or 3 items a row, 120 in all."""
    source, found = proposed(write(tmp_path, lambda at: "|".join(f"i{(at + place) % 7}" for place in range(1 + at % 3))))
    assert (source["lists"], source["list_separator"], found.trial.n_events) == (["item"], "|", 2 * N_ROWS)


@pytest.mark.parametrize("mark", ["|", " ", ";"])
def test_lists_are_known_by_lists_of_answers(tmp_path: Path, mark: str) -> None:
    source, found = proposed(
        write(tmp_path, lambda at: mark.join((f"a{at % 7}", f"b{at % 5}")), lambda at: mark.join((str(at % 2), "0")))
    )
    assert (source["lists"], source["list_separator"], found.trial.n_events) == (["item", "feedback"], mark, 2 * N_ROWS)


def test_lists_of_numbers_are_known_by_numbers_that_come_at_several_places(tmp_path: Path) -> None:
    source, found = proposed(write(tmp_path, lambda at: f"{at % 7}|{(at + 2) % 7}"))
    assert (source["lists"], found.trial.n_events) == (["item"], 2 * N_ROWS)


@pytest.mark.parametrize(
    ("ids", "n_events"), [(["a0", "a1", "a2", "b0", "b1"], 2 * N_ROWS), (["a0|b0", "a1|b1", "a2|b0"], N_ROWS)]
)
def test_a_catalogue_decides_what_an_id_is(tmp_path: Path, ids: list[str], n_events: int) -> None:
    items = tmp_path / "items.csv"
    every = ids if "|" not in ids[0] else [f"a{a}|b{b}" for a in range(3) for b in range(2)]
    items.write_text("item,title\n" + "".join(f"{each},Thing\n" for each in every))
    source, found = proposed(write(tmp_path, lambda at: f"a{at % 3}|b{at % 2}"), items)
    assert ("lists" in source) == (n_events > N_ROWS) and found.trial.n_events == n_events
    assert not any("was taken for an id" in doubt for doubt in found.doubts)


def test_a_nameless_file_that_is_a_log_only_by_its_lists_is_none_where_these_are_ids(tmp_path: Path) -> None:
    log, items = tmp_path / "log.csv", tmp_path / "items.csv"
    log.write_text("".join(f"{at % 9};a{at % 3}|{'b|' * (at % 2)}c\n" for at in range(N_ROWS)))
    assert proposed(log)[0]["lists"] == ["item"]
    items.write_text("item,title\n" + "".join(f"a{a}|{b}c,Thing\n" for a in range(3) for b in ("", "b|")))
    with pytest.raises(SourceError, match=r"log.csv: a table, and no log"):
        propose([log, items], tmp_path)


def test_lists_of_json_need_no_evidence(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    path.write_text(
        "".join(
            json.dumps({"user": at % 9, "item": ["a b", "c,d"], "ts": START + at, "click": [0, 1]}) + "\n" for at in range(N_ROWS)
        )
    )
    source, found = proposed(path)
    assert source["lists"] == ["item", "feedback"] and "list_separator" not in source and found.trial.n_events == 2 * N_ROWS
