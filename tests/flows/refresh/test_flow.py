"""The main job on a small generated feed: what a night adds, what it leaves alone, and what is refused."""

from pathlib import Path

import polars as pl
import pytest

from flows.refresh.flow import refresh
from flows.runtime.run import Run
from flows.runtime.settings import load_settings
from flows.runtime.steps import DirectSteps
from pipeline.errors import ConfigError
from pipeline.warehouse.adhoc import run_sql
from tests.support.small_feed import night, settings_of


def table(warehouse: Path, name: str, keys: str) -> pl.DataFrame:
    return run_sql(warehouse, f"SELECT * EXCLUDE (ingest_id) FROM {name} ORDER BY {keys}")


@pytest.mark.slow
def test_one_more_night_equals_a_build_from_scratch_and_the_same_night_twice_adds_nothing(tmp_path: Path) -> None:
    """Two days, then a third: its day only is ingested, and events and records equal those of three days at once."""
    nightly, at_once = tmp_path / "nightly", tmp_path / "at_once"
    night(nightly, 2)
    third = night(nightly, 3)
    again = night(nightly, 3)
    night(at_once, 3)
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
    night(warehouse, 1)
    with pytest.raises(ConfigError, match=r"records.slate_size is 5, but .* was built with 10"):
        refresh(settings_of(warehouse, 1, more="[records]\nslate_size = 5\n"), warehouse, Run("daily-refresh"), DirectSteps())


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
    assert settings.source.days == 6  # type: ignore[attr-defined]
