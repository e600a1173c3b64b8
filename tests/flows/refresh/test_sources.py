"""Published logs, and a log with lists, go through a whole refresh: every row is counted, and what needs refusals says so."""

import gzip
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from flows.runtime.settings import load_settings
from pipeline.errors import ConfigError
from pipeline.warehouse.adhoc import run_sql

CONFIGS = Path(__file__).parents[3] / "flows" / "configs"
SMALL = "\n[ingest]\nbuckets = 1\nquarantine_limit = 0.2\n[sids]\nlevels = 2\nvocabulary = 4\n[embeddings]\nwidth = 4\n"
SLATES = f"""
[source]
kind = "table"
path = "log.jsonl"
lists = ["item", "feedback"]
columns = {{ user = ["region", "who.id"], item = "shown", time = "at", feedback = "liked" }}
[records]
slate_size = 3
{SMALL}"""
SEQUENCES = f"""
[source]
kind = "sequences"
path = "log.txt"
[records]
slate_size = 1
{SMALL}"""


@pytest.fixture
def data() -> Path:
    folder = Path(os.environ.get("HSRL_SHARED", "../shared")) / "data"
    if not folder.is_dir():
        pytest.skip(f"no real data at {folder}; set HSRL_SHARED")
    return folder.absolute()


def refreshed(folder: Path, config: str, hsrl: Callable[..., Any]) -> Callable[[str], list[tuple[Any, ...]]]:
    """Refresh once; return what asks the warehouse."""
    (folder / "c.toml").write_text(config)
    outcome = hsrl("refresh", "--config", folder / "c.toml", "--warehouse", folder / "w")
    assert outcome.code == 0, outcome.err
    return lambda sql: run_sql(folder / "w", sql).rows()


def test_slates_of_json_lines_are_counted_by_event(tmp_path: Path, hsrl: Callable[..., Any]) -> None:
    """60 slates of three; one line is cut off, one has lists of two lengths, one an empty place: 61 lines, 1 + 1 + 1 rows refused."""
    slates = [
        {
            "region": "eu",
            "who": {"id": n % 7},
            "at": 1_600_000_000 + n,
            "shown": [n % 11, (n + 1) % 11, (n + 2) % 11],
            "liked": [n % 2, 1, 0],
        }
        for n in range(60)
    ]
    slates.append(slates[0] | {"at": 1_600_000_100, "shown": [1, None, 2]})
    slates.append(slates[0] | {"at": 1_600_000_200, "liked": [1]})
    (tmp_path / "log.jsonl").write_text("".join(json.dumps(slate) + "\n" for slate in slates) + '{"region": "eu", "wh\n')
    ask = refreshed(tmp_path, SLATES, hsrl)
    assert ask("SELECT count(*), count(DISTINCT user_id), sum(feedback) FROM events") == [(182, 7, 30 + 60 + 0)]
    assert ask("SELECT line, reason FROM quarantine ORDER BY line") == [
        (61, "item id is missing"),
        (62, "lists of different lengths"),
        (63, "no whole JSON object"),
    ]
    assert ask("SELECT n_lines, n_rows, n_rejected FROM ingest_lines") == [(185, 185, 3)]
    assert ask("SELECT count(*) FROM records") == [(60,)]
    assert ask("SELECT raw_id FROM users ORDER BY raw_id LIMIT 2") == [("eu|0",), ("eu|1",)]


def test_a_log_of_positives_gives_semantic_ids_and_refuses_what_needs_refusals(tmp_path: Path, hsrl: Callable[..., Any]) -> None:
    (tmp_path / "log.txt").write_text(
        "".join(f"{n} " + " ".join(str((n * k) % 13 + 1) for k in range(1, 6)) + "\n" for n in range(1, 40))
    )
    ask = refreshed(tmp_path, SEQUENCES, hsrl)
    assert ask("SELECT count(*), min(feedback), max(user_seq) FROM events") == [(39 * 5, 1, 4)]
    assert ask("SELECT count(*) FROM sids") == [(13,)]
    for command in (["retrain"], ["reproduce", "ablation", "--out", tmp_path / "out"]):
        refusal = hsrl(*command, "--config", tmp_path / "c.toml", "--warehouse", tmp_path / "w")
        assert refusal.code == 2 and refusal.err.startswith("hsrl: the log has positives only"), refusal.err
        assert refusal.err.count("\n") == 1
    assert ask("SELECT count(*) FROM simulators") == [(0,)]
    (tmp_path / "s.toml").write_text(SEQUENCES + "score_aware = true\n")
    with pytest.raises(ConfigError, match="score_aware needs simulators, and these a log with refusals"):
        load_settings(tmp_path / "s.toml", tmp_path / "w")


@pytest.mark.real
def test_rl4rs_is_published_with_its_own_vectors(tmp_path: Path, data: Path, hsrl: Callable[..., Any]) -> None:
    ask = refreshed(tmp_path, _ready("rl4rs", data), hsrl)
    assert ask("SELECT count(*), sum(feedback) FROM events") == [(567, 398)]
    assert ask("SELECT count(*), min(len(exposed_items)) FROM records") == [(63, 9)]
    assert ask("SELECT count(*) FROM sids") == [(283,)]


@pytest.mark.real
def test_open_bandit_is_published_from_its_zip(tmp_path: Path, data: Path, hsrl: Callable[..., Any]) -> None:
    """The men's campaign: 34 items, 20,000 impressions under two policies."""
    config = _ready("obd", data).replace("*/*/[!i]*.csv", "*/men/men.csv").replace("bts/*/item", "bts/men/item")
    config = config.replace("vocabulary = 16", "vocabulary = 8")
    ask = refreshed(tmp_path, config, hsrl)
    assert ask("SELECT count(*), count(propensity), count(DISTINCT behavior_policy_id) FROM events") == [(20_000, 20_000, 2)]
    assert ask("SELECT count(*) FROM sids") == [(34,)]
    assert ask("SELECT count(*) FROM items WHERE raw_id LIKE 'men|%'") == [(34,)]


@pytest.mark.real
def test_the_beginning_of_kuairand_is_published(tmp_path: Path, data: Path, hsrl: Callable[..., Any]) -> None:
    """2,000 rows; those that repeat a user, video and time are in quarantine."""
    with gzip.open(data / "kuairand" / "kuairand27k_like_hate_subset.tsv.gz", "rt") as whole:
        rows = [next(whole) for _ in range(2_001)]
    (tmp_path / "log.tsv").write_text("".join(rows))
    config = _ready("kuairand", data).replace(f"{data}/kuairand/kuairand27k_like_hate_subset.tsv.gz", "log.tsv")
    config = config.replace("vocabulary = 64", "vocabulary = 8").replace(
        f"{data}/kuairand/user_features_pure.csv.gz", "users.csv"
    )
    (tmp_path / "users.csv").write_text("user_id,fans_user_num_range\n111,few\n")
    ask = refreshed(tmp_path, config, hsrl)
    keys = [(row.split("\t")[0], row.split("\t")[1], row.split("\t")[4]) for row in rows[1:]]
    assert ask("SELECT count(*) FROM events") == [(len(set(keys)),)]
    assert ask("SELECT count(*) FROM quarantine") == [(2_000 - len(set(keys)),)]


def _ready(name: str, data: Path) -> str:
    """A ready configuration with its paths filled in, and a bucket in place of 32."""
    text = (CONFIGS / f"{name}.toml").read_text().replace("{shared}/data", str(data))
    return text.replace("[ingest]", "[ingest]\nbuckets = 1") if "[ingest]" in text else f"{text}\n[ingest]\nbuckets = 1\n"
