"""The ready configurations, and the questions that the demo offers."""

import shlex
from pathlib import Path
from typing import Any

import pytest

from flows.cli.demo_questions import QUESTIONS
from flows.runtime.settings import load_settings
from pipeline.errors import ConfigError
from pipeline.ingest.ready import READY
from pipeline.warehouse.adhoc import run_sql

ROOT = Path(__file__).parents[3]
CONFIGS = ROOT / "flows" / "configs"
# The others are named by their kind.
KIND_OF = {
    "ml-100k": "movielens",
    "ml-1m": "movielens",
    "ml-1m-ranked": "movielens",
    "amazon-beauty": "sequences",
    "rl4rs-generated": "rl4rs",
}


@pytest.mark.parametrize("path", sorted(CONFIGS.glob("*.toml")), ids=lambda path: path.stem)
def test_a_ready_configuration_loads(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HSRL_SHARED", str(tmp_path / "shared"))
    settings = load_settings(path, tmp_path / "w")
    assert settings.source.path.is_absolute() and "{" not in str(settings.source.path)
    assert settings.source.kind == KIND_OF.get(path.stem, path.stem)
    assert path.read_text().startswith("# ")


@pytest.mark.parametrize("path", sorted(CONFIGS.glob("*.toml")), ids=lambda path: path.stem)
def test_no_ready_configuration_searches_in_its_simulators(path: Path, tmp_path: Path) -> None:
    """What that search gains in simulators of one family is lost in those of another (docs/learner.md)."""
    assert load_settings(path, tmp_path / "w").learner.search.n_rounds == 0


def test_a_setting_of_a_section_inside_a_section_comes_from_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file's 1,000 iterations stay beside it."""
    monkeypatch.setenv("HSRL_LEARNER__LOSSES__PG_WEIGHT", "0.5")
    monkeypatch.setenv("HSRL_EVALUATION__LOOK_AHEAD__N_ROUNDS", "3")
    settings = load_settings(CONFIGS / "generated.toml", tmp_path)
    assert settings.learner.losses.pg_weight == 0.5 and settings.learner.schedule.n_iterations == 1000
    assert settings.evaluation.look_ahead.n_rounds == 3 and settings.evaluation.n_simulators == 1


def test_a_setting_of_before_is_refused_with_its_new_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    old = tmp_path / "old.toml"
    old.write_text((CONFIGS / "generated.toml").read_text().replace("[learner.schedule]", "[learner]\npg_weight = 0.1"))
    renamed = "learner.pg_weight is now learner.losses.pg_weight, learner.n_iterations is now learner.schedule.n_iterations"
    with pytest.raises(ConfigError, match=f"^configuration .*old.toml: {renamed}$"):
        load_settings(old, tmp_path)
    monkeypatch.setenv("HSRL_LEARNER__PG_WEIGHT", "0.5")
    renamed = "HSRL_LEARNER__PG_WEIGHT is now HSRL_LEARNER__LOSSES__PG_WEIGHT"
    with pytest.raises(ConfigError, match=f"^environment: {renamed}$"):
        load_settings(CONFIGS / "generated.toml", tmp_path)


def test_every_configuration_of_the_page_of_sources_loads(tmp_path: Path) -> None:
    """Each block of TOML is a whole configuration, and every kind has one."""
    blocks = (ROOT / "docs" / "sources.md").read_text().split("```toml\n")[1:]
    kinds = set()
    for block in blocks:
        (tmp_path / "my.toml").write_text(block.split("```")[0])
        kinds.add(load_settings(tmp_path / "my.toml", tmp_path / "w").source.kind)
    assert kinds | {"amazon-2023"} == set(READY)


def test_there_are_the_configurations_of_the_issue() -> None:
    assert {path.stem for path in CONFIGS.glob("*.toml")} >= {"generated", "ml-1m-ranked", "ml-1m", "ml-100k", "table"}


def test_the_commented_keys_of_the_table_exist(tmp_path: Path) -> None:
    """Every line of table.toml that is a comment of a key is a key, so that taking the # away does not refuse the file."""
    lines = [
        line[2:] if line.startswith("# ") and " = " in line.split("#")[1] else line
        for line in (CONFIGS / "table.toml").read_text().splitlines()
    ]
    clashing = ("has_header", "names", "positive_above", "separator")
    text = "\n".join(
        line.removeprefix("# ") if line.startswith("# [") else line for line in lines if not line.startswith(clashing)
    )
    (tmp_path / "table.toml").write_text(text)
    settings = load_settings(tmp_path / "table.toml", tmp_path)
    source: Any = settings.source
    assert source.items is not None and source.users is not None
    assert source.columns.request == "request_id"


@pytest.mark.parametrize("question", QUESTIONS)
def test_a_question_of_the_demo_has_an_answer(retrained: Any, question: str) -> None:
    assert run_sql(retrained.root, question).height > 0
    assert shlex.split(f'hsrl sql "{question}"')[2] == question


def test_the_third_question_sets_the_policy_beside_what_it_is_measured_by(retrained: Any) -> None:
    """A row for each policy and reference row of the last retrain: the mean over the families that nobody learned in, the best first."""
    answer = run_sql(retrained.root, QUESTIONS[2])
    told = {(row["policy"], row["kind"]): row["mean_reward"] for row in answer.iter_rows(named=True)}
    reported = {
        (row["policy"], row["kind"]): round(row["total_reward"], 2)
        for row in retrained.report["evaluation"]
        if row["kind"] == "panel" or len(row["by_family"]) > 1
    }
    assert told == pytest.approx(reported, abs=0.011) and ("hsrl", "panel") in told
    assert answer["mean_reward"].is_sorted(descending=True)


def test_there_are_three_questions() -> None:
    assert len(QUESTIONS) == 3
