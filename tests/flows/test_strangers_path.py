"""A stranger's path: a CSV with ids of text, init, refresh, retrain, export, recommend, by the commands as README shows them."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from flows.cli.app import app
from flows.queries.init import write_configuration
from hsrl import read_mapping
from pipeline.errors import ConfigError
from tests.flows.conftest import TINY

N_ITEMS = 40


def write_shop(folder: Path) -> tuple[Path, Path]:
    """Clicks of 40 users who like items of their own half of the catalogue, and the catalogue, with semicolons and dates as people write."""
    luck = np.random.default_rng(3)
    clicks, items = folder / "clicks.csv", folder / "catalogue.csv"
    lines = ["customer;product;clicked;at"]
    for minute in range(2_400):
        user, item = luck.integers(40), luck.integers(N_ITEMS)
        likes = luck.random() < (0.8 if user % 2 == item % 2 else 0.1)
        lines.append(
            f"c-{user:03d};sku-{item:03d};{'yes' if likes else 'no'};{1 + minute // 1_440:02d}/01/2026 {minute // 60 % 24:02d}:{minute % 60:02d}"
        )
    clicks.write_text("\n".join(lines) + "\n")
    items.write_text("product;title;category\n" + "".join(f"sku-{item:03d};Thing {item};{item % 2}\n" for item in range(N_ITEMS)))
    return clicks, items


def answer(capsys: pytest.CaptureFixture[str], *words: str) -> Any:
    """What a command prints as JSON."""
    capsys.readouterr()
    app([*words, "--json"], standalone_mode=False)
    return json.loads(capsys.readouterr().out)


@pytest.mark.slow
def test_a_strangers_log_becomes_semantic_ids_and_recommendations(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    clicks, items = write_shop(tmp_path)
    config, warehouse = tmp_path / "shop.toml", str(tmp_path / "warehouse")
    looked = answer(capsys, "init", str(clicks), str(items), "--out", str(config))
    assert (looked["events"], looked["rejected"], looked["users"], looked["items"]) == (2_400, 0, 40, N_ITEMS)
    assert looked["rows"][0]["user"].startswith("c-0") and looked["rows"][0]["item"].startswith("sku-0")
    # Simulators and policies of the tests' size: what they are worth is judged elsewhere.
    config.write_text(config.read_text() + TINY[TINY.index("[simulator]") :])
    made = answer(capsys, "refresh", "--config", str(config), "--warehouse", warehouse)
    assert made["release_id"] == 1
    trained = answer(capsys, "retrain", "--config", str(config), "--warehouse", warehouse)
    assert trained["release_id"] == 2
    out = tmp_path / "sids.jsonl"
    answer(capsys, "sids", "export", "--format", "jsonl", "--out", str(out), "--warehouse", warehouse)
    assert len(read_mapping(out).raw_ids) == N_ITEMS
    chosen = answer(capsys, "recommend", "c-007", "--k", "5", "--warehouse", warehouse)
    listed = [each["raw_id"] for each in chosen["items"]]
    assert len(set(listed)) == 5 and all(raw_id.startswith("sku-0") for raw_id in listed)


def test_a_configuration_is_not_written_over(tmp_path: Path) -> None:
    clicks, _ = write_shop(tmp_path)
    out = tmp_path / "my.toml"
    write_configuration([clicks], out)
    first = out.read_text()
    with pytest.raises(ConfigError, match="is there already and is not written over"):
        write_configuration([clicks], out)
    assert out.read_text() == first and 'path = "clicks.csv"' in first
    assert {path.name for path in tmp_path.iterdir()} == {"clicks.csv", "catalogue.csv", "my.toml"}
    with pytest.raises(ConfigError, match="no such folder"):
        write_configuration([clicks], tmp_path / "nowhere" / "my.toml")


def test_what_init_prints_are_rows_doubts_and_the_next_command(tmp_path: Path, hsrl: Callable[..., Any]) -> None:
    clicks, items = write_shop(tmp_path)
    ran = hsrl("init", clicks, items, "--out", tmp_path / "my.toml")
    assert (ran.code, ran.err) == (0, "")
    assert "sku-0" in ran.out and "unsure        clicked: positive are yes, and not no" in ran.out
    assert f"hsrl refresh --config {tmp_path / 'my.toml'}" in ran.out
    refused = hsrl("init", items, "--out", tmp_path / "other.toml")
    assert refused.code == 2 and "a list of items, and no log" in refused.err and refused.err.count("\n") == 1
    assert not (tmp_path / "other.toml").exists()
