"""`hsrl sids audit`: any file, against the likes and vectors of a warehouse."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from tests.flows.conftest import World

pytestmark = pytest.mark.slow


def test_a_release_agrees_with_likes_and_random_codes_do_not(refreshed: World, hsrl: Callable[..., Any], tmp_path: Path) -> None:
    """Against its own vectors the codes of a release share prefixes far oftener than by chance; shuffled ones do not."""
    ours, shuffled = tmp_path / "ours.json", tmp_path / "shuffled.csv"
    assert hsrl("sids", "export", "--format", "json", "--out", ours, "--warehouse", refreshed.root).code == 0
    sids = refreshed.ask("SELECT raw_id, sid FROM sids ORDER BY raw_id")
    sids.with_columns(pl.col("sid").shuffle(seed=1)).write_csv(shuffled)
    ran = hsrl("sids", "audit", ours, shuffled, "--warehouse", refreshed.root, "--json")
    report = json.loads(ran.out)
    first, second = report["mappings"]
    assert first["items"] == sids.height and first["sids"] == sids["sid"].n_unique() == second["sids"]
    assert first["neighbours"]["levels"][0]["times_chance"] > 1.5 > 1.3 > second["neighbours"]["levels"][0]["times_chance"]
    assert first["behaviour"]["pairs"] == second["behaviour"]["pairs"] > 300
    assert report["compared"]["kept_aligned_by_level"][-1] >= report["compared"]["kept_by_level"][-1]
    text = hsrl("sids", "audit", ours, shuffled, "--warehouse", refreshed.root).out
    assert "by chance" in text and "new codes taking old numbers" in text


def test_a_file_is_judged_alone_and_by_vectors_of_its_own(
    hsrl: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "m.csv").write_text("item,sid\n" + "".join(f"i{n},{n // 10}-{n % 3}\n" for n in range(30)))
    vectors = pl.DataFrame({"item": [f"i{n}" for n in range(30)], "vector": [[float(n // 10), 1.0 - n / 100] for n in range(30)]})
    vectors.write_parquet("v.parquet")
    report = json.loads(hsrl("sids", "audit", "m.csv", "--vectors", "v.parquet", "--json").out)
    [figures] = report["mappings"]
    assert report["warehouse"] is None and "behaviour" not in figures and figures["neighbours"]["levels"][0]["found"] > 0.8
    for frame in (vectors.drop("vector"), vectors.with_columns(vector=pl.lit([float("nan")])), pl.concat([vectors, vectors])):
        frame.write_parquet("bad.parquet")
        ran = hsrl("sids", "audit", "m.csv", "--vectors", "bad.parquet")
        assert ran.code == 2 and ran.err.count("\n") == 1
    assert "cannot be read as Parquet" in hsrl("sids", "audit", "m.csv", "--vectors", "m.csv").err
    assert "no item of m.csv is in o.csv" in compared(hsrl, "item,sid\nx,1-2\n")
    assert "3 files are given, expected one or two" in hsrl("sids", "audit", "m.csv", "m.csv", "m.csv").err


def compared(hsrl: Callable[..., Any], other: str) -> str:
    """What comparing m.csv with another file prints as an error."""
    Path("o.csv").write_text(other)
    return str(hsrl("sids", "audit", "m.csv", "o.csv").err)


def test_a_warehouse_that_is_not_there_is_named(hsrl: Callable[..., Any], tmp_path: Path) -> None:
    (tmp_path / "m.csv").write_text("item,sid\na,1\n")
    ran = hsrl("sids", "audit", tmp_path / "m.csv", "--warehouse", tmp_path / "w")
    assert ran.code == 2 and "no warehouse" in ran.err
