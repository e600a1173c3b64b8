"""The main job on a small generated feed: what a night adds, what it leaves alone, and what is refused."""

from pathlib import Path

import polars as pl
import pytest

from flows.refresh import Wish, refresh
from flows.run import Run
from flows.settings import Settings, load_settings
from flows.steps import DirectSteps
from pipeline.errors import ConfigError
from pipeline.warehouse.adhoc import run_sql

TOML = """
[source]
kind = "generated"
path = "{warehouse}/raw"
days = DAYS
users = 40
items = 80
new_items_per_day = 2
vanishing_items_per_day = 1
[ingest]
buckets = 2
[sids]
levels = 2
vocabulary = 4
[embeddings]
width = 4
"""


def settings_of(tmp_path: Path, warehouse: Path, days: int) -> Settings:
    """The small feed after ``days`` days."""
    config = tmp_path / f"days{days}.toml"
    config.write_text(TOML.replace("DAYS", str(days)))
    return load_settings(config, warehouse)


def run(settings: Settings, warehouse: Path, wish: Wish | None = None) -> dict:
    return refresh(settings, warehouse, Run("daily-refresh"), DirectSteps(), wish)


def table(warehouse: Path, name: str, keys: str) -> pl.DataFrame:
    return run_sql(warehouse, f"SELECT * EXCLUDE (ingest_id) FROM {name} ORDER BY {keys}")


@pytest.mark.slow
def test_one_more_night_equals_a_build_from_scratch_and_the_same_night_twice_adds_nothing(tmp_path: Path) -> None:
    """Two days, then a third: its day only is ingested, and events and records equal those of three days at once."""
    nightly, at_once = tmp_path / "nightly", tmp_path / "at_once"
    run(settings_of(tmp_path, nightly, 2), nightly)
    third = run(settings_of(tmp_path, nightly, 3), nightly)
    again = run(settings_of(tmp_path, nightly, 3), nightly)
    run(settings_of(tmp_path, at_once, 3), at_once)
    assert third["deliveries"] == ["2026-01-03"]
    assert again["status"] == "nothing new"
    assert run_sql(nightly, "SELECT max(release_id) FROM releases").item() == 2
    for name, keys in (("events", "user_id, user_seq"), ("records", "user_id, record_index"), ("splits", "user_id")):
        if name == "splits":
            left, right = (run_sql(root, "FROM splits ORDER BY user_id") for root in (nightly, at_once))
        else:
            left, right = (table(root, name, keys) for root in (nightly, at_once))
        assert left.height > 0
        assert left.equals(right), name
    kept = run_sql(
        nightly, "SELECT avg(CAST(now.sid = first.sid AS INT)) FROM sids_at(1) AS first JOIN sids AS now USING (item_id)"
    ).item()
    assert kept > 0.9


def test_settings_that_records_were_cut_by_cannot_change(tmp_path: Path) -> None:
    """slate_size 10 → 5 in the same warehouse is refused with both values."""
    warehouse = tmp_path / "w"
    run(settings_of(tmp_path, warehouse, 1), warehouse)
    config = tmp_path / "other.toml"
    config.write_text(TOML.replace("DAYS", "1") + "[records]\nslate_size = 5\n")
    with pytest.raises(ConfigError, match=r"records.slate_size is 5, but .* was built with 10"):
        run(load_settings(config, warehouse), warehouse)


@pytest.mark.parametrize("text", ["vocabullary = 4", "vocabulary = 1"])
def test_a_bad_key_is_named(tmp_path: Path, text: str) -> None:
    """A misspelt key, and a value out of range."""
    config = tmp_path / "bad.toml"
    config.write_text(f'[source]\nkind = "generated"\npath = "x"\n[sids]\n{text}\n')
    with pytest.raises(ConfigError, match="sids.voc"):
        load_settings(config, tmp_path)


def test_a_misspelt_variable_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """HSRL_SIDS__VOCABULRY is no field; the nearest one is named."""
    monkeypatch.setenv("HSRL_SIDS__VOCABULRY", "4")
    config = tmp_path / "some.toml"
    config.write_text('[source]\nkind = "generated"\npath = "x"\n')
    with pytest.raises(ConfigError, match="did you mean HSRL_SIDS__VOCABULARY"):
        load_settings(config, tmp_path)


def test_a_variable_stands_above_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file says 32 codes, the environment 64; days come through the union of sources."""
    monkeypatch.setenv("HSRL_SIDS__VOCABULARY", "64")
    monkeypatch.setenv("HSRL_SOURCE__DAYS", "6")
    config = tmp_path / "some.toml"
    config.write_text('[source]\nkind = "generated"\npath = "x"\n[sids]\nvocabulary = 32\n')
    settings = load_settings(config, tmp_path)
    assert settings.sids.vocabulary == 64
    assert settings.source.days == 6
