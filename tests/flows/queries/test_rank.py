"""The command that ranks files of requests, on a warehouse whose policy is published."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from tests.flows.conftest import World

pytestmark = pytest.mark.slow


def asked(folder: Path, *rows: dict) -> Path:
    """A file of requests, a line each."""
    path = folder / "requests.jsonl"
    path.write_text("\n".join(json.dumps(row) for row in rows))
    return path


def test_every_candidate_gets_a_place_and_those_without_a_sid_no_score(
    retrained: World, hsrl: Callable[..., Any], tmp_path: Path
) -> None:
    """A known user, and one of whom nothing is known; seventy requests take two passes."""
    items = retrained.ask("SELECT item_id FROM items ORDER BY item_id")["item_id"].to_list()
    shown = set(retrained.ask("SELECT item_id FROM sids JOIN items USING (item_id) WHERE is_active")["item_id"])
    user = retrained.ask("SELECT min(user_id) u FROM users").item()
    requests = [{"user_id": user, "history": items[:2], "candidates": items}, {"history": [], "candidates": items[:3]}] * 35
    out = tmp_path / "ranked.parquet"
    ran = hsrl("rank", asked(tmp_path, *requests), "--out", out, "--config", retrained.config, "--warehouse", retrained.root)
    assert (ran.code, ran.err) == (0, "")
    answers = pl.read_parquet(out)
    assert answers["request"].n_unique() == 70 and answers.height == 35 * (len(items) + 3)
    first = answers.filter(pl.col("request") == 0)
    assert first["place"].to_list() == list(range(1, len(items) + 1))
    assert set(first.filter(pl.col("score").is_not_null())["item_id"]) == shown
    assert first["score"].drop_nulls().is_sorted(descending=True)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"history": []}, "line 1: has no candidates, expected history and candidates"),
        ({"history": [], "candidates": None}, "its candidates are no list of ids"),
        ({"history": ["x"], "candidates": [1]}, "1 of 1 items in its history are unknown, such as"),
        ({"history": [-7], "candidates": [-7]}, "1 of 1 items in its history are unknown, such as -7"),
    ],
)
def test_requests_that_cannot_be_read_or_answered_are_one_line(
    retrained: World, hsrl: Callable[..., Any], tmp_path: Path, row: dict, message: str
) -> None:
    out = tmp_path / "ranked.jsonl"
    ran = hsrl("rank", asked(tmp_path, row), "--out", out, "--config", retrained.config, "--warehouse", retrained.root)
    assert ran.code == 2 and message in ran.err and ran.err.count("\n") == 1
    assert not out.exists()


def test_a_missing_file_another_format_and_no_policy_are_one_line(
    refreshed: World, hsrl: Callable[..., Any], tmp_path: Path
) -> None:
    where = ("--config", refreshed.config, "--warehouse", refreshed.root)
    assert "expected .parquet or .jsonl" in hsrl("rank", tmp_path / "a.csv", "--out", tmp_path / "b.jsonl", *where).err
    assert "No such file" in hsrl("rank", tmp_path / "a.jsonl", "--out", tmp_path / "b.jsonl", *where).err
    request = asked(tmp_path, {"history": [1], "candidates": [1]})
    assert "no policy is published" in hsrl("rank", request, "--out", tmp_path / "b.jsonl", *where).err
